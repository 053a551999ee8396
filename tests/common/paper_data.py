"""Small data sets of bright discs, marked by raters who differ in size."""

import json
from pathlib import Path

import nibabel
import numpy as np

from benchmarks.paper.__main__ import main
from benchmarks.paper.datasets import Prepared, PreparedCase


def write(path: Path, array: np.ndarray) -> None:
    """Write a NIfTI file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


def disc(
    rng: np.random.Generator, shape: tuple[int, int], raters: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (H, W) and the masks (R, H, W) of raters, each a pixel larger."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    centre = rng.integers(9, 12, size=(2, 1, 1))
    distance = np.sqrt(((grid - centre) ** 2).sum(axis=0))
    image = 200 * (distance < 5) + rng.normal(0, 10, size=shape)
    masks = np.stack([distance < 4 + rater for rater in range(raters)])
    return image.astype(np.float32), masks.astype(np.uint8)


def write_discs(
    root: Path, rng: np.random.Generator, splits: dict[str, int], shape: tuple[int, int] = (24, 20)
) -> Path:
    """Write a data set of three raters in the layout of QUBIQ and return its folder."""
    for split, number in splits.items():
        for case in range(number):
            image, masks = disc(rng, shape, 3)
            folder = root / split / f"case{case + 1:02d}"
            write(folder / "image.nii.gz", image)
            for rater, mask in enumerate(masks):
                write(folder / f"task01_seg{rater + 1:02d}.nii.gz", mask)
    return root


def prepared_discs(
    rng: np.random.Generator, slices: list[int], *, name: str = "discs", raters: int = 3
) -> Prepared:
    """Return a data set in memory whose cases have that many slices."""
    cases = []
    for number, size in enumerate(slices):
        pairs = [disc(rng, (24, 24), raters) for _ in range(size)]
        image = np.stack([i[None] / 100 for i, _ in pairs]) if size else None
        labels = np.stack([m for _, m in pairs]) if size else None
        cases.append(PreparedCase(f"case {number}", f"p{number}", "", size, image, labels))
    return Prepared(name, cases)


def prepare(*arguments: object) -> int:
    """Run the command and return its exit code."""
    try:
        main(["prepare", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def contents(folder: Path) -> dict[str, bytes]:
    """Return the arrays that were prepared."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.npy")}


def read_index(folder: Path) -> dict:
    """Return the index of what was prepared."""
    return json.loads((folder / "index.json").read_text())
