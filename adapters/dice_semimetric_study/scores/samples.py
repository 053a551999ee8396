"""Predictions that are samples: how far they are, as a distribution, from the raters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement, rater_agreement

from ..cases.foreground import Marks
from .options import HALF


def agreement_of(
    samples: Sequence[NDArray[np.float32]], reference: Marks | NDArray[np.float32]
) -> Agreement:
    """Return the agreement of the samples above 0.5 and, behind them, of the raters."""
    raters = reference if isinstance(reference, list) else [reference > HALF]
    return rater_agreement(np.stack([*(sample > HALF for sample in samples), *raters]))


def sample_scores(agreement: Agreement, raters: int) -> dict[str, float]:
    """Return the scores of samples from their agreement with so many raters.

    The distances are those of `generalized_energy_distance`, 1 - Jaccard index, and its means over
    all pairs; from the agreement, since that adds up over slabs. Two empty masks are alike.
    """
    distance: NDArray[Any] = 1 - np.asarray(agreement.jaccard(empty=1.0))
    count = len(distance) - raters
    between = float(distance[:count, count:].mean())
    own, others = float(distance[:count, :count].mean()), float(distance[count:, count:].mean())
    best = np.asarray(agreement.dice(empty=1.0))[:count, count:].max(axis=0)
    return {
        "ged": 2 * between - own - others,
        "best_match": float(best.mean()),
        "sample_diversity": own,
        "rater_diversity": others,
    }
