"""STAPLE of marks or labels that come block by block, from their joint decisions alone.

A joint decision is what all raters say of a voxel. How often each occurs adds up over blocks, and
a label is a function of the joint decision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement
from dice_semimetric._lib.decisions import Decisions, decisions
from dice_semimetric.staple import estimate

Labels = NDArray[Any]
#: Columns of a table with one value for each rater.
Columns = dict[str, NDArray[Any]]
#: What makes one label of the raters' marks or labels, voxel by voxel.
Vote = Callable[[Labels], NDArray[Any]]


@dataclass(frozen=True)
class Patterns:
    """The joint decisions of R raters that occur (R, P), and how often each does (P,)."""

    said: NDArray[Any]
    counts: NDArray[Any]

    @classmethod
    def of(cls, labels: Labels, kept: NDArray[np.bool_] | None) -> "Patterns":
        """Count the joint decisions of masks or label maps where voxels count."""
        some = labels if kept is None else labels[:, kept]
        if not some.size:
            return cls(np.zeros((len(labels), 0), labels.dtype), np.zeros(0))
        found, said = _joint(some)
        return cls(said, found.table[-1])

    def __add__(self, other: "Patterns") -> "Patterns":
        """Return the counts of both sets of voxels."""
        both = np.concatenate([self.said, other.said], axis=1)
        said, place = np.unique(both, axis=1, return_inverse=True)
        counts = np.concatenate([self.counts, other.counts])
        return Patterns(said, np.bincount(place.ravel(), counts, said.shape[1]))

    def spread(self, values: NDArray[Any], labels: Labels) -> NDArray[Any]:
        """Return at each voxel the value of its joint decision, 0 of one that was not counted."""
        found, said = _joint(labels)
        both = np.concatenate([self.said, said], axis=1)
        distinct, place = np.unique(both, axis=1, return_inverse=True)
        known = np.zeros(distinct.shape[1], values.dtype)
        known[place.ravel()[: values.size]] = values
        return np.asarray(found.of_pixels(known[place.ravel()[values.size :]], labels.shape[1:]))


def _joint(labels: Labels) -> tuple[Decisions, NDArray[Any]]:
    """Return the joint decisions of labels, numbered in their order, and their table of labels."""
    if labels.dtype == bool:
        found = decisions(labels, 2)
        return found, found.table[:-1] > 0
    values = np.unique(labels)
    numbers = np.searchsorted(values, labels).astype(np.int32)
    found = decisions(numbers, max(values.size, 2))
    return found, values[found.table[:-1].astype(np.intp)]


def agreement_of_labels(labels: Labels) -> Agreement:
    """Return the sum of the raters' agreements over all labels but 0, of the pixels with one."""
    some, number = labels[:, (labels != 0).any(axis=0)], len(labels)
    both, times = np.zeros((number, number), np.int64), np.zeros((number, number + 1), np.int64)
    for i, own in enumerate(some):
        same = (some == own) & (own != 0)
        both[i] = np.count_nonzero(same, axis=1)
        times[i] = np.bincount(same.sum(axis=0, dtype=np.uint8), minlength=number + 1)
    times[:, 0] = 0  # how often so many say as a rater does, who is one of them
    votes = times.sum(axis=0) // np.maximum(np.arange(number + 1), 1)
    return Agreement(both, times[:, number // 2 + 1 :].sum(axis=1), votes)


def of_masks(found: Patterns) -> tuple[Vote, Columns]:
    """Return how marks become the probability of foreground, and the raters' rates.

    Both are those of `dice_semimetric.staple`.
    """
    raters, patterns = found.said.shape
    packed = np.asarray(estimate(np.concatenate([found.said, found.counts[None]])))
    soft, matrices = packed[1, :patterns], packed[:, patterns:].reshape(2, raters, 2)
    rates = {"sensitivity": matrices[1, :, 1], "specificity": matrices[0, :, 0]}
    return lambda masks: found.spread(soft, masks), rates


def of_labels(found: Patterns) -> tuple[Vote, dict[str, Columns]]:
    """Return how labels become the most probable one, and the raters' rates of each label but 0.

    Of labels that tie it is the lowest. The specificity of a label is how often a rater does not
    give it where it is not.
    """
    values = np.unique(found.said)
    numbers = np.searchsorted(values, found.said)
    table = np.concatenate([numbers, found.counts[None]])
    packed = np.asarray(estimate(table, num_classes=max(values.size, 2)))
    soft = packed[: values.size, : found.counts.size]
    label = values[soft.argmax(axis=0)]
    rates = {}
    for c, value in enumerate(values):
        given, is_it, is_not = numbers == c, soft[c] * found.counts, (1 - soft[c]) * found.counts
        if value != 0:
            rates[str(value)] = {
                "sensitivity": _share(given, is_it),
                "specificity": _share(~given, is_not),
            }
    return lambda labels: found.spread(label, labels), rates


def _share(right: NDArray[np.bool_], weight: NDArray[Any]) -> NDArray[Any]:
    """Return of each rater the share of the weight where it is right, 1 where there is none."""
    total = weight.sum()
    return right @ weight / total if total > 0 else np.ones(len(right))
