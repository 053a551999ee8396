"""The ProperScore statistic: what predictions score, as a divergence and the labels' entropy.

A proper score is lowest in the mean where the probabilities are those of the labels.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from ._lib.additive import Additive, exact, in_double
from ._lib.empty import in_dtype
from ._lib.namespace import namespace
from ._lib.native import quietly
from ._lib.options import require_choice, require_switch
from ._lib.score_sums import score_sums, scored_pixels
from ._lib.seam import Pixels, whole
from ._lib.special import divide
from ._lib.typing import Activation, Array, DType
from .decomposition import SCORES, Score

Kind = Literal["multiclass", "binary"]


@dataclass(frozen=True)
class ProperScore(Additive):
    """The sums of a proper score over pixels: what a prediction scores is divergence and entropy.

    They add up over blocks, images, cases and machines: ``a + b`` and ``sum(scores)``.

    Parameters
    ----------
    count : Array
        The number of pixels.
    divergence : Array
        The sum of how much worse the predictions score than the labels would: of the squared
        distances, or of the Kullback-Leibler divergences. In float64 where the device has it.
    entropy : Array
        The sum of what the labels themselves score, which no prediction can better: 0 for hard
        labels. Of the dtype of ``divergence``.
    score : {"brier", "log"}
        The score that they are sums of.
    kind : {"multiclass", "binary"}
        What was scored. Sums of different scores or kinds do not add up.

    See Also
    --------
    proper_score : Computes it.

    References
    ----------
    .. [1] Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation",
       Journal of the American Statistical Association 102, 2007, Sect. 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import proper_score
    >>> one = proper_score(np.array([0.5, 1.0]), np.array([1, 1]), kind="binary")
    >>> two = proper_score(np.array([0.5]), np.array([0.5]), kind="binary")
    >>> round(float((one + two).mean()), 4)
    0.1667
    """

    _sums: ClassVar = ("count", "divergence", "entropy")

    count: Array
    divergence: Array
    entropy: Array
    score: Score
    kind: Kind

    def _require_same(self, other: Self) -> None:
        one, two = (self.score, self.kind), (other.score, other.kind)
        if one != two:
            raise ValueError(
                f"proper scores to be added must be of one score and kind, got {one} and {two}"
            )

    @exact
    def mean(self, *, divergence: bool = False, dtype: DType = None) -> Array:
        """Return the mean score of a pixel.

        Parameters
        ----------
        divergence : bool, optional
            Leave out what the labels themselves score.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default, at least float32.

        Returns
        -------
        Array
            The shape of ``count``; NaN without pixels.
        """
        xp = namespace(score=self.divergence)
        alone = require_switch("divergence", divergence)
        total = self.divergence if alone else self.divergence + self.entropy
        count = xp.astype(self.count, total.dtype)
        return in_dtype(xp, divide(xp, total, count, empty=math.nan), dtype)


@whole
@quietly
def proper_score(
    prob: Array,
    label: Array,
    *,
    score: Score = "brier",
    kind: Kind = "multiclass",
    activation: Activation = None,
    mask: Array | None = None,
    ignore_index: int | None = None,
) -> ProperScore:
    """Return the sums of a proper score over all pixels, which add up over cases.

    Parameters
    ----------
    prob : Array
        Probabilities, or logits, as in `brier_score`.
    label : Array
        Hard or soft labels, as in `brier_score`.
    score : {"brier", "log"}, optional
        The score, of `brier_score` or `log_loss`.
    kind : {"multiclass", "binary"}, optional
        What is scored, as in `brier_score`.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``prob``.
    mask : Array, optional
        Boolean, broadcast to (B, *spatial), or to ``prob`` for "binary": the pixels that count.
    ignore_index : int, optional
        The integer label of pixels that do not count.

    Returns
    -------
    ProperScore
        In the library and on the device of ``prob``; its fields are numbers.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, an option is unknown or out of its range, or a checked
        value is; see `value_checks`.

    See Also
    --------
    brier_score, log_loss : The means in one call.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import proper_score
    >>> found = proper_score(np.array([0.5, 0.75]), np.array([0.5, 1.0]), kind="binary")
    >>> float(found.divergence), float(found.entropy)
    (0.0625, 0.25)
    """
    require_choice("score", score, SCORES)
    pixels = scored_pixels(
        prob, label, kind=kind, activation=activation, mask=mask, ignore_index=ignore_index
    )
    return pooled(scores_of_images(pixels, score, kind))


@exact
def pooled(images: ProperScore) -> ProperScore:
    """Return the sums over all images."""
    xp = namespace(score=images.count)
    return images._map(xp.sum)


def scores_of_images(pixels: Pixels, score: Score, kind: Kind) -> ProperScore:
    """Return the sums of each image, (B,)."""
    xp = namespace(prob=pixels.pred)
    count, divergence, entropy = in_double(xp, score_sums(pixels, score))
    if score == "brier" and kind == "multiclass" and pixels.pred.shape[1] == 1:
        divergence, entropy = 2 * divergence, 2 * entropy  # the background as well
    return ProperScore(count, divergence, entropy, score, kind)
