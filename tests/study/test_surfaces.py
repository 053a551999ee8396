"""Lesions and surface distances of ``evaluate``, against the slow way."""

import json
import math
import sys
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import LESION_SCORES, SURFACE_SCORES
from dice_semimetric_study.scores.lesions import Lesions, lesions_of
from dice_semimetric_study.scores.surfaces import surface_of, within
from scipy.ndimage import distance_transform_edt
from study_files import load, masks, organs, save, study

pytest.importorskip("surface_distance")
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")
SPACING = (0.7, 0.7, 2.5)  # of AFFINE in study_files


def evaluate(root: Path, *options: str, status: int = 0) -> list[dict[str, Any]]:
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--out", str(root / "out")]
    argv = ["evaluate", *files, "--no-pictures", "--overwrite", "--quiet", *options]
    assert main(argv) == status
    path = root / "out/cases.json"
    return json.loads(path.read_text()) if path.exists() else []


def summary(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "out/summary.json").read_text())
    return found


def contour(mask: np.ndarray, spacing: Any) -> np.ndarray:
    """Return the length of the contour at each corner of pixels of a plane."""
    m = np.pad(mask, 1)
    a, b, c, d = m[:-1, :-1], m[:-1, 1:], m[1:, :-1], m[1:, 1:]
    count = a * 1 + b + c + d
    lengths = np.where((count == 1) | (count == 3), math.hypot(*spacing) / 2, 0)
    lengths = np.where((a == b) & (c == d) & (count == 2), spacing[1], lengths)
    lengths = np.where((a == c) & (b == d) & (count == 2), spacing[0], lengths)
    return np.where((a == d) & (b == c) & (count == 2), math.hypot(*spacing), lengths)


def surface(mask: np.ndarray, spacing: Any) -> np.ndarray:
    """Return the area of the surface at each corner of voxels, by MONAI's table of areas."""
    torch = pytest.importorskip("torch")
    utils = pytest.importorskip("monai.metrics.utils")
    table, kernel = utils.get_code_to_measure_table(spacing)
    m = np.pad(mask, 1)
    code, weights = 0, kernel.numpy().reshape(2, 2, 2)
    for at in product((0, 1), repeat=3):
        corner = m[tuple(slice(i, n - 1 + i) for i, n in zip(at, m.shape, strict=True))]
        code = code + corner * int(weights[at])
    return np.where((code > 0) & (code < 255), np.asarray(torch.as_tensor(table))[code], 0)


def by_hand(pred: np.ndarray, hard: np.ndarray, spacing: Any, tolerance: float) -> dict[str, float]:
    sizes = [(contour if hard.ndim == 2 else surface)(m, spacing) for m in (pred, hard)]
    far, means, near = [], [], 0.0
    for own, other in (sizes, sizes[::-1]):
        d = distance_transform_edt(other == 0, sampling=spacing)[own > 0]
        order = np.argsort(d)
        d, size = d[order], own[own > 0][order]
        far.append(d[np.searchsorted(np.cumsum(size) / size.sum(), 0.95)])
        means.append((d * size).sum() / size.sum())
        near += size[d <= tolerance].sum()
    both = sum(s.sum() for s in sizes)
    return {"nsd": near / both, "hd95": max(far), "assd": float(np.mean(means))}


def blobs(seed: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    return [m > 0 for m in masks(seed, 2, shape)]


@pytest.mark.parametrize("shape", [(20, 24), (18, 20, 9)])
@pytest.mark.parametrize("seed", range(4))
def test_distances_against_scipy(shape: tuple[int, ...], seed: int) -> None:
    pred, hard = blobs(seed, shape)
    pred[-3:], pred[0, 0] = True, True  # at the border, and a pixel of its own
    for spacing in (SPACING[-len(shape) :], SPACING[: len(shape)], (1.0,) * len(shape)):
        for tolerance in (0.0, 1.0, 2.5):
            found = surface_of(pred, hard, spacing, tolerance, 1.0)
            expected = by_hand(pred, hard, spacing, tolerance)
            assert vars(found) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(20, 24), (18, 20, 9)])
def test_nsd_against_monai(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    pred, hard = blobs(5, shape)
    spacing = SPACING[-len(shape) :]
    tensors = [torch.as_tensor(m)[None, None].float() for m in (pred, hard)]
    how: dict[str, Any] = {"spacing": spacing, "include_background": True, "use_subvoxels": True}
    expected = monai.compute_surface_dice(*tensors, [1.0], **how)
    assert surface_of(pred, hard, spacing, 1.0, 1.0).nsd == pytest.approx(float(expected), abs=1e-5)


def test_distances_that_are_known() -> None:
    pred, hard = np.zeros((2, 9, 9, 9), bool)
    pred[2:5, 2:5, 2:5] = hard[2:5, 2:5, 4:7] = True
    pixel = np.zeros((5, 5), bool)
    pixel[2, 2] = True
    moved = np.roll(pixel, 1, axis=1)
    for one, other, spacing, hd95 in (
        (pred, hard, (1.0, 1.0, 3.0), 6.0),
        (pixel, pixel, (1.0, 2.0), 0.0),
        (pixel, moved, (1.0, 2.0), 2.0),
        (np.ones((3, 3), bool), np.ones((3, 3), bool), (1.0, 1.0), 0.0),
    ):
        assert surface_of(one, other, spacing, 10.0, 1.0).hd95 == pytest.approx(hd95)
        assert surface_of(one, other, spacing, 10.0, 1.0).nsd == 1


def lesions_by_hand(pred: np.ndarray, hard: np.ndarray) -> Lesions:
    def parts(mask: np.ndarray) -> list[set[tuple[int, ...]]]:
        left, found = set(map(tuple, np.argwhere(mask).tolist())), []
        while left:
            part = edge = {left.pop()}
            while edge:
                near = {p for p in left for q in edge if max(np.abs(np.subtract(p, q))) == 1}
                left, part, edge = left - near, part | near, near
            found.append(part)
        return found

    each, others = parts(pred), parts(hard)
    shared = set(map(tuple, np.argwhere(pred & hard).tolist()))
    hits = [sum(bool(part & shared) for part in side) for side in (each, others)]
    return Lesions(len(each), hits[0], len(others), hits[1])


@pytest.mark.parametrize("shape", [(12, 14), (7, 6, 5)])
def test_lesions_by_hand(shape: tuple[int, ...]) -> None:
    for seed in range(5):
        pred, hard = np.random.default_rng(seed).random((2, *shape)) < 0.12
        assert lesions_of(pred, hard) == lesions_by_hand(pred, hard)


@pytest.mark.parametrize("shape", [(20, 24), (18, 20, 6)])
def test_every_number_of_the_tables(tmp_path: Path, shape: tuple[int, ...]) -> None:
    study(tmp_path, shape=shape, raters=4)
    counts = []
    for row in evaluate(tmp_path, "--lesions", "--surface", "--tolerance", "1.5"):
        pred = load(tmp_path / f"pred/{row['case']}/task01.nii.gz")[0] > 0.5
        hard = masks(10 * (int(row["case"][-1]) - 1), 4, shape).mean(axis=0) > 0.5
        expected = by_hand(pred, hard, SPACING[: len(shape)], 1.5)
        n = lesions_by_hand(pred, hard)
        p, r = n.right / n.predicted, n.found / n.marked
        expected |= {"lesion_precision": p, "lesion_recall": r, "lesion_f1": 2 * p * r / (p + r)}
        assert set(expected) == {*SURFACE_SCORES, *LESION_SCORES}
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-5)
        counts.append(n)
    overall = summary(tmp_path)["overall"]
    pooled = sum(n.right for n in counts) / sum(n.predicted for n in counts)
    assert overall["pooled"]["lesion_precision"] == pytest.approx(pooled)
    assert overall["pooled"].keys() & SURFACE_SCORES.keys() == set()
    assert overall["intervals"]["nsd"]


def test_an_unasked_score_has_no_column(tmp_path: Path) -> None:
    study(tmp_path)
    for options in ((), ("--lesions",), ("--surface",)):
        row = evaluate(tmp_path, *options)[0]
        assert ("lesion_f1" in row) is ("--lesions" in options)
        assert ("nsd" in row) is ("--surface" in options)


def tolerance_by_hand(numbers: range, raters: int) -> float:
    def assd(one: np.ndarray, other: np.ndarray) -> float:
        return by_hand(one, other, SPACING[:2], 0)["assd"]

    cases = [masks(10 * number, raters) for number in numbers]
    return float(np.median([np.mean([assd(*p) for p in combinations(c, 2)]) for c in cases]))


def test_the_raters_spread_is_a_tolerance(tmp_path: Path, capsys: Any) -> None:
    study(tmp_path, raters=3)
    tolerance = tolerance_by_hand(range(3), 3)
    first = evaluate(tmp_path, "--surface", "--tolerance", "raters")
    known = summary(tmp_path)["options"]["nsd_tolerance"]
    assert known == {"task01": pytest.approx(tolerance, abs=1e-6)}
    assert evaluate(tmp_path, "--surface", "--tolerance", str(known["task01"])) == first
    assert evaluate(tmp_path, "--surface", "--tolerance", "raters", "--resume") == first
    argv = ["evaluate", "--pred", str(tmp_path / "pred"), "--ref", str(tmp_path / "ref")]
    page, more = tmp_path / "page.html", ["--surface", "--tolerance", "raters"]
    where = ["--out", str(tmp_path / "out"), "--overwrite", "--no-pictures"]
    assert main([*argv, *where, *more, "--report", str(page)]) == 0
    words = f"NSD within {tolerance:.3g} mm"
    assert words in capsys.readouterr().out
    assert f"Surface, {words}" in page.read_text(encoding="utf-8")
    assert within({"a": 1.0, "b": 0.25, "c": 0.5}) == "NSD within 0.25 to 1 mm"
    assert within({}) == "no NSD"


def test_a_soft_reference_has_no_such_tolerance(tmp_path: Path) -> None:
    soft = np.random.default_rng(0).random((6, 7)).astype(np.float32)
    for side in ("pred", "ref"):
        save(tmp_path / f"{side}/a.nii.gz", soft)
    (row,) = evaluate(tmp_path, "--surface", "--tolerance", "raters", status=1)
    assert (row["nsd"], row["assd"]) == (None, 0)
    (fault,) = summary(tmp_path)["faults"]
    assert "no case has two raters" in fault["reason"]


def test_without_two_raters_there_is_no_such_tolerance(tmp_path: Path, capsys: Any) -> None:
    study(tmp_path, raters=1)
    rows = evaluate(tmp_path, "--surface", "--tolerance", "raters", status=1)
    assert [row["nsd"] for row in rows] == [None] * 3
    assert all(row["hd95"] >= 0 for row in rows)
    assert "its NSD needs --tolerance MM" in capsys.readouterr().err
    (fault,) = summary(tmp_path)["faults"]
    assert (fault["case"], fault["task"]) == ("study", "task01")


def test_empty_masks(tmp_path: Path) -> None:
    some = np.zeros((6, 8, 4), np.uint8)
    some[1:3, 1:3, 1:3] = 1
    empty = np.zeros_like(some)
    sides = {"both": (empty, empty), "pred": (empty, some), "ref": (some, empty)}
    for case, (pred, ref) in sides.items():
        save(tmp_path / f"pred/{case}/task01.nii.gz", pred)
        for rater in "123":
            save(tmp_path / f"ref/{case}/task01_seg{rater}.nii.gz", ref)
    found = {row["case"]: row for row in evaluate(tmp_path, "--surface", "--lesions")}
    assert [found["both"][n] for n in (*LESION_SCORES, *SURFACE_SCORES)] == [1, 1, 1, 1, 0, 0]
    diagonal = math.hypot(6 * 0.7, 8 * 0.7, 4 * 2.5)
    for case in ("pred", "ref"):
        assert [found[case][n] for n in (*LESION_SCORES, "nsd")] == [0] * 4
        assert found[case]["hd95"] == found[case]["assd"] == pytest.approx(diagonal)
    assert summary(tmp_path)["overall"]["hd95"] == pytest.approx(2 * diagonal / 3)
    skipped = evaluate(tmp_path, "--surface", "--lesions", "--empty", "skip")[0]
    assert [skipped[n] for n in (*LESION_SCORES, *SURFACE_SCORES)] == [None] * 6


def test_a_plane_has_a_contour_wherever_its_one_axis_is(tmp_path: Path) -> None:
    plane = [m.astype(np.uint8) for m in blobs(3, (20, 24))]
    expected = by_hand(plane[0] > 0, plane[1] > 0, (0.7, 2.5), 1.0)
    for axis in range(3):
        spacing = np.insert([0.7, 2.5], axis, 9.0)
        for side, mask in zip(("pred", "ref"), plane, strict=True):
            data = np.expand_dims(mask, axis)
            save(tmp_path / f"{side}/a.nii.gz", data, np.diag([*spacing, 1.0]))
        (row,) = evaluate(tmp_path, "--surface")
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    for side in ("pred", "ref"):
        save(tmp_path / f"{side}/a.nii.gz", np.ones((5, 1, 1), np.uint8))
    (row,) = evaluate(tmp_path, "--surface")
    assert (row["nsd"], row["hd95"]) == (1, 0)


def test_regions_and_ignored_labels(tmp_path: Path) -> None:
    kept = organs(tmp_path)
    argv = ["evaluate", "--pred", str(tmp_path / "hard"), "--ref", str(tmp_path / "ref"), "-q"]
    argv += ["--out", str(tmp_path / "out"), "--regions", str(tmp_path / "organs.toml")]
    argv += ["--no-pictures", "--surface", "--lesions", "--tolerance", "raters"]
    assert main(argv) == 0
    tolerances = summary(tmp_path)["options"]["nsd_tolerance"]
    assert set(tolerances) == {"liver", "kidneys"}
    for row in json.loads((tmp_path / "out/cases.json").read_text()):
        seen, _ = kept[row["case"]]
        counted = (seen != 9).all(axis=0)
        labels = {"liver": [5], "kidneys": [2, 3]}[row["task"]]
        hard = (np.isin(seen, labels).sum(axis=0) > len(seen) / 2) & counted
        data, _ = load(tmp_path / f"hard/{row['case']}/task01.nii.gz")
        pred = np.isin(data, labels) & counted
        expected = by_hand(pred, hard, SPACING, tolerances[row["task"]])
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-5)
        assert row["lesion_recall"] == (n := lesions_by_hand(pred, hard)).found / n.marked


def test_what_cannot_be_is_named(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    study(tmp_path, cases=("case01",))
    evaluate(tmp_path, "--surface", "--slab", "40", status=1)
    assert "task01_seg01.nii.gz has 480 voxels" in (err := capsys.readouterr().err)
    assert "slabs of 40: give --slab 480" in err
    evaluate(tmp_path, "--tolerance", "2", status=2)
    assert "--tolerance has no use without --surface" in capsys.readouterr().err
    for side in ("pred", "ref"):
        save(tmp_path / f"time/{side}/a.nii.gz", np.ones((3, 3, 3, 2), np.uint8))
    evaluate(tmp_path / "time", "--surface", status=1)
    assert "a.nii.gz has 4 axes, and surfaces and lesions 2 or 3" in capsys.readouterr().err
    for wrong in ("-1", "nan", "rater", "inf"):
        evaluate(tmp_path, "--surface", f"--tolerance={wrong}", status=2)
        assert "at least 0 mm, or the word raters" in capsys.readouterr().err
    evaluate(tmp_path, "--lesions", "--device", "cuda", status=2)
    assert capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "surface_distance", None)
    evaluate(tmp_path, "--surface", status=2)
    words = "--surface needs the package surface-distance: pip install 'dice-semimetric[surface]'"
    assert words in capsys.readouterr().err
