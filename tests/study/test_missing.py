"""``--missing worst``: a missing or faulty prediction counts as the worst value of every score."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import ALL_SCORES, LESION_SCORES, VOLUME_SCORES
from study_files import organs, rows, save, study

pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")
ENDLESS = {"log_loss", "log_loss_soft", *VOLUME_SCORES}


def evaluate(root: Path, *options: str, status: int = 1, pred: str = "pred") -> dict[str, Any]:
    files = ["--pred", str(root / pred), "--ref", str(root / "ref"), "--out", str(root / "out")]
    argv = ["evaluate", *files, "--overwrite", "-q", "--report", str(root / "page.html"), *options]
    assert main(argv) == status
    found: dict[str, Any] = json.loads((root / "out/summary.json").read_text())
    return found


def cases(root: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((root / "out/cases.json").read_text())
    return found


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return a study of five cases: two good, one missing, one faulty, one of a bad reference."""
    study(tmp_path, cases=("a", "b", "c", "d", "e"))
    (tmp_path / "pred/b/task01.nii.gz").unlink()
    save(tmp_path / "pred/c/task01.nii.gz", np.full((20, 24), 7.5, np.float32))
    save(tmp_path / "ref/e/task01_seg02.nii.gz", np.full((20, 24), 9, np.uint8))
    return tmp_path


def test_the_worst_values_are_in_the_means(broken: Path, capsys: Any) -> None:
    plain = evaluate(broken)
    good = {row["case"]: row for row in cases(broken)}
    assert set(good) == {"a", "d"}
    assert "fault" not in good["a"]
    found = evaluate(broken, "--missing", "worst", "--lesions")
    assert found["overall"]["cases"] == {"scored": 2, "faulty": 3, "worst": 2}
    assert found["faults"] == plain["faults"]
    table = {row["case"]: row for row in cases(broken)}
    assert list(table) == ["a", "b", "c", "d"]
    assert table["a"]["fault"] == ""
    assert table["b"]["fault"] == "there is no prediction"
    assert "must hold probabilities from 0 to 1" in table["c"]["fault"]
    for name, score in {**ALL_SCORES, **LESION_SCORES}.items():
        worst = score.limits[score.better == "lower"]
        assert table["b"][name] == table["c"][name] == (None if name in ENDLESS else worst)
        values = [row[name] for row in table.values() if row[name] is not None]
        assert found["overall"][name] == pytest.approx(np.mean(values))
        if name in good["a"]:
            assert table["a"][name] == good["a"][name]
    assert table["b"]["dice@0.5"] == 0
    assert (table["b"]["raters"], table["b"]["voxels"]) == (3, 480)
    for name in plain["overall"]["pooled"]:
        assert found["overall"]["pooled"][name] == plain["overall"]["pooled"][name]
    page = (broken / "page.html").read_text()
    assert page.count("worst values: ") == 2
    assert "3 faults, 2 predictions with the worst values" in page
    assert "Of these, 2 predictions with the worst values in the means" in page
    assert "4 cases" not in capsys.readouterr().err


def test_among_the_raters_too(broken: Path) -> None:
    found = evaluate(broken, "--missing", "worst")["overall"]["among_raters"]
    assert found["dice"]["cases"] == 4
    against = json.loads((broken / "out/raters.json").read_text())
    for row in against:
        if row["case"] in "bc":
            assert [row[n] for n in ("dice", "jaccard", "bdice", "ece_soft")] == [0, 0, 0, 1]
            assert [row[f"model_{n}"] for n in ("dice", "bdice", "ece_soft")] == [0, 0, 1]
        assert 0 < row["rater_dice"] < 1
    model = [np.mean([r["model_dice"] for r in against if r["case"] == c]) for c in "abcd"]
    assert found["dice"]["model"] == pytest.approx(np.mean(model))


def test_resuming_gives_the_same(broken: Path) -> None:
    first = evaluate(broken, "--missing", "worst")
    table = cases(broken)
    assert evaluate(broken, "--missing", "worst", "--resume") == first
    assert cases(broken) == table
    study(broken, cases=("b",))
    evaluate(broken, "--missing", "worst", "--resume")
    assert [row["fault"] != "" for row in cases(broken)] == [False, False, True, False]


def test_distances_are_the_diagonal(broken: Path) -> None:
    pytest.importorskip("surface_distance")
    evaluate(broken, "--missing", "worst", "--surface", "--tolerance", "raters")
    row = cases(broken)[1]
    diagonal = math.hypot(20 * 0.7, 24 * 0.7)
    assert [row[n] for n in ("nsd", "hd95", "assd")] == [0, *[pytest.approx(diagonal)] * 2]


def test_every_prediction_may_be_faulty(tmp_path: Path) -> None:
    study(tmp_path)
    for path in (tmp_path / "pred").rglob("*.nii.gz"):
        save(path, np.full((20, 24), 7.5, np.float32))
    found = evaluate(tmp_path, "--missing", "worst")["overall"]
    assert (found["dice"], found["ece"], found["pooled"]) == (0, 1, {})
    assert found["cases"] == {"scored": 0, "faulty": 3, "worst": 3}


def test_a_structure_without_any_prediction_has_no_diagrams(tmp_path: Path) -> None:
    study(tmp_path, cases=("a", "b"), tasks=("task01", "task02"))
    for path in (tmp_path / "pred").glob("*/task02.nii.gz"):
        path.unlink()
    table = tmp_path / "means.md"
    found = evaluate(tmp_path, "--missing", "worst", "--table", str(table))
    assert found["tasks"]["task02"]["pooled"] == found["tasks"]["task02"]["decomposition"] == {}
    page = (tmp_path / "page.html").read_text()
    assert page.count("Parts of a score") == 1
    assert "task02" in table.read_text()
    assert (tmp_path / "out/reliability.png").exists()


def test_raters_have_the_worst_values_of_the_case(tmp_path: Path) -> None:
    """But none where the reference alone leaves a score without a value."""
    study(tmp_path, cases=("a", "b"))
    for path in (tmp_path / "ref/b").glob("task01_*"):
        save(path, np.zeros((20, 24), np.uint8))
    for path in (tmp_path / "pred").glob("*/task01.nii.gz"):
        save(path, np.full((20, 24), 7.5, np.float32))
    evaluate(tmp_path, "--missing", "worst")
    table = {row["case"]: row for row in cases(tmp_path)}
    assert (table["a"]["ece_near"], table["a"]["consensus_confidence"]) == (1, 0)
    for name in ("ece_near", "ece_near_by_rater", "consensus_confidence"):
        assert table["b"][name] is None
    raters = json.loads((tmp_path / "out/raters.json").read_text())
    assert len(raters) == 6
    for row in raters:
        for name in (n for n in row if n in ALL_SCORES):
            assert row[name] == table[row["case"]][name], name


def test_each_region_counts(tmp_path: Path) -> None:
    organs(tmp_path)
    (tmp_path / "hard/b/task01.nii.gz").unlink()
    options = ("--missing", "worst", "--regions", str(tmp_path / "organs.toml"))
    found = evaluate(tmp_path, *options, pred="hard")
    assert [found["tasks"][name]["cases"]["worst"] for name in ("liver", "kidneys")] == [1, 1]
    assert [r["dice"] for r in rows(tmp_path / "out/cases.csv") if r["case"] == "b"] == [
        "0.000000"
    ] * 2


def test_compare_keeps_the_case_of_which_a_model_has_no_prediction(tmp_path: Path) -> None:
    study(tmp_path / "one")
    study(tmp_path / "two")
    (tmp_path / "two/pred/case02/task01.nii.gz").unlink()
    models = [f"{m}={tmp_path / m / 'pred'}" for m in ("one", "two")]
    argv = ["compare", "--pred", *models, "--ref", str(tmp_path / "one/ref"), "-q", "--no-pictures"]
    for missing, dropped in (("exclude", 1), ("worst", 0)):
        out = tmp_path / missing
        assert main([*argv, "--out", str(out), "--missing", missing]) == 1
        summary = json.loads((out / "summary.json").read_text())
        assert summary["models"]["one"]["dropped"] == dropped
        assert summary["overall"]["cases"] == 3 - dropped
    mixed = ["--scores", str(tmp_path / "exclude/one"), str(tmp_path / "worst/two")]
    assert main(["compare", *mixed, "--out", str(tmp_path / "mixed"), "-q"]) == 2


def test_the_worst_of_a_score_is_the_far_end_of_its_limits() -> None:
    assert (ALL_SCORES["dice"].worst, ALL_SCORES["ece"].worst) == (0, 1)
    assert {name for name, one in ALL_SCORES.items() if math.isnan(one.worst)} == ENDLESS
