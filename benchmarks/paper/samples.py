"""Samples of a prepared data set as the cases that a network trains on, and folds of them."""

from collections.abc import Iterable, Sequence

import numpy as np

from .cases import Case
from .datasets import Prepared
from .datasets.augment import resize

KEPT = 1000  # samples; more of them are read whenever they are asked for


class Samples(Sequence[Case]):
    """The samples of some cases, read when asked for.

    The foreground is the structure with the highest number: the tumour, where the organ is 1.
    """

    def __init__(self, data: Prepared, cases: Iterable[int], size: int = 0) -> None:
        self.data, self.size = data, size
        self.indices = [index for case in cases for index in data.samples_of(int(case))]
        self.names = [data.cases[data.case_of(index)] for index in self.indices]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.indices)

    def __getitem__(self, number: int) -> Case:  # type: ignore[override]
        """Return one sample, at the size that was asked for."""
        index = self.indices[number]
        image, raters = self.data.image(index), self.data.raters(index)
        if self.size:
            image, raters = (resize(array, (self.size, self.size)) for array in (image, raters))
        return Case(self.names[number], image, raters == self.data.classes)


def load_samples(data: Prepared, cases: Iterable[int], size: int = 0) -> Sequence[Case]:
    """Return the samples of some cases: a list in memory if they are few."""
    samples = Samples(data, cases, size)
    return list(samples) if len(samples) <= KEPT else samples


def validation_folds(patients: Sequence[str], folds: int = 5, *, seed: int = 0) -> list[np.ndarray]:
    """Return the validation cases of each fold, as sorted indices; all others train.

    Patients are drawn in an order that the seed decides and given, those with most cases first, to
    the fold that has fewest cases so far; so folds differ by little in size and share no patient.
    Raises ValueError if there are fewer patients than folds, or fewer than two folds.
    """
    names, owner, sizes = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds must be from 2 to the {len(names)} patients, got {folds}")
    drawn = np.random.default_rng(seed).permutation(len(names))
    largest_first = drawn[np.argsort(-sizes[drawn], kind="stable")]
    filled = np.zeros(folds, int)
    fold_of = np.empty(len(names), int)
    for patient in largest_first:
        fold_of[patient] = np.argmin(filled)
        filled[fold_of[patient]] += sizes[patient]
    return [np.flatnonzero(fold_of[owner] == fold) for fold in range(folds)]
