"""The methods of fusion, for masks that come block by block.

Whatever a method must know of all voxels is a statistic that adds up over blocks: for the weighted
average the raters' `Agreement`; for STAPLE how often each joint decision of the raters occurs,
since its iterations see the masks through these counts alone. With them a label is a function of
the marks at one voxel.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement, majority_vote, rater_agreement, uniform_average

from ..choices import FuseMethod
from .patterns import Patterns, of_masks

#: Methods whose result is a label, and not the probability of one.
HARD: tuple[FuseMethod, ...] = ("majority", "random")
Masks = NDArray[np.bool_]
#: Methods that must know all voxels before they label one.
LEARNING: tuple[FuseMethod, ...] = ("weighted", "staple")


@dataclass(frozen=True)
class Fused:
    """A label, and what the method finds about each rater.

    Attributes
    ----------
    label : NDArray
        A boolean mask or a soft label in a floating dtype.
    raters : dict
        Columns with one value per rater, such as ``weight``; empty for most methods.
    """

    label: NDArray[Any]
    raters: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """How the marks at a voxel become its label, and what was found about each rater."""

    label: Callable[[Masks], NDArray[Any]]
    raters: dict[str, NDArray[Any]] = field(default_factory=dict)


def fuse_masks(
    masks: Masks, method: FuseMethod, *, rng: np.random.Generator | None = None
) -> Fused:
    """Fuse masks with raters on axis 0.

    Parameters
    ----------
    masks : NDArray
        Boolean, raters on axis 0.
    method : {"majority", "random", "uniform", "weighted", "staple"}
        The fusion function of the core.
    rng : numpy.random.Generator, optional
        For "random"; by default one seeded with 0.

    Returns
    -------
    Fused
        A mask for "majority" and "random", a soft label otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study import fuse_masks
    >>> fuse_masks(np.array([[True, False], [True, True]]), "uniform").label
    array([1. , 0.5])
    """
    rng = rng or np.random.default_rng(0)
    chosen = int(rng.integers(len(masks)))
    rule = rule_of(method, gather(method, masks, None), chosen=chosen)
    return Fused(rule.label(masks), rule.raters)


def gather(method: FuseMethod, masks: Masks, kept: NDArray[np.bool_] | None) -> Any:
    """Return what a method must know of some voxels, a statistic that adds up."""
    if method == "weighted":
        return rater_agreement(masks, mask=kept)
    return Patterns.of(masks, kept) if method == "staple" else None


def rule_of(method: FuseMethod, statistic: Any, *, chosen: int) -> Rule:
    """Return the rule of a method for the statistic of all voxels; "random" takes one rater."""
    if method == "weighted":
        return _weighted(statistic)
    if method == "staple":
        return Rule(*of_masks(statistic))
    if method == "random":
        return Rule(lambda masks: masks[chosen])
    return Rule(majority_vote if method == "majority" else uniform_average)


def most_frequent(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the label that most raters gave at each voxel, the lowest of those that tie.

    That is `majority_vote`, asked only where raters differ, with the labels that occur there
    numbered in their order: so a large label costs no more than a small one.
    """
    found: NDArray[Any] = labels[0].copy()
    disputed = np.flatnonzero((labels != found).any(axis=0))
    if disputed.size:
        values, numbers = np.unique(labels[:, disputed], return_inverse=True)
        numbers = numbers.reshape(len(labels), -1).astype(np.int32)
        found[disputed] = values[majority_vote(numbers, num_classes=values.size)]
    return found


def _weighted(counts: Agreement) -> Rule:
    """Weigh each rater by the Dice score to the majority, as `dice_weighted_average` does."""
    dice = np.asarray(counts.dice_to_majority())
    share = dice / dice.max() if dice.max() > 0 else np.ones_like(dice)
    whole = sum(share)

    def label(masks: Masks) -> NDArray[Any]:
        marked: NDArray[Any] = sum(mask * one for mask, one in zip(masks, share, strict=True))
        return np.asarray(marked / whole)

    return Rule(label, {"weight": share / whole})
