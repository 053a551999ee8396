"""Cross-validation by patient: every case in exactly one validation set."""

from collections.abc import Sequence

import numpy as np


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
