"""Small data sets in exactly the layouts of the downloads: QUBIQ 2020, LiTS and KiTS19."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import study_files

#: KiTS19 counts slices along its first axis.
KITS_AFFINE = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]])
#: Data set, number of training cases, of all cases, of raters and tasks, and an image's shape.
QUBIQ = (
    ("prostate", 48, 55, 6, 2, (24, 20)),
    ("brain-growth", 34, 39, 7, 1, (16, 16)),
    ("brain-tumor", 28, 32, 3, 3, (18, 18, 4)),
    ("kidney", 20, 24, 3, 1, (14, 14, 1)),
)


def scan(number: int, shape: tuple[int, int, int] = (20, 16, 6)) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan in HU, slices last, and its labels; every fifth has no tumour."""
    rng = np.random.default_rng(number)
    image = rng.integers(-1000, 1000, shape).astype(np.int16)
    label = np.zeros(shape, np.uint8)
    label[3:12, 4:12, 1:5] = 1
    if number % 5:
        label[5:8, 6:9, 2:4] = 2
    return image, label


def lits(root: Path, numbers: Iterable[int] = range(131), **options) -> Path:
    """Write LiTS: two batches of volumes and segmentations, not compressed."""
    for number in numbers:
        batch = root / f"Training Batch {1 if number < 28 else 2}"
        image, label = scan(number, **options)
        study_files.save(batch / f"volume-{number}.nii", image)
        study_files.save(batch / f"segmentation-{number}.nii", label)
    return root


def kits(root: Path, numbers: Iterable[int] = range(210), tests: Iterable[int] = ()) -> Path:
    """Write KiTS19: a folder a case, slices first; test cases without labels."""
    for number in (*numbers, *tests):
        image, label = (np.moveaxis(a, -1, 0) for a in scan(number))
        folder = root / "data" / f"case_{number:05d}"
        study_files.save(folder / "imaging.nii.gz", image.astype(np.float32), KITS_AFFINE)
        if number not in tests:
            study_files.save(folder / "segmentation.nii.gz", label, KITS_AFFINE)
    return root


def qubiq(root: Path) -> Path:
    """Write QUBIQ 2020, all 150 cases; prostate case 9 lacks a rater, as the original does.

    Brain tumours have four channels, kidneys an axis of 1, and sizes differ between cases.
    """
    for name, training, count, raters, tasks, shape in QUBIQ:
        for number in range(1, count + 1):
            split = "Training" if number <= training else "Validation"
            folder = root / f"{split.lower()}_data" / name / split / f"case{number:02d}"
            sides = (shape[0] + number % 3, *shape[1:])
            image = np.random.default_rng(number).normal(200, 50, sides).astype(np.float32)
            study_files.save(folder / "image.nii.gz", image)
            for task in range(1, tasks + 1):
                masks = study_files.masks(10 * number + task, raters, sides[:2]).astype(np.uint8)
                masks = masks[..., None] if shape[2:] == (1,) else masks
                for rater, mask in enumerate(masks, start=1):
                    if (name, number, rater) != ("prostate", 9, 6):
                        file = f"task{task:02d}_seg{rater:02d}.nii.gz"
                        study_files.save(folder / file, mask)
    return root
