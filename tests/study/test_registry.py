"""The registry of scores: what it names exists, and everything else takes its words from it."""

from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study import CaseScore, score_case
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.bootstrap import Bootstrap
from dice_semimetric_study.results.registry import (
    ALL_SCORES,
    CALIBRATION_SCORES,
    CONSENSUS_SCORES,
    OPTIONAL_SCORES,
    OVERLAP_SCORES,
    PREDICTION_SCORES,
    RATER_SCORES,
    VOLUME_SCORES,
    VOLUMES_OF_RATERS,
    Score,
    curve_names,
    prediction_score,
    threshold_text,
)
from dice_semimetric_study.results.tables import table
from dice_semimetric_study.results.text import interval, known, number, percent, short_name
from dice_semimetric_study.results.totals import total, total_by_name


@pytest.mark.parametrize(
    "name", [*PREDICTION_SCORES, *CALIBRATION_SCORES, *CONSENSUS_SCORES, *OVERLAP_SCORES]
)
def test_each_score_of_a_prediction_is_computed(name: str) -> None:
    score = ALL_SCORES[name]
    assert getattr(CaseScore, name).__doc__
    hard = np.array([0.0, 0.0, 1.0, 1.0])
    perfect = getattr(score_case(hard, hard, hard > 0.5), name)
    assert perfect == score.best
    poor = getattr(score_case(1 - hard, hard, hard > 0.5), name)
    assert (poor < perfect) is (score.better == "higher")
    assert score.limits[0] <= min(poor, perfect)
    assert max(poor, perfect) <= score.limits[1]


def test_what_is_not_asked_for_has_no_score() -> None:
    hard = np.array([0.0, 1.0])
    for scores in OPTIONAL_SCORES.values():
        for name in scores:
            assert getattr(CaseScore, name).__doc__
            assert np.isnan(getattr(score_case(hard, hard, hard > 0.5), name))


def test_a_volume_that_is_not_known_has_no_score() -> None:
    hard = np.array([0.0, 1.0])
    assert all(np.isnan(getattr(score_case(hard, hard, hard > 0.5), n)) for n in VOLUME_SCORES)
    assert [s.best for s in VOLUME_SCORES.values()] == [0] * len(VOLUME_SCORES)


def test_every_ece_names_its_pixels_and_its_reference() -> None:
    eces = [s for s in PREDICTION_SCORES.values() if "ECE" in s.title]
    assert [s.title for s in eces] == ["ECE, all pixels", "ECE, marked pixels", "ECE, near marks"]
    for score in eces:
        assert "Expected calibration error of the" in score.meaning
        assert "against {" in score.meaning
        pixels = ("over all pixels", "over pixels where", "over pixels in the box")
        assert any(words in score.meaning for words in pixels)


def test_dice_at_a_threshold_is_a_score_too() -> None:
    assert curve_names([0.1, 0.25]) == ["dice@0.1", "dice@0.25"]
    assert threshold_text("dice@0.25") == "0.25"
    assert threshold_text("dice") is None
    score = prediction_score("dice@0.25")
    assert (score.better, score.title) == ("higher", "Dice at 0.25")
    assert prediction_score("ece") is PREDICTION_SCORES["ece"]
    with pytest.raises(KeyError):
        prediction_score("nothing")


def rows_of(scores: Mapping[str, Score]) -> str:
    head = "| column | score | better | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(
        f"| `{s.name}` | {s.heading} | {s.better} | {s.explained()} |" for s in scores.values()
    )


@pytest.mark.parametrize(
    "scores",
    [
        PREDICTION_SCORES,
        CALIBRATION_SCORES,
        CONSENSUS_SCORES,
        VOLUME_SCORES,
        OVERLAP_SCORES,
        *OPTIONAL_SCORES.values(),
        RATER_SCORES,
        VOLUMES_OF_RATERS,
    ],
)
def test_the_documentation_has_the_registrys_words(scores: Mapping[str, Score]) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/analysis.md"
    assert f"\n{rows_of(scores)}\n\n" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["evaluate", "compare", "agreement"])
def test_help_has_the_registrys_words(command: str, capsys: Any) -> None:
    assert main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    every = dict(ChainMap(ALL_SCORES, *OPTIONAL_SCORES.values()))
    scores = {"agreement": RATER_SCORES, "evaluate": every}.get(command, ALL_SCORES)
    for score in scores.values():
        words = f"{score.name} {score.heading}, {score.better} is better. {score.explained()}"
        assert words in text


def test_statistics_add_up_by_name() -> None:
    found = [("b", np.array([1, 2])), ("a", np.array([3, 4])), ("b", np.array([5, 6]))]
    sums = total_by_name(found)
    assert list(sums) == ["b", "a"]
    assert sums["b"].tolist() == [6, 8]
    assert total(np.array([k]) for k in range(4)).tolist() == [6]


def test_numbers_and_names_as_text() -> None:
    assert [number(v) for v in (0.5, None, np.nan)] == ["0.5000", "-", "-"]
    assert interval([0.25, 0.5], ".2f", joint=" to ") == "0.25 to 0.50"
    assert [interval(e) for e in (None, [None, None])] == ["-", "-"]
    assert [percent(v) for v in (None, 0, 0.001, 0.5, 0.999, 1)] == [
        "-",
        "0%",
        "<1%",
        "50%",
        ">99%",
        "100%",
    ]
    assert np.isnan(known(None))
    assert short_name("$x$\n" + "y" * 40 + "z") == r"\$x\$\n" + "yyyy…yyyyyyyyz"
    assert interval([-0.076, -0.038], ".3f") == "-0.076, -0.038"  # no dash between signs


def test_a_table_is_aligned_in_a_terminal() -> None:
    text = table(["name", "x"], [["二つ", "1"], ["e\u0301", "10"]])
    assert text.splitlines() == ["name   x", "----  --", "二つ   1", "e\u0301     10"]


def test_no_interval_of_nothing() -> None:
    for bad in ({"resamples": 0}, {"confidence": 1.0}, {"confidence": np.nan}):
        with pytest.raises(ValueError, match="must be at least 1"):
            Bootstrap(**bad)


def test_a_unit_stands_behind_the_title_and_limits_give_the_best() -> None:
    distance = Score("hd95", "HD95", "Distance to {hard}", "lower", (0.0, np.inf), "mm")
    assert (distance.heading, distance.best) == ("HD95 (mm)", 0)
    assert distance.explained(hard="it") == "Distance to it. 0 is perfect."
    assert PREDICTION_SCORES["dice"].heading == "Dice"
