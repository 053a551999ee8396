"""``dice-semimetric evaluate`` as a user runs it, against numbers computed the slow way."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import AFFINE, data_folder, load, masks, save, study

from dice_semimetric import __version__

NUMBERS = ("bdice", "dice", "jaccard", "ece", "ece_soft")


def evaluate(pred: Path, ref: Path, out: Path, *options: str) -> int:
    return main(
        [
            "evaluate",
            "--pred",
            str(pred),
            "--ref",
            str(ref),
            "--out",
            str(out),
            "--overwrite",
            *options,
        ]
    )


def results(out: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    with (out / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((out / "summary.json").read_text(encoding="utf-8"))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 1.0 if not (a.any() or b.any()) else 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def by_hand(p: np.ndarray, soft: np.ndarray, hard: np.ndarray) -> dict[str, float]:
    """Score one case pixel by pixel."""
    levels = [k / 10 for k in range(1, 10)]
    p32, soft32 = p.astype(np.float32), soft.astype(np.float32)
    seen = p > 0.5
    bins = [[0.0] * 3 for _ in range(10)]
    soft_bins = [[0.0] * 3 for _ in range(10)]
    for q, y, h in zip(p.ravel().astype(float), soft.ravel(), hard.ravel(), strict=True):
        confidence = max(q, 1 - q)
        cell = bins[min(int(confidence * 10), 9)]
        cell[0] += 1
        cell[1] += confidence
        cell[2] += (q > 0.5) == h
        if q > 0.01 or y > 0:
            cell = soft_bins[min(int(q * 10), 9)]
            cell[0] += 1
            cell[1] += q
            cell[2] += y
    total, doubt = sum(b[0] for b in bins), sum(b[0] for b in soft_bins)
    d = dice(seen, hard)
    return {
        "bdice": float(
            np.mean([dice(p32 >= np.float32(t), soft32 >= np.float32(t)) for t in levels])
        ),
        "dice": d,
        "jaccard": d / (2 - d),
        "ece": sum(abs(b[1] - b[2]) for b in bins) / total,
        "ece_soft": sum(abs(b[1] - b[2]) for b in soft_bins) / doubt,
    }


def test_every_number_against_the_slow_way(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path, tasks=("task01", "task02"), raters=4)
    out = tmp_path / "out"
    assert evaluate(pred, ref, out) == 0
    rows, summary = results(out)
    assert [(r["case"], r["task"]) for r in rows] == [
        (f"case0{c}", f"task0{t}") for c in (1, 2, 3) for t in (1, 2)
    ]
    expected = []
    for row, (number, index) in zip(rows, np.ndindex(3, 2), strict=True):
        seen = masks(10 * number + index, raters=4)
        p, _ = load(pred / row["case"] / f"{row['task']}.nii.gz")
        expected.append(by_hand(p, seen.mean(axis=0), seen.sum(axis=0) > 2))
        for name in NUMBERS:
            assert float(row[name]) == pytest.approx(expected[-1][name], abs=2e-6), name
        curve = [float(row[f"dice@0.{k}"]) for k in range(1, 10)]
        assert np.mean(curve) == pytest.approx(float(row["bdice"]), abs=2e-6)
        assert (row["raters"], row["voxels"]) == ("4", "480")
    for name in NUMBERS:
        values = [e[name] for e in expected]
        assert summary["overall"][name] == pytest.approx(np.mean(values), abs=1e-6)
        for task, part in (("task01", values[::2]), ("task02", values[1::2])):
            assert summary["tasks"][task][name] == pytest.approx(np.mean(part), abs=1e-6)
    assert summary["overall"]["cases"] == {"scored": 6, "faulty": 0}
    assert summary["tasks"]["task02"]["cases"] == {"scored": 3, "faulty": 0}
    assert summary["version"] == __version__
    assert "mean over cases" in summary["aggregation"]
    assert summary["options"]["n_bins"] == 10
    text = capsys.readouterr()
    assert f"{summary['overall']['bdice']:.4f}" in text.out
    assert text.err == ""


def test_pooled_scores_are_those_of_all_pixels(tmp_path: Path) -> None:
    ref, pred = study(tmp_path)
    assert evaluate(pred, ref, tmp_path / "out", "--no-pictures") == 0
    parts = [(load(pred / f"case0{n + 1}/task01.nii.gz")[0], masks(10 * n)) for n in range(3)]
    p = np.concatenate([a for a, _ in parts])
    seen = np.concatenate([b for _, b in parts], axis=1)
    expected = by_hand(p, seen.mean(axis=0), seen.sum(axis=0) >= 2)
    pooled = results(tmp_path / "out")[1]["overall"]["pooled"]
    for name in NUMBERS:
        assert pooled[name] == pytest.approx(expected[name], abs=1e-6), name
    assert not list((tmp_path / "out").glob("*.png"))


def test_pictures_have_content(tmp_path: Path) -> None:
    from matplotlib.image import imread

    ref, pred = study(tmp_path, tasks=[f"task0{t}" for t in (1, 2)])
    assert evaluate(pred, ref, tmp_path / "out") == 0
    for name, low in (("bdice.png", 1000), ("reliability.png", 600)):
        picture = imread(tmp_path / "out" / name)
        assert picture.shape[1] > low
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
    before = [(tmp_path / "out" / n).read_bytes() for n in ("bdice.png", "summary.json")]
    assert evaluate(pred, ref, tmp_path / "out") == 0
    assert before == [(tmp_path / "out" / n).read_bytes() for n in ("bdice.png", "summary.json")]


def test_a_perfect_prediction_of_a_single_soft_reference(tmp_path: Path) -> None:
    _, pred = study(tmp_path)
    assert evaluate(pred, pred, tmp_path / "out") == 0
    overall = results(tmp_path / "out")[1]["overall"]
    assert overall["bdice"] == 1
    assert overall["ece_soft"] == pytest.approx(0, abs=1e-7)
    assert results(tmp_path / "out")[0][0]["raters"] == "1"


def test_hard_references_and_predictions(tmp_path: Path) -> None:
    a, b = masks(1, raters=2)
    save(tmp_path / "ref/x.nii.gz", a.astype(np.uint8))
    for name, data in (("int", b.astype(np.int16)), ("float", b.astype(np.float64))):
        save(tmp_path / name / "x.nii.gz", data)
        assert evaluate(tmp_path / name, tmp_path / "ref", tmp_path / "out") == 0
        (row,) = results(tmp_path / "out")[0]
        assert float(row["dice"]) == float(row["bdice"]) == pytest.approx(dice(a, b), abs=1e-6)
        assert float(row["ece"]) == pytest.approx((a != b).mean(), abs=1e-6)


def test_dtypes_may_differ_from_case_to_case(tmp_path: Path) -> None:
    ref, pred = study(tmp_path)
    assert evaluate(pred, ref, tmp_path / "before") == 0
    for case, dtype in (("case02", np.float64), ("case03", np.float32)):
        path = pred / case / "task01.nii.gz"
        save(path, np.asarray(load(path)[0], dtype, order="C"))
    assert evaluate(pred, ref, tmp_path / "out") == 0
    assert results(tmp_path / "out") == results(tmp_path / "before")


def test_levels_are_met_by_what_was_written_as_float32(tmp_path: Path) -> None:
    """Ten raters' means are tenths, which float32 and float64 round to different sides."""
    for r in range(1, 11):
        mask = np.repeat(np.arange(1, 11) >= r, 5).reshape(10, 5)  # pixel row k is marked by k
        save(tmp_path / f"ref/x/task01_seg{r:02d}.nii.gz", mask.astype(np.uint8))
    assert (
        main(
            ["fuse", str(tmp_path / "ref"), "--out", str(tmp_path / "pred"), "--method", "uniform"]
        )
        == 0
    )
    assert evaluate(tmp_path / "pred", tmp_path / "ref", tmp_path / "out") == 0
    assert results(tmp_path / "out")[1]["overall"]["bdice"] == 1


def test_one_structure_of_label_maps(tmp_path: Path) -> None:
    a, b = masks(1, raters=2)
    save(tmp_path / "ref/x.nii.gz", np.where(a, 7, 3).astype(np.uint8))
    save(tmp_path / "pred/x.nii.gz", np.where(b, 7, 0).astype(np.uint8))
    out = tmp_path / "out"
    assert evaluate(tmp_path / "pred", tmp_path / "ref", out) == 1
    assert results(out)[1]["overall"]["cases"] == {"scored": 0, "faulty": 1}
    assert evaluate(tmp_path / "pred", tmp_path / "ref", out, "--label", "7") == 0
    assert results(out)[1]["overall"]["dice"] == pytest.approx(dice(a, b), abs=1e-6)


@pytest.mark.parametrize(("empty", "score"), [("1", 1.0), ("0", 0.0), ("skip", None)])
def test_nothing_found_where_nothing_is(tmp_path: Path, empty: str, score: float | None) -> None:
    zeros = np.zeros((6, 7), np.float32)
    for r in (1, 2):
        save(tmp_path / f"ref/x/task01_seg0{r}.nii.gz", zeros.astype(np.uint8))
    save(tmp_path / "pred/x/task01.nii.gz", zeros)
    assert evaluate(tmp_path / "pred", tmp_path / "ref", tmp_path / "out", "--empty", empty) == 0
    rows, summary = results(tmp_path / "out")
    for name in ("bdice", "dice", "jaccard"):
        assert summary["overall"][name] == score
        assert rows[0][name] == ("" if score is None else f"{score:.6f}")
        assert summary["overall"]["pooled"][name] == score
    assert summary["overall"]["ece"] == 0
    assert summary["overall"]["ece_soft"] is None  # no pixel is in doubt


def test_thresholds_and_bins(tmp_path: Path) -> None:
    ref, pred = study(tmp_path)
    options = ["--thresholds", "0.5", "0.25", "--bins", "1"]
    assert evaluate(pred, ref, tmp_path / "out", *options) == 0
    rows, summary = results(tmp_path / "out")
    assert summary["options"]["thresholds"] == [0.25, 0.5]
    p, _ = load(pred / "case01/task01.nii.gz")
    soft = masks(0).mean(axis=0)
    assert float(rows[0]["dice@0.25"]) == pytest.approx(dice(p >= 0.25, soft >= 0.25), abs=1e-6)
    doubt = (p > 0.01) | (soft > 0)
    gap = abs(p[doubt].astype(float).mean() - soft[doubt].mean())
    assert float(rows[0]["ece_soft"]) == pytest.approx(gap, abs=1e-6)


@pytest.mark.parametrize("flat", [False, True])
def test_layouts_odd_names_and_a_split_on_one_side(tmp_path: Path, flat: bool) -> None:
    names = ("case 1", "käse_二", 'a,"b\n<i>')
    ref, pred = study(tmp_path / "Testing", cases=names, flat=flat)
    moved = tmp_path / "all"
    moved.mkdir()
    ref.rename(moved / "Testing")
    assert evaluate(pred, moved, tmp_path / "out") == 0
    rows, summary = results(tmp_path / "out")
    shown = [name.replace("\n", r"\n") for name in names]  # a row is a line
    assert sorted(r["case"] for r in rows) == sorted(f"Testing/{n}" for n in shown)
    assert summary["overall"]["cases"] == {"scored": 3, "faulty": 0}


def spoil(ref: Path, pred: Path) -> dict[str, str]:
    """Spoil one case after the other; return what must be said of each."""
    shape = (20, 24)
    label, seg = "task01.nii.gz", "task01_seg02.nii.gz"
    good = (pred / "case01" / label).read_bytes()
    prob, _ = load(pred / "case01" / label)
    (pred / "case02" / label).unlink()
    save(pred / "extra" / label, prob)
    save(pred / "case03" / label, np.zeros((24, 20), np.float32))
    save(pred / "case04" / label, prob, AFFINE + np.eye(4) * 0.01)
    (pred / "case05" / label).write_bytes(good[: len(good) // 2])
    save(pred / "case06" / label, np.where(prob > 0.9, np.nan, prob))
    save(pred / "case07" / label, prob * 255)
    save(pred / "case08" / label, (prob * 3).astype(np.int16))
    (ref / "case09" / seg).unlink()
    (ref / "case10" / seg).write_bytes(b"")
    (ref / "case11" / seg).write_bytes(b"\x1f\x8b" + bytes(50))
    save(ref / "case12" / seg, np.zeros((*shape, 2), np.uint8))
    save(ref / "case13" / seg, np.zeros(shape, np.uint8), np.diag([-0.7, 0.7, 2.5, 1]))
    save(ref / "case14" / "image.nii.gz", np.zeros((9, 9), np.int16))
    save(ref / "case15" / "image.nii.gz", np.zeros(shape, np.int16), np.eye(4))
    huge = bytearray(nib.Nifti1Image(np.zeros(shape, np.float32), AFFINE).to_bytes())
    huge[40:48] = np.array([3, 10000, 10000, 10000], "<i2").tobytes()
    (pred / "case16" / label).unlink()
    (pred / "case16" / "task01.nii").write_bytes(huge)
    (pred / "case17" / "task01.nii").write_bytes(b"another one")
    for mask in (ref / "case18").glob("task01_*"):
        mask.unlink()
    return {
        "case02": "there is no prediction",
        "extra": "there is a prediction but no reference",
        "case03": "different shapes: (20, 24) and (24, 20)",
        "case04": "differ by 0.01",
        "case05": "task01.nii.gz is truncated",
        "case06": "probabilities from 0 to 1, got NaN",
        "case07": "probabilities from 0 to 1, got values from",
        "case08": "must hold 0 and 1 only",
        "case09": "rater 02 is missing",
        "case10": "task01_seg02.nii.gz is empty",
        "case11": "task01_seg02.nii.gz is corrupt",
        "case12": "different shapes: (20, 24) and (20, 24, 2)",
        "case13": "differ by 1.4",
        "case14": "different shapes: (9, 9) and (20, 24)",
        "case15": "image.nii.gz and the masks have different affines",
        "case16": "it claims 4000000000352 bytes",
        "case17": "two files stand for one",
        "case18": "there is an image but no mask",
    }


def test_every_faulty_case_is_named_and_the_others_scored(tmp_path: Path, capsys) -> None:
    names = [f"case{c:02d}" for c in range(1, 20)]
    ref, pred = study(tmp_path, cases=names)
    assert evaluate(pred, ref, tmp_path / "before") == 0
    expected = spoil(ref, pred)
    capsys.readouterr()
    assert evaluate(pred, ref, tmp_path / "out") == 1
    text = capsys.readouterr().err
    assert "Traceback" not in text
    for case, words in expected.items():
        assert any(case in line and words in line for line in text.splitlines()), (case, text)
    rows, summary = results(tmp_path / "out")
    before, _ = results(tmp_path / "before")
    assert rows == [r for r in before if r["case"] in ("case01", "case19")]
    assert summary["overall"]["cases"]["scored"] == 2
    named = {f["case"] for f in summary["faults"]}
    assert named == set(expected)
    assert summary["overall"]["cases"]["faulty"] == len(summary["faults"])


def test_no_good_case_at_all(tmp_path: Path) -> None:
    ref, pred = study(tmp_path, cases=("only",))
    (pred / "only/task01.nii.gz").write_bytes(b"")
    assert evaluate(pred, ref, tmp_path / "out") == 1
    rows, summary = results(tmp_path / "out")
    assert rows == []
    assert summary["overall"]["bdice"] is None
    assert not (tmp_path / "out/bdice.png").exists()


def test_bad_folders_and_options(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path)
    out = tmp_path / "out"
    (tmp_path / "file").touch()
    (tmp_path / "nothing").mkdir()
    for a, b, c, words in (
        (pred, ref, tmp_path / "file/out", "cannot write to"),
        (tmp_path / "nothing", ref, out, "no case in"),
        (pred, tmp_path / "absent", out, "is not a folder"),
    ):
        assert evaluate(a, b, c) == 2
        assert words in capsys.readouterr().err
        assert not out.exists()
    for options in (
        ["--thresholds", "1.5"],
        ["--thresholds", "x"],
        ["--bins", "0"],
        ["--empty", "2"],
        ["--affine-tolerance", "-1"],
        ["--affine-tolerance", "nan"],
        ["--pattern", "{rater}.nii"],
    ):
        assert evaluate(pred, ref, out, *options) == 2, options
        assert "Traceback" not in capsys.readouterr().err


def test_former_results_stay_if_new_ones_cannot_be_written(tmp_path: Path, monkeypatch) -> None:
    ref, pred = study(tmp_path)
    out = tmp_path / "out"
    assert evaluate(pred, ref, out) == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert evaluate(pred, ref, out) == 1
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_stopped_by_the_user(tmp_path: Path, monkeypatch, capsys) -> None:
    from dice_semimetric_study.scores import devices

    ref, pred = study(tmp_path)
    score = devices.score_files

    def stop(pair: Any, options: Any) -> Any:
        if pair.case == "case03":
            raise KeyboardInterrupt
        return score(pair, options)

    monkeypatch.setattr(devices, "score_files", stop)
    assert evaluate(pred, ref, tmp_path / "out") == 130
    assert "stopped by the user after 2 of 3 cases" in capsys.readouterr().err
    assert [r["case"] for r in results(tmp_path / "out")[0]] == ["case01", "case02"]


def test_as_a_process(tmp_path: Path) -> None:
    ref, pred = study(tmp_path)
    argv = [sys.executable, "-m", "dice_semimetric_study", "evaluate", "--ref", str(ref)]
    argv += ["--pred", str(pred), "--out", str(tmp_path / "out")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "BDice" in done.stdout


@pytest.mark.parametrize(
    ("model", "bdice", "soft_ece"),
    [("dml_soft", 0.8648, 0.0824), ("dml_maj", None, None)],
)
def test_real_predictions(tmp_path: Path, model: str, bdice, soft_ece) -> None:
    data = data_folder()
    ref = data / "lidc4-nodules/lidc-nodule"
    pred = data / "lidc4-predictions" / model
    options = ["--no-pictures"]
    assert evaluate(pred, ref / "Testing", tmp_path / model, *options) == 0
    rows, summary = results(tmp_path / model)
    assert len(rows) == 87
    if bdice is not None:
        assert summary["overall"]["bdice"] == pytest.approx(bdice, abs=5e-5)
        assert summary["overall"]["pooled"]["ece_soft"] == pytest.approx(soft_ece, abs=5e-4)
    p, _ = load(pred / "case001/task01.nii.gz")
    seen = np.stack([load(f)[0] for f in sorted((ref / "Testing/case001").glob("task01_*"))])
    expected = by_hand(p, seen.mean(axis=0), seen.sum(axis=0) > 2)
    for name in NUMBERS:
        assert float(rows[0][name]) == pytest.approx(expected[name], abs=2e-6)
    assert math.isfinite(summary["overall"]["ece"])
