"""The scores of a case that are parts of its overlap, or that an option asks for."""

import math
from functools import cached_property

from dice_semimetric import Agreement, Overlap

from .lesions import Lesions
from .options import Empty
from .samples import sample_scores
from .surfaces import Surface


class AskedScores:
    """A part of `CaseScore`; NaN where a statistic is not there."""

    raters: int
    empty: Empty
    hard: Overlap
    lesions: Lesions | None
    surface: Surface | None
    samples: Agreement | None

    @cached_property
    def precision(self) -> float:
        """The part of the prediction above 0.5 that the hard reference marks."""
        return self._share(float(self.hard.product), float(self.hard.pred))

    @cached_property
    def recall(self) -> float:
        """The part of the hard reference where the prediction is above 0.5."""
        return self._share(float(self.hard.product), float(self.hard.target))

    def _share(self, part: float, whole: float) -> float:
        """Return a part of one side's pixels; 0 where that side alone is empty."""
        if self.hard.pred + self.hard.target == 0:
            return self._of_nothing
        return part / whole if whole else 0.0

    @property
    def _of_nothing(self) -> float:
        """What two empty masks score."""
        return math.nan if self.empty == "skip" else self.empty

    @cached_property
    def lesion_precision(self) -> float:
        """The share of the predicted lesions that are in the hard reference."""
        n = self.lesions
        return math.nan if n is None else self._share(n.right, n.predicted)

    @cached_property
    def lesion_recall(self) -> float:
        """The share of the lesions of the hard reference that are predicted."""
        n = self.lesions
        return math.nan if n is None else self._share(n.found, n.marked)

    @cached_property
    def lesion_f1(self) -> float:
        """The harmonic mean of the two."""
        precision, recall = self.lesion_precision, self.lesion_recall
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    @cached_property
    def nsd(self) -> float:
        """The share of both surfaces within the tolerance of the other one."""
        return math.nan if self.surface is None else self.surface.nsd

    @cached_property
    def hd95(self) -> float:
        """The Hausdorff distance at 95 %, in millimetres."""
        return math.nan if self.surface is None else self.surface.hd95

    @cached_property
    def assd(self) -> float:
        """The average symmetric surface distance, in millimetres."""
        return math.nan if self.surface is None else self.surface.assd

    @cached_property
    def _of_samples(self) -> dict[str, float]:
        return {} if self.samples is None else sample_scores(self.samples, self.raters)

    @cached_property
    def ged(self) -> float:
        """The squared generalized energy distance of the samples and the raters."""
        return self._of_samples.get("ged", math.nan)

    @cached_property
    def best_match(self) -> float:
        """The mean over raters of the Dice score with the nearest sample."""
        return self._of_samples.get("best_match", math.nan)

    @cached_property
    def sample_diversity(self) -> float:
        """The mean distance of two samples."""
        return self._of_samples.get("sample_diversity", math.nan)

    @cached_property
    def rater_diversity(self) -> float:
        """The mean distance of two raters."""
        return self._of_samples.get("rater_diversity", math.nan)
