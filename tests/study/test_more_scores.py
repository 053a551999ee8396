"""More scores of ``evaluate``: proper scores, the average calibration error, and volumes."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study import score_case
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import CALIBRATION_SCORES, OVERLAP_SCORES, VOLUME_SCORES
from dice_semimetric_study.scores.options import Options
from study_files import AFFINE, load, masks, save, study

from dice_semimetric import brier_score, log_loss, majority_vote

VOXEL = 0.7 * 0.7 * 2.5 / 1000  # of AFFINE, in millilitres


def evaluate(root: Path, *options: str) -> int:
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    return main(["evaluate", *files, "--out", str(root / "out"), "--quiet", *options])


def cases(root: Path) -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads((root / "out/cases.json").read_text())
    return found


def gaps(x: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the gap of each of ten bins that hold something."""
    places = np.minimum((x * 10).astype(int), 9)
    return [abs(x[places == b].mean() - y[places == b].mean()) for b in np.unique(places)]


def ece(x: np.ndarray, y: np.ndarray) -> float:
    places = np.minimum((x * 10).astype(int), 9)
    return sum(abs(x[places == b].sum() - y[places == b].sum()) for b in range(10)) / x.size


def by_hand(p: np.ndarray, seen: np.ndarray) -> dict[str, float]:
    p, soft = p.astype(np.float64).ravel(), seen.reshape(len(seen), -1).mean(axis=0)
    hard, doubt = soft > 0.5, (p > 0.01) | (soft > 0)
    q = np.clip(p, 2.0**-23, 1 - 2.0**-23)
    logs = {name: -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean() for name, y in
            (("log_loss", hard), ("log_loss_soft", soft))}  # fmt: skip
    volume, volumes = VOXEL * (p > 0.5).sum(), VOXEL * seen.reshape(len(seen), -1).sum(axis=1)
    bias, spread = volume - volumes.mean(), np.abs(volumes[:, None] - volumes).mean()
    sd = volumes.std()
    z, top = bias / sd, (np.maximum(p, 1 - p), p > 0.5)
    normal = sd * (z * math.erf(z / math.sqrt(2)) + math.sqrt(2 / math.pi) * math.exp(-z * z / 2))
    by_rater = [ece(top[0], top[1] == m.ravel()) for m in seen]
    soft_by_rater = [ece(p[doubt], m.ravel()[doubt]) for m in seen]
    return logs | {
        "precision": (hard & (p > 0.5)).sum() / (p > 0.5).sum(),
        "recall": (hard & (p > 0.5)).sum() / hard.sum(),
        "ace": float(np.mean(gaps(np.maximum(p, 1 - p), (p > 0.5) == hard))),
        "ace_soft": float(np.mean(gaps(p[doubt], soft[doubt]))),
        "ece_by_rater": float(np.mean(by_rater)),
        "ece_soft_by_rater": float(np.mean(soft_by_rater)),
        "brier": ((p - hard) ** 2).mean(),
        "brier_soft": np.mean([((p - m.ravel()) ** 2).mean() for m in seen]),
        "volume_bias": bias,
        "volume_error": abs(bias),
        "volume_bias_percent": 100 * bias / volumes.mean(),
        "volume_error_percent": 100 * abs(bias) / volumes.mean(),
        "volume_crps": np.abs(volume - volumes).mean() - spread / 2,
        "volume_crps_normal": normal - sd / math.sqrt(math.pi),
    }


@pytest.mark.parametrize("options", [(), ("--slab", "40"), ("--thresholds", "0.005", "0.5")])
def test_every_number_against_the_slow_way(tmp_path: Path, options: tuple[str, ...]) -> None:
    study(tmp_path, raters=4)
    for n, name in enumerate(("case01", "case02", "case03")):
        path = tmp_path / f"pred/{name}/task01.nii.gz"
        p = load(path)[0].astype(np.float32)
        p[:4] = np.random.default_rng(n).uniform(0, 0.02, p[:4].shape)  # nearly sure, or not quite
        p[10, 10] = n % 2
        save(path, p)
    assert evaluate(tmp_path, *options) == 0
    for case, row in enumerate(cases(tmp_path)):
        p, _ = load(tmp_path / f"pred/{row['case']}/task01.nii.gz")
        expected = by_hand(p, masks(10 * case, 4))
        assert set(expected) == {*CALIBRATION_SCORES, *VOLUME_SCORES, *OVERLAP_SCORES}
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=2e-5, abs=1e-7), name
    overall = json.loads((tmp_path / "out/summary.json").read_text())["overall"]
    means = {name: np.mean([row[name] for row in cases(tmp_path)]) for name in expected}
    assert {name: overall[name] for name in expected} == pytest.approx(means)
    assert overall["pooled"]["brier"] == pytest.approx(means["brier"])  # all cases are of one size
    assert not overall["pooled"].keys() & {*VOLUME_SCORES, "ece_by_rater", "ece_soft_by_rater"}


def parts(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return reliability, resolution and uncertainty of the Brier score in ten bins."""
    places = np.minimum((x * 10).astype(int), 9)
    found = {"reliability": 0.0, "resolution": 0.0, "uncertainty": y.mean() * (1 - y.mean())}
    for b in np.unique(places):
        some = places == b
        found["reliability"] += some.mean() * (x[some].mean() - y[some].mean()) ** 2
        found["resolution"] += some.mean() * (y[some].mean() - y.mean()) ** 2
    return found


def test_what_the_proper_scores_are_made_of(tmp_path: Path) -> None:
    study(tmp_path, raters=4, tasks=("task01", "task02"))
    assert evaluate(tmp_path) == 0
    summary, pixels = json.loads((tmp_path / "out/summary.json").read_text()), {}
    for task in ("task01", "task02"):
        for case in range(3):
            p = load(tmp_path / f"pred/case0{case + 1}/{task}.nii.gz")[0].astype(np.float64)
            soft = masks(10 * case + int(task[-1]) - 1, 4).mean(axis=0)
            for name in (task, "all"):
                pixels.setdefault(name, []).append((p.ravel(), soft.ravel()))
    for name, found in {**summary["tasks"], "all": summary["overall"]}.items():
        p, soft = (np.concatenate(side) for side in zip(*pixels[name], strict=True))
        doubt = (p > 0.01) | (soft > 0)
        right = (p > 0.5) == (soft > 0.5)
        got = found["decomposition"]
        assert got["ece"]["brier"] == pytest.approx(parts(np.maximum(p, 1 - p), right))
        assert got["ece_soft"]["brier"] == pytest.approx(parts(p[doubt], soft[doubt]))
        assert set(got["ece"]["log"]) == {"reliability", "resolution", "uncertainty"}
        signs = {"reliability": 1, "resolution": -1, "uncertainty": 1}
        for kind, score in (("brier", "brier"), ("log", "log_loss")):
            total = sum(sign * got["ece"][kind][part] for part, sign in signs.items())
            assert total == pytest.approx(found["pooled"][score], rel=0.1)  # but for the bins


def one(root: Path, pred: np.ndarray, ref: np.ndarray, affine: Any = AFFINE, **header: Any) -> int:
    save(root / "pred/a.nii", pred, affine, **header)
    save(root / "ref/a.nii", ref, affine, **header)
    return again(root)


def again(root: Path) -> int:
    return evaluate(root, "--pattern", "{case}.nii", "--pred-pattern", "{case}.nii", "--overwrite")


def sform(*rows: Sequence[float]) -> dict[str, Any]:
    """Return fields of a header that nibabel would not make of an affine by itself."""
    lines = {f"srow_{name}": (*row, 0.0) for name, row in zip("xyz", rows, strict=True)}
    return {"qform_code": 0, "sform_code": 2} | lines


def test_volumes_of_a_single_reference_and_of_nothing(tmp_path: Path) -> None:
    mask, empty = np.zeros((2, 4, 4, 4), np.uint8)
    mask[:2, :2, 0] = 1
    assert one(tmp_path, mask, mask) == 0
    assert [cases(tmp_path)[0][name] for name in VOLUME_SCORES] == [0] * 6
    assert one(tmp_path, mask, empty) == 0
    found = cases(tmp_path)[0]
    assert found["volume_crps"] == found["volume_crps_normal"] == pytest.approx(4 * VOXEL)
    assert found["volume_bias"] == pytest.approx(4 * VOXEL)
    assert found["ece_by_rater"] == found["ece"] > 0
    assert found["volume_bias_percent"] is found["volume_error_percent"] is None
    assert one(tmp_path, empty, mask) == 0
    assert cases(tmp_path)[0]["volume_bias_percent"] == -100


def test_precision_and_recall_of_nothing() -> None:
    some, empty = np.array([0.0, 1.0]), np.zeros(2)
    for pred, ref, expected in ((some, empty, 0), (empty, some, 0), (empty, empty, 1)):
        found = score_case(pred, ref, ref > 0.5)
        assert found.precision == found.recall == expected
    skipped = score_case(empty, empty, empty > 0.5, options=Options(empty="skip"))
    assert np.isnan([skipped.precision, skipped.recall]).all()


def test_a_plane_is_as_thick_as_its_header_says(tmp_path: Path) -> None:
    mask, empty = np.ones((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    for thickness, counted in ((2.5, 2.5), (0.0, 1.0)):
        header = sform((0.5, 0, 0), (0, 0.5, 0), (0, 0, thickness))
        assert one(tmp_path, mask, empty, None, **header) == 0
        expected = 16 * 0.25 * counted / 1000
        assert cases(tmp_path)[0]["volume_bias"] == pytest.approx(expected)


def test_a_spacing_of_zero_or_below_is_named(tmp_path: Path, capsys: Any) -> None:
    mask = np.ones((4, 4, 4), np.uint8)
    assert one(tmp_path, mask, mask, None, **sform((0.5, 0, 0), (0, 0, 0), (0, 0, 2))) == 1
    assert "has a spacing of (0.5, 0, 2) mm: no volume can be told" in capsys.readouterr().err
    assert one(tmp_path, mask, mask, None, **sform((1, 1, 0), (0, 0, 0), (0, 0, 1))) == 1
    assert "the axes must have different directions" in capsys.readouterr().err
    for spacing in ("-0.5", "0"):
        for file in (tmp_path / "pred/a.nii", tmp_path / "ref/a.nii"):
            save(file, mask, None, qform_code=0, sform_code=0)
            content = bytearray(file.read_bytes())
            content[80:84] = np.float32(spacing).tobytes()  # the first of the spacings in pixdim
            file.write_bytes(content)
        assert again(tmp_path) == 1
        expected = f"its spacing is {spacing}, 1, 1 mm, and each must be above 0"
        assert expected in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_proper_scores_are_those_of_the_core(dtype: Any) -> None:
    p = np.random.default_rng(0).random((7, 9)).astype(dtype)
    p[0], p[1, :4] = 0, 1
    marks = masks(3, 5, (7, 9))
    soft, hard = marks.mean(axis=0), majority_vote(marks) > 0
    found, p = score_case(p, soft, hard), p.astype(np.float32)
    for function in (brier_score, log_loss):
        for suffix, label in (("", hard), ("_soft", soft.astype(np.float32))):
            expected = float(function(p, label, kind="binary"))
            assert getattr(found, function.__name__.removesuffix("_score") + suffix) == (
                pytest.approx(expected, rel=1e-5)
            )
