"""How cases are read and scored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from dice_semimetric.thresholds import THRESHOLDS

from ..cases.blocks import Reading
from ..choices import MARGIN
from ..results.registry import ALL_SCORES, OPTIONAL_SCORES, Score

Empty = float | Literal["skip"]
#: Foreground is what is more likely than not, on both sides and strictly, as the majority is.
HALF = 0.5
#: Soft calibration leaves out pixels that are background to the prediction and to all raters.
CERTAIN = 0.01


@dataclass(frozen=True)
class Options(Reading):
    """How cases are read and scored.

    Attributes
    ----------
    thresholds : sequence of float
        The levels of BDice.
    n_bins : int
        The number of equally wide bins of confidence.
    empty : float or "skip"
        The Dice and Jaccard score of an empty prediction of an empty reference; "skip" leaves it
        out of means.
    margin : int
        How far pixels near marks reach beyond the box around all marks.
    lesions : bool
        Whether lesions are counted, for which volumes must be read whole.
    surface : bool
        Whether surface distances are computed, for which they must too.
    nsd_tolerance : float or dict or "raters"
        The tolerance of ``nsd`` in millimetres, or that of each task; "raters" is to be replaced by
        what `tolerances` finds.
    samples : bool
        Whether predictions are samples, and are scored as such besides their mean.
    missing : {"exclude", "worst"}
        What a missing or faulty prediction counts as: it is left out, or has the worst scores.
    label, tolerance, regions, ignore, reorient, slab, scale, pred_scale, colours
        As in `Reading`.
    """

    thresholds: Sequence[float] = THRESHOLDS
    n_bins: int = 10
    empty: Empty = 1.0
    margin: int = MARGIN
    lesions: bool = False
    surface: bool = False
    nsd_tolerance: float | Mapping[str, float] | Literal["raters"] = 1.0
    samples: bool = False
    missing: Literal["exclude", "worst"] = "exclude"

    @property
    def scores(self) -> Mapping[str, Score]:
        """The scores that a case gets."""
        asked = (found for name, found in OPTIONAL_SCORES.items() if getattr(self, name))
        return dict(chain(ALL_SCORES.items(), *(found.items() for found in asked)))

    @property
    def shapes(self) -> bool:
        """Whether a score depends on which pixels are neighbours."""
        return self.lesions or self.surface

    def nsd_at(self, task: str) -> float:
        """Return the tolerance of a task in millimetres, NaN where there is none."""
        if isinstance(self.nsd_tolerance, Mapping):
            return self.nsd_tolerance.get(task, math.nan)
        return float(self.nsd_tolerance)
