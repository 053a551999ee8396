"""A prediction against the marks of one rater."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RaterScore:
    """A prediction against the marks of one rater alone.

    Attributes
    ----------
    rater : str
        The rater's name.
    marked : int
        The number of pixels that the rater marked.
    bdice : float
        The mean over the thresholds of the Dice score of the prediction at that threshold.
    dice, jaccard : float
        Of the prediction above 0.5.
    ece_soft : float
        Of the foreground's probability over the pixels of `CaseScore.ece_soft`.
    ece_near : float
        The same over those of `CaseScore.ece_near`.
    ece, brier, log_loss : float
        Over all pixels.
    rater_volume_bias, rater_volume_bias_percent : float
        The rater's volume minus the mean of the other raters', in millilitres, and as a part of
        that mean: how far the rater marks more than they do. NaN without others.
    model_dice, model_bdice, model_ece_soft : float
        Of the prediction to the other raters: the mean of ``dice`` over them, and BDice and
        ``ece_soft``, over the same pixels, against their mean. NaN without others.
    rater_dice, rater_bdice, rater_ece_soft : float
        The same of the rater's own marks.
    """

    rater: str
    marked: int
    bdice: float
    dice: float
    jaccard: float
    ece_soft: float
    ece_near: float
    ece: float
    brier: float
    log_loss: float
    rater_volume_bias: float = math.nan
    rater_volume_bias_percent: float = math.nan
    model_dice: float = math.nan
    model_bdice: float = math.nan
    model_ece_soft: float = math.nan
    rater_dice: float = math.nan
    rater_bdice: float = math.nan
    rater_ece_soft: float = math.nan
