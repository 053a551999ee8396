"""Claims: tested by patient on the cases, folds and seeds that both runs have."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import prepared_discs

from benchmarks.paper.book import Cell
from benchmarks.paper.claims import compare_by_patient, compare_columns, paired, verdict
from benchmarks.paper.records import Scored
from benchmarks.paper.report import summarize, to_markdown
from benchmarks.paper.sources import Source


def scored(values: list[float], folds: int = 2) -> Scored:
    one = np.array(values)
    place = np.arange(len(one))
    parts = [(0, fold) for fold in range(folds)]
    return Scored(parts, place, place % folds, {"dice": one, "ece": one})


def test_claims_are_tested_by_patient_on_the_cases_that_both_have(
    rng: np.random.Generator,
) -> None:
    source = Source("mine", prepared_discs(rng, [1] * 12, raters=1))
    better, worse = rng.random(12), rng.random(12) * 0.1
    known = {
        "Hard": scored(list(worse)),
        "CE": scored(list(better + 1)),
        "DML": Scored([(0, 0), (0, 1)], np.arange(8), np.arange(8) % 2, {"dice": better[:8] - 1}),
        "KDE": None,
    }
    row = [Cell(("mine",), (name,), "dice", ((source, None),)) for name in known]
    claims, shifts = compare_columns(5, row, lambda cell: known[cell.column[0]])
    assert [(c["first"], c["second"], c["verdict"]) for c in claims] == [
        ("CE", "Hard", "shows"),
        ("DML", "CE", "opposite"),
    ]
    assert claims[1]["patients"] == 8
    assert claims[0]["mean"] == pytest.approx(np.mean(better + 1 - worse))
    assert [s["first"] for s in shifts] == ["CE", "DML"]
    text = to_markdown(5, row, [summarize(c, [known[c.column[0]]]) for c in row], claims, [], False)
    assert "| mine | DML better than CE | Dice | -200.00 [" in text
    assert "QUICK" not in text


def test_a_verdict_needs_both_the_test_and_the_interval() -> None:
    gain = {"mean": 0.1, "interval": [0.05, 0.2], "p": 0.01, "score": "dice"}
    gain |= {"above_zero": 0.3, "below_zero": 0.2}
    assert verdict(gain) == "shows"
    assert verdict(gain | {"score": "ece"}) == "opposite"
    assert verdict(gain | {"p": 0.05}) == "not shown"
    wide = gain | {"interval": [-0.01, 0.2]}
    assert verdict(wide) == "in most patients, not in the mean"
    assert verdict(wide | {"score": "ece"}) == "opposite in most patients, not in the mean"
    same = compare_by_patient(np.ones(6), np.ones(6), np.arange(6))
    assert verdict(same | {"score": "dice"}) == "not shown"


def test_a_comparison_counts_patients_and_not_cases() -> None:
    first, second = np.array([0.9, 0.7, 0.5, 0.5]), np.array([0.5, 0.7, 0.4, 0.5])
    result = compare_by_patient(first, second, np.array([0, 0, 1, 2]))
    assert result["mean"] == pytest.approx((0.2 + 0.1 + 0) / 3)
    assert result["patients"] == 3
    assert result["above_zero"] == pytest.approx(2 / 3)
    low, high = result["interval"]
    assert 0 <= low < result["mean"] < high <= 0.2 + 1e-12
    assert compare_by_patient(first, first, np.arange(4))["p"] == 1


def test_ties_stay_ties_and_one_patient_shows_nothing() -> None:
    first = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) + 0.1
    found = compare_by_patient(first, first - 0.1, np.arange(6))
    assert found["p"] == pytest.approx(2 / 2**6, rel=0.3)  # all are 0.1, but for rounding
    alone = compare_by_patient(first, first - 0.1, np.zeros(6, int))
    assert (alone["p"], alone["patients"]) == (1.0, 1)
    assert alone["interval"] == pytest.approx([0.1, 0.1])


def test_only_the_seeds_that_both_have_are_compared(rng: np.random.Generator) -> None:
    source = Source("mine", prepared_discs(rng, [1] * 3))
    values, place = np.array([0.1, 0.2, 0.3]), np.arange(3)
    both = Scored(
        [(0, 0), (1, 0)],
        np.tile(place, 2),
        np.repeat([0, 1], 3),
        {"dice": np.concatenate([values, values + 9.0])},
    )
    one = Scored([(0, 0)], place, np.zeros(3, int), {"dice": values + 0.1})
    assert paired(one, both, "dice", source)["mean"] == pytest.approx(0.1)
    other = Scored([(5, 0)], place, np.zeros(3, int), {"dice": values})
    assert paired(one, other, "dice", source) is None
