"""Small studies in NIfTI files, for the tests of the adapter."""

import csv
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cli import main

COMMAND = [sys.executable, "-m", "dice_semimetric_study"]
AFFINE = np.diag([0.7, 0.7, 2.5, 1.0])
TOML = """
ignore = [9]
[regions]
liver = [5]
kidneys = [2, 3]
"""


def save(path: Path, data: np.ndarray, affine: Any = AFFINE, **header: Any) -> Path:
    """Write one NIfTI-1 file with nibabel alone."""
    image = nib.Nifti1Image(data, affine)
    for name, value in header.items():
        image.header[name] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def load(path: Path) -> tuple[np.ndarray, Any]:
    """Read one file with nibabel alone."""
    image = nib.load(path)
    return np.asanyarray(image.dataobj), image


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table in CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of all files in a folder."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def touch(root: Path, *names: str, content: bytes = b"x") -> Path:
    """Write files that hold no image."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def masks(case: int, raters: int = 3, shape: Sequence[int] = (20, 24)) -> np.ndarray:
    """Return overlapping random blobs, raters on axis 0."""
    rng = np.random.default_rng(case)
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    found = []
    for _ in range(raters):
        centre = [n / 2 + rng.normal(0, 1) for n in shape]
        radius = rng.uniform(4, 7)
        found.append(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) < radius**2)
    return np.stack(found)


def case_rows(root: Path, *options: str) -> list[dict[str, float]]:
    """Evaluate the files of `study` without pictures, and return the rows of the cases."""
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    files += ["--out", str(root / "out"), "--quiet", "--overwrite"]
    assert main(["evaluate", *files, *options]) == 0
    rows: list[dict[str, float]] = json.loads((root / "out/cases.json").read_text())
    return rows


def ece(p: np.ndarray, y: np.ndarray, n_bins: int = 10) -> float:
    """Return the expected calibration error of probabilities against hard or soft labels."""
    p = p.astype(np.float32)
    places = np.minimum((p * np.float32(n_bins)).astype(int), n_bins - 1)
    gaps = [p[places == b].sum(dtype=float) - y[places == b].sum() for b in range(n_bins)]
    return float(np.abs(gaps).sum() / p.size)


def near_marks(seen: np.ndarray, margin: int = 5) -> np.ndarray:
    """Return the pixels near what any rater marked, raters on axis 0: all in a widened box."""
    near = np.zeros(seen.shape[1:], bool)
    if seen.any():
        places = np.argwhere(seen.any(axis=0))
        low, high = places.min(axis=0) - margin, places.max(axis=0) + margin + 1
        near[tuple(slice(max(a, 0), b) for a, b in zip(low, high, strict=True))] = True
    return near


def study(
    root: Path,
    *,
    cases: Sequence[str] = ("case01", "case02", "case03"),
    raters: int = 3,
    tasks: Sequence[str] = ("task01",),
    shape: Sequence[int] = (20, 24),
    flat: bool = False,
    end: str = ".nii.gz",
) -> tuple[Path, Path]:
    """Write references and predictions in QUBIQ's layout or flat, and return the two folders."""
    ref, pred = root / "ref", root / "pred"
    mark = "_" if flat else "/"
    for number, case in enumerate(cases):
        image = np.random.default_rng(number).normal(0, 100, shape).astype(np.int16)
        save(ref / f"{case}{mark}image{end}", image)
        for index, task in enumerate(tasks):
            seen = masks(10 * number + index, raters, shape)
            for r, mask in enumerate(seen, start=1):
                save(ref / f"{case}{mark}{task}_seg{r:02d}{end}", mask.astype(np.uint8))
            noise = np.random.default_rng(number).uniform(-0.2, 0.2, shape)
            prob = np.clip(seen.mean(axis=0) + noise, 0, 1).astype(np.float32)
            save(pred / f"{case}{mark}{task}{end}", prob)
    return ref, pred


def nnunet_case(folder: Path, name: str, prob: np.ndarray, **how: Any) -> Path:
    """Write what nnU-Net does of probabilities with axes (x, y, z, channel), or (x, y, channel)."""
    segmentation = (prob[..., -1] > 0.5).astype(np.uint8)
    save(folder / f"{name}.nii.gz", segmentation)
    array = np.moveaxis(prob, -1, 0)
    array = array if prob.ndim == 4 else array[..., None]
    array = np.ascontiguousarray(array.transpose(0, 3, 2, 1))
    array = array.copy(order="F") if how.pop("fortran", False) else array
    np.savez_compressed(folder / f"{name}.npz", **{how.pop("key", "probabilities"): array})
    (folder / f"{name}.pkl").write_bytes(b"never opened")
    return folder / f"{name}.npz"


def organs(root: Path, shape: tuple[int, ...] = (14, 12, 8), raters: int = 2) -> dict[str, Any]:
    """Write two cases of label maps by two raters, and predictions of every kind."""
    rng = np.random.default_rng(7)
    kept: dict[str, Any] = {}
    for case in ("a", "b"):
        truth = rng.choice([0, 0, 2, 3, 5], shape)
        seen = [np.where(rng.random(shape) < 0.9, truth, 0) for _ in range(raters)]
        seen[0][0, 0] = 9
        prob = rng.dirichlet(np.ones(4), shape).astype(np.float32)  # of 0, 2, 3, 5
        kept[case] = (np.stack(seen), prob)
        for r, labels in enumerate(seen, start=1):
            dtype = np.float32 if r == 2 else np.int16
            save(root / f"ref/{case}/task01_seg0{r}.nii.gz", labels.astype(dtype))
        save(root / f"soft/{case}/task01.nii.gz", prob)
        hard = np.array([0, 2, 3, 5])[prob.argmax(axis=-1)]
        save(root / f"hard/{case}/task01.nii.gz", hard.astype(np.float64))
        for i, name in ((1, "2"), (2, "3"), (3, "liver")):
            save(root / f"files/{case}/{name}.nii.gz", prob[..., i])
    (root / "organs.toml").write_text(TOML)
    (root / "channels.toml").write_text("channels = [0, 2, 3, 5]\n" + TOML)
    return kept


def data_folder() -> Path:
    """Return the folder with real data, or skip the test."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("DSM_DATA", beside))
    if not (folder / "lidc4-nodules").is_dir():
        pytest.skip(f"no real data at {folder}; set DSM_DATA")
    return folder
