"""The model among the raters: each rater is left out once and compared with the others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.text import form_of
from dice_semimetric_study.scores.among import AMONG, COLUMNS
from scipy.stats import wilcoxon
from study_files import data_folder, ece, load, masks, near_marks, save, study

VOXEL = 0.7 * 0.7 * 2.5 / 1000  # of the files, in millilitres
LEVELS = [np.float32(k / 10) for k in range(1, 10)]


def evaluate(root: Path, *options: str) -> int:
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    return main(["evaluate", *files, "--out", str(root / "out"), "--overwrite", *options])


def read(root: Path, name: str) -> Any:
    return json.loads((root / f"out/{name}.json").read_text())


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum()) if a.any() or b.any() else 1.0


def bdice(p: np.ndarray, y: np.ndarray) -> float:
    y = y.astype(np.float32)
    return float(np.mean([dice(p >= t, y >= t) for t in LEVELS]))


def by_hand(p: np.ndarray, seen: np.ndarray, r: int) -> dict[str, float]:
    """Return the scores against a rater, and of both against the others."""
    others = np.delete(seen, r, axis=0)
    mean, doubt = others.mean(axis=0), (p > 0.01) | seen.any(axis=0)
    own, near = seen[r].astype(np.float32), near_marks(seen)
    confidence, right = np.maximum(p, 1 - p).ravel(), ((p > 0.5) == seen[r]).ravel()
    chance = np.clip(np.where(seen[r], p, 1 - p).astype(float), 2.0**-23, 1)
    volume, rest = seen[r].sum(), np.mean([m.sum() for m in others])
    return {
        "ece_soft": ece(p[doubt], seen[r][doubt]),
        "ece_near": ece(p[near], seen[r][near]),
        "ece": ece(confidence, right),
        "brier": float(((p.astype(float) - seen[r]) ** 2).mean()),
        "log_loss": float(-np.log(chance).mean()),
        "rater_volume_bias": VOXEL * (volume - rest),
        "rater_volume_bias_percent": 100 * (volume / rest - 1),
        "model_dice": float(np.mean([dice(p > 0.5, m) for m in others])),
        "rater_dice": float(np.mean([dice(seen[r], m) for m in others])),
        "model_bdice": bdice(p, mean),
        "rater_bdice": bdice(own, mean),
        "model_ece_soft": ece(p[doubt], mean[doubt]),
        "rater_ece_soft": ece(own[doubt], mean[doubt]),
    }


@pytest.mark.parametrize("raters", [2, 3, 6])
@pytest.mark.parametrize("options", [(), ("--slab", "40")])
def test_every_number_against_the_slow_way(
    tmp_path: Path, raters: int, options: tuple[str, ...]
) -> None:
    names = tuple(f"case{c:02d}" for c in range(1, 7))
    study(tmp_path, cases=names, raters=raters)
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\n" + "".join(f"{n},{n > 'case02'}{n[-1:]}\n" for n in names))
    assert evaluate(tmp_path, "--patients", str(table), *options) == 0
    rows, case = read(tmp_path, "raters"), {}
    for row in rows:
        number, r = int(row["case"][-2:]) - 1, int(row["rater"]) - 1
        p, _ = load(tmp_path / f"pred/{row['case']}/task01.nii.gz")
        expected = by_hand(p.astype(np.float32), masks(10 * number, raters), r)
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, abs=2e-6), name
        case.setdefault(row["case"], []).append(row)
    found = {row["score"]: row for row in read(tmp_path, "among_raters")}
    assert list(found) == list(AMONG)
    for name, row in found.items():
        assert tuple(row) == COLUMNS
        model = np.array([np.mean([r[f"model_{name}"] for r in g]) for g in case.values()])
        each = np.array([[r[f"rater_{name}"] for r in g] for g in case.values()])
        gap = model - each.mean(axis=1)
        assert row["model"] == pytest.approx(model.mean())
        assert row["raters"] == pytest.approx(each.mean())
        assert row["difference"] == pytest.approx(gap.mean())
        assert row["low"] < row["difference"] < row["high"]
        assert row["p"] == pytest.approx(wilcoxon(gap).pvalue)
        below, above = (model < each.min(axis=1)).mean(), (model > each.max(axis=1)).mean()
        worse, better = (above, below) if name == "ece_soft" else (below, above)
        shares = (worse, 1 - worse - better, better)
        assert [row[k] for k in ("worse", "within", "better")] == pytest.approx(shares)
    p, adjusted = sorted(row["p"] for row in found.values()), []
    for i, value in enumerate(p):
        adjusted.append(max([min(1, (3 - i) * value), *adjusted]))
    assert sorted(row["p_holm"] for row in found.values()) == pytest.approx(adjusted)
    summary = read(tmp_path, "summary")["overall"]["among_raters"]
    assert summary["dice"]["interval"] == [found["dice"]["low"], found["dice"]["high"]]


def test_tasks_stand_by_themselves_and_together(tmp_path: Path, capsys: Any) -> None:
    study(tmp_path, tasks=("task01", "task02"))
    assert evaluate(tmp_path) == 0
    rows = read(tmp_path, "among_raters")
    assert [r["task"] for r in rows] == ["task01"] * 3 + ["task02"] * 3 + ["all"] * 3
    assert [r["cases"] for r in rows] == [3] * 6 + [6] * 3
    assert rows[6]["model"] == pytest.approx((rows[0]["model"] + rows[3]["model"]) / 2)
    shown = " ".join(capsys.readouterr().out.split())
    form = form_of((rows[6]["low"], rows[6]["high"]))
    assert f"all: Dice {rows[6]['model']:{form}}" in shown


def test_of_many_tasks_a_terminal_has_all_together(tmp_path: Path, capsys: Any) -> None:
    study(tmp_path, tasks=[f"task{t:02d}" for t in range(1, 5)], cases=("case01", "case02"))
    assert evaluate(tmp_path) == 0
    assert len(read(tmp_path, "among_raters")) == 15
    text = capsys.readouterr().out.split("among the raters")[1]
    assert [line.split(":")[0] for line in text.splitlines() if ": " in line] == ["all"] * 3


def test_one_rater_has_no_others(tmp_path: Path, capsys: Any) -> None:
    study(tmp_path, raters=1)
    assert evaluate(tmp_path) == 0
    assert read(tmp_path, "among_raters") == []
    assert "among_raters" not in read(tmp_path, "summary")["overall"]
    assert "among the raters" not in capsys.readouterr().out


def test_a_case_with_one_rater_is_left_out_of_this_alone(tmp_path: Path) -> None:
    study(tmp_path)
    for rater in ("02", "03"):
        (tmp_path / f"ref/case02/task01_seg{rater}.nii.gz").unlink()
    (tmp_path / "ref/case03/task01_seg03.nii.gz").unlink()
    assert evaluate(tmp_path, "--raters", "any") == 0
    assert len(read(tmp_path, "cases")) == 3
    assert {row["cases"] for row in read(tmp_path, "among_raters")} == {2}
    alone = [row for row in read(tmp_path, "raters") if row["case"] == "case02"]
    assert [row["model_dice"] for row in alone] == [None]
    for name in ("dice", "ece", "brier", "log_loss"):
        assert alone[0][name] == pytest.approx(read(tmp_path, "cases")[1][name])
    assert alone[0]["rater_volume_bias"] is alone[0]["rater_volume_bias_percent"] is None


@pytest.mark.parametrize("empty", ["1", "0", "skip"])
def test_raters_who_mark_nothing(tmp_path: Path, empty: str) -> None:
    study(tmp_path)
    nothing = np.zeros((20, 24), np.uint8)
    for rater in ("01", "02", "03"):
        save(tmp_path / f"ref/case01/task01_seg{rater}.nii.gz", nothing)
    save(tmp_path / "pred/case01/task01.nii.gz", nothing.astype(np.float32))
    assert evaluate(tmp_path, "--empty", empty) == 0
    row = read(tmp_path, "raters")[0]
    expected = None if empty == "skip" else float(empty)
    assert [row[f"{who}_dice"] for who in ("model", "rater")] == [expected] * 2
    assert [row[f"{who}_bdice"] for who in ("model", "rater")] == [expected] * 2
    assert row["rater_volume_bias"] == row["rater_volume_bias_percent"] == 0
    assert row["model_ece_soft"] is row["rater_ece_soft"] is None  # no pixel is in doubt
    cases = {row["score"]: row["cases"] for row in read(tmp_path, "among_raters")}
    assert cases == {"dice": 3 - (empty == "skip"), "bdice": 3 - (empty == "skip"), "ece_soft": 2}


def test_a_single_bin_and_coarse_thresholds(tmp_path: Path) -> None:
    study(tmp_path)
    assert evaluate(tmp_path, "--bins", "1", "--thresholds", "0.5") == 0
    row = read(tmp_path, "raters")[0]
    p = load(tmp_path / "pred/case01/task01.nii.gz")[0].astype(np.float32)
    seen = masks(0)
    mean, doubt = seen[1:].mean(axis=0), (p > 0.01) | seen.any(axis=0)
    own = seen[0].astype(np.float32)
    assert row["rater_ece_soft"] == pytest.approx(ece(own[doubt], mean[doubt], 1), abs=1e-6)
    assert row["model_bdice"] == pytest.approx(dice(p >= 0.5, mean >= 0.5))


def test_a_network_among_the_raters_of_nodules(tmp_path: Path) -> None:
    data = data_folder()
    for name, folder in (("pred", "predictions/dml_soft"), ("ref", "nodules/lidc-nodule/Testing")):
        (tmp_path / name).symlink_to(data / f"lidc4-{folder}")
    assert evaluate(tmp_path) == 0
    found = {row["score"]: row for row in read(tmp_path, "among_raters")}
    assert found["dice"]["model"] == pytest.approx(0.8424, abs=5e-5)
    assert found["dice"]["raters"] == pytest.approx(0.8480, abs=5e-5)
    assert found["dice"]["low"] < 0 < found["dice"]["high"]
    assert found["ece_soft"]["difference"] < 0
