"""Any map against itself is perfect, by every score, command and way of storing it."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import AFFINE, data_folder, load, save

SHAPE = (12, 13, 5)
OVERLAPS = ("bdice", "dice", "jaccard")


def raters(root: Path) -> None:
    """Write the masks of two to nine raters, who tie wherever that is possible."""
    rng = np.random.default_rng(11)
    for number in range(2, 10):
        for r in range(number):
            mask = rng.random(SHAPE) < 0.5
            save(root / f"r{number}/task01_seg{r:02d}.nii.gz", mask.astype(np.uint8))


def soft_maps() -> dict[str, np.ndarray]:
    """Return random maps that meet levels and one half exactly, or almost."""
    rng = np.random.default_rng(12)
    half = np.float32(0.5)
    near = [half, np.nextafter(half, 0, dtype=np.float32), np.nextafter(half, 1, dtype=np.float32)]
    return {
        "half": np.full(SHAPE, 0.5),
        "near": rng.choice(near, SHAPE),
        "wide": 0.5 + rng.choice([-1e-12, 0, 1e-12], SHAPE),  # one half in float32
        "levels": rng.integers(0, 11, SHAPE) / 10,
        "steps": rng.integers(0, 256, SHAPE) / 255,
        "any": rng.random(SHAPE),
        "hard": (rng.random(SHAPE) < 0.3).astype(float),
        "empty": np.zeros(SHAPE),
    }


def store(path: Path, data: np.ndarray, kind: str) -> None:
    """Save probabilities in a floating dtype, in 8 bits with a slope, or as nibabel scales them."""
    if kind in ("float32", "float64"):
        save(path, data.astype(kind))
    elif kind == "uint8":
        image = nib.Nifti1Image(np.rint(data * 255).astype(np.uint8), AFFINE)
        content = bytearray(image.to_bytes())
        content[112:120] = np.array([1 / 255, 0], "<f4").tobytes()  # scl_slope, scl_inter
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix("").write_bytes(content)
    else:
        image = nib.Nifti1Image(data.astype(np.float64), AFFINE)
        image.set_data_dtype(np.int16)
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, path)


def require_perfect(out: Path, cases: set[str]) -> None:
    with (out / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert set(rows) == cases
    for case, row in rows.items():
        scores = {n: float(v) for n, v in row.items() if n in OVERLAPS or n.startswith("dice@")}
        assert set(scores.values()) == {1.0}, (case, scores)
        assert float(row["ece_soft"] or 0) <= 1e-6, case
        if case in ("hard", "empty"):
            assert float(row["ece"]) == 0


@pytest.mark.parametrize("kind", ["float32", "float64", "uint8", "int16"])
def test_a_map_against_itself(tmp_path: Path, kind: str) -> None:
    raters(tmp_path / "raters")
    options = ["--raters", "any", "--method", "uniform", "-q"]
    assert main(["fuse", str(tmp_path / "raters"), "--out", str(tmp_path / "mean"), *options]) == 0
    means = {f"r{n}": load(tmp_path / f"mean/r{n}/task01.nii.gz")[0] for n in range(2, 10)}
    found = means | soft_maps()
    for case, data in found.items():
        store(tmp_path / f"maps/{case}.nii.gz", data, kind)
    maps = str(tmp_path / "maps")
    argv = ["--ref", maps, "--no-pictures", "-q"]
    for name, slab in (("whole", "999999"), ("slabs", "160")):
        out = str(tmp_path / name)
        assert main(["evaluate", "--pred", maps, *argv, "--out", out, "--slab", slab]) == 0
        require_perfect(tmp_path / name, set(found))
    models = ["--pred", maps, f"again={maps}", "--out", str(tmp_path / "both")]
    assert main(["compare", *models, *argv]) == 0
    require_perfect(tmp_path / "both/again", set(found))
    summary = json.loads((tmp_path / "both/summary.json").read_text())
    assert {pair["difference"] for pair in summary["overall"]["pairs"]} == {0}


@pytest.mark.parametrize("slab", ["999999", "160"])
def test_the_raters_mean_against_the_raters(tmp_path: Path, slab: str) -> None:
    raters(tmp_path / "ref")
    fused = ["--out", str(tmp_path / "pred"), "--raters", "any", "--method", "uniform", "-q"]
    assert main(["fuse", str(tmp_path / "ref"), *fused, "--slab", slab]) == 0
    files = ["--pred", str(tmp_path / "pred"), "--ref", str(tmp_path / "ref"), "--raters", "any"]
    more = ["--no-pictures", "-q", "--slab", slab]
    assert main(["evaluate", *files, "--out", str(tmp_path / "out"), *more]) == 0
    require_perfect(tmp_path / "out", {f"r{n}" for n in range(2, 10)})


def test_real_raters_mean_against_the_raters(tmp_path: Path) -> None:
    """With four raters there are ties in nearly every case."""
    ref = data_folder() / "lidc4-nodules/lidc-nodule/Testing"
    argv = ["fuse", str(ref), "--out", str(tmp_path / "pred"), "--method", "uniform", "-q"]
    assert main(argv) == 0
    files = ["--pred", str(tmp_path / "pred"), "--ref", str(ref), "--no-pictures", "-q"]
    assert main(["evaluate", *files, "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["overall"]["cases"] == {"scored": 87, "faulty": 0}
    assert [summary["overall"][name] for name in OVERLAPS] == [1, 1, 1]
