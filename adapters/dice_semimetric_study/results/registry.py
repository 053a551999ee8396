"""The one registry of scores: what each is called, which way is better, and what it means.

Tables, pictures, the page, ``--help`` and the documentation take their words from here. A new score
is one row here, and its computation: a property of `CaseScore` of the same name.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

Better = Literal["higher", "lower", "nearer 0", "neither"]


@dataclass(frozen=True)
class Score:
    """A score in words.

    The meaning is what it measures, over which pixels and against what. ``{soft}`` and ``{hard}``
    in it stand for the soft and the hard reference; see `Score.explained`.
    """

    name: str  # its column in tables and its key in summaries
    title: str  # its name for people
    meaning: str
    better: Better = "higher"
    limits: tuple[float, float] = (0.0, 1.0)  # the least and the largest value
    unit: str = ""  # such as "mm"; empty for a plain number
    perfect: str = ""  # what takes the place of "0 is perfect"
    own_pixels: bool = False  # whether it is over pixels that depend on the prediction
    of_raters: bool = False  # whether it takes the marks of each rater, and not their mean alone

    @property
    def best(self) -> float:
        """The value of a perfect prediction, NaN where neither more nor less is better."""
        if self.better == "neither":
            return math.nan
        return 0.0 if self.better == "nearer 0" else self.limits[self.better == "higher"]

    @property
    def worst(self) -> float:
        """The worst value there can be, NaN where there is no end to it."""
        found = self.limits[self.better == "lower"]
        endless = self.better in ("nearer 0", "neither") or math.isinf(found)
        return math.nan if endless else found

    @property
    def heading(self) -> str:
        """The title with the unit, for columns and axes."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def directed(self) -> str:
        """The heading with which way is better."""
        return f"{self.heading}: {self.better} is better"

    def explained(self, soft: str = "the soft reference", hard: str = "the hard reference") -> str:
        """Return the meaning as sentences, with the references named and the best value."""
        perfect = self.perfect or "{best:g} is perfect"
        return f"{self.meaning}. {perfect}.".format(soft=soft, hard=hard, best=self.best)


def _by_name(*scores: Score) -> Mapping[str, Score]:
    return {score.name: score for score in scores}


#: Of a prediction against references, those that come first: all commands have them.
PREDICTION_SCORES = _by_name(
    Score(
        "bdice",
        "BDice",
        "Binarized Dice: prediction and {soft} are cut at the same thresholds, and the Dice scores "
        "are averaged",
    ),
    Score("dice", "Dice", "Overlap of the prediction above 0.5 with {hard}"),
    Score("jaccard", "Jaccard", "Intersection over union of the prediction above 0.5 and {hard}"),
    Score(
        "ece",
        "ECE, all pixels",
        "Expected calibration error of the more likely label, against {hard}, over all pixels: how "
        "far its confidence is from the share of pixels where it is right",
        better="lower",
    ),
    Score(
        "ece_soft",
        "ECE, marked pixels",
        "Expected calibration error of the foreground's probability, against {soft}, over pixels "
        "where the probability is above 0.01 or a rater marked: other ones for each model",
        better="lower",
        own_pixels=True,
    ),
    Score(
        "ece_near",
        "ECE, near marks",
        "Expected calibration error of the foreground's probability, against {soft}, over pixels "
        "in the box around all that any rater marked, widened by a margin (--margin, 5 by "
        "default): the same ones for every model",
        better="lower",
    ),
)

_AGREED = "0 is perfect, where the raters agree"
_LEAST = "The least value is that of {soft}, 0 where raters agree"

#: More of calibration: ``evaluate`` has them too.
CALIBRATION_SCORES = _by_name(
    Score(
        "ace",
        "ACE, all pixels",
        "As ECE over all pixels, but each bin of confidence that holds a pixel weighs the same, "
        "however few it holds: the average calibration error",
        better="lower",
    ),
    Score(
        "ace_soft",
        "ACE, marked pixels",
        "As ECE over marked pixels, but each bin of probability that holds a pixel weighs the same",
        better="lower",
        own_pixels=True,
    ),
    Score(
        "ece_by_rater",
        "ECE by rater, all pixels",
        "As ECE over all pixels, but against each rater alone, averaged over the raters",
        better="lower",
        perfect=_AGREED,
        of_raters=True,
    ),
    Score(
        "ece_soft_by_rater",
        "ECE by rater, marked pixels",
        "As ECE over marked pixels, but against each rater alone, averaged over the raters: never "
        "below that ECE, which is against their mean",
        better="lower",
        perfect=_AGREED,
        of_raters=True,
    ),
    Score(
        "brier",
        "Brier score",
        "Mean over all pixels of the squared distance of the foreground's probability from {hard}",
        better="lower",
    ),
    Score(
        "brier_soft",
        "soft Brier score",
        "Mean Brier score over all pixels against each rater, which is that against {soft}",
        better="lower",
        perfect=_LEAST,
    ),
    Score(
        "log_loss",
        "log loss",
        "Mean over all pixels of -log of the probability of the label that {hard} has, in nats",
        better="lower",
        limits=(0.0, math.inf),
    ),
    Score(
        "log_loss_soft",
        "soft log loss",
        "Mean log loss over all pixels against each rater, which is that against {soft}, in nats",
        better="lower",
        limits=(0.0, math.inf),
        perfect=_LEAST,
    ),
)

#: Of raters as several, after the challenge CURVAS: ``evaluate`` has them too.
CONSENSUS_SCORES = _by_name(
    Score(
        "consensus_dice",
        "consensus Dice",
        "Overlap of the prediction above 0.5 with what all raters marked, over the pixels on which "
        "they agree: those that some marked and others did not are left out",
        of_raters=True,
    ),
    Score(
        "consensus_confidence",
        "consensus confidence",
        "Mean of two: the foreground's mean probability where all raters marked, and the "
        "background's where none did",
        of_raters=True,
    ),
    Score(
        "ece_near_by_rater",
        "ECE by rater, near marks",
        "As ECE near marks, but against each rater alone, averaged over the raters: never below "
        "that ECE, which is against their mean",
        better="lower",
        perfect=_AGREED,
        of_raters=True,
    ),
)

#: Of the volume of a structure: ``evaluate`` has them too.
VOLUME_SCORES = _by_name(
    Score(
        "volume_bias",
        "volume bias",
        "Volume of the prediction above 0.5 minus that of {soft}",
        better="nearer 0",
        limits=(-math.inf, math.inf),
        unit="ml",
    ),
    Score(
        "volume_error",
        "volume error",
        "Distance of the volume of the prediction above 0.5 from that of {soft}",
        better="lower",
        limits=(0.0, math.inf),
        unit="ml",
    ),
    Score(
        "volume_bias_percent",
        "relative volume bias",
        "Volume bias as a part of the volume of {soft}",
        better="nearer 0",
        limits=(-100.0, math.inf),
        unit="%",
    ),
    Score(
        "volume_error_percent",
        "relative volume error",
        "Volume error as a part of the volume of {soft}",
        better="lower",
        limits=(0.0, math.inf),
        unit="%",
    ),
    Score(
        "volume_crps",
        "volume CRPS",
        "Continuous ranked probability score of the volume of the prediction above 0.5 against the "
        "volumes of the raters: its mean distance from them, less half their mean distance from "
        "each other",
        better="lower",
        limits=(0.0, math.inf),
        unit="ml",
        perfect=_AGREED,
        of_raters=True,
    ),
    Score(
        "volume_crps_normal",
        "normal volume CRPS",
        "As volume CRPS, but against a normal distribution with the mean and the standard "
        "deviation of the raters' volumes",
        better="lower",
        limits=(0.0, math.inf),
        unit="ml",
        perfect=_AGREED,
        of_raters=True,
    ),
)

#: The two parts of the overlap: ``evaluate`` has them too.
OVERLAP_SCORES = _by_name(
    Score(
        "precision",
        "precision",
        "Share of the prediction above 0.5 that {hard} marks; 0 where one of them alone is empty",
    ),
    Score(
        "recall",
        "recall",
        "Share of {hard} where the prediction is above 0.5; 0 where one of them alone is empty",
    ),
)

#: Of lesions: ``evaluate --lesions`` has them.
LESION_SCORES = _by_name(
    Score(
        "lesion_f1",
        "lesion F1",
        "Harmonic mean of lesion precision and lesion recall",
    ),
    Score(
        "lesion_precision",
        "lesion precision",
        "Share of the connected components of the prediction above 0.5 that overlap {hard} by a "
        "pixel or more",
    ),
    Score(
        "lesion_recall",
        "lesion recall",
        "Share of the connected components of {hard} that overlap the prediction above 0.5 by a "
        "pixel or more",
    ),
)

_LONGEST = "the diagonal of the image where one of them alone is empty"

#: Of surfaces: ``evaluate --surface`` has them.
SURFACE_SCORES = _by_name(
    Score(
        "nsd",
        "NSD",
        "Normalized surface distance, or surface Dice: share of the surfaces of the prediction "
        "above 0.5 and of {hard} that lies within the tolerance of the other one; 0 where one of "
        "them alone is empty",
    ),
    Score(
        "hd95",
        "HD95",
        "Hausdorff distance at 95 %: of the distances from one surface to the other those that 95 "
        f"% of its area keep to, the larger of both directions; {_LONGEST}",
        better="lower",
        limits=(0.0, math.inf),
        unit="mm",
    ),
    Score(
        "assd",
        "ASSD",
        "Average symmetric surface distance: the mean of the average distances from one surface to "
        f"the other in both directions; {_LONGEST}",
        better="lower",
        limits=(0.0, math.inf),
        unit="mm",
    ),
)

_ALIKE = "its distance is 1 - Jaccard index, 0 of two empty masks"

#: Of predictions that are samples: ``evaluate`` has them where the pattern names a {sample}.
SAMPLE_SCORES = _by_name(
    Score(
        "ged",
        "GED",
        "Squared generalized energy distance of the samples above 0.5 and the raters: twice the "
        "mean distance of a sample and a rater, less those of two samples and of two raters; "
        + _ALIKE,
        better="lower",
        limits=(0.0, 2.0),
    ),
    Score(
        "best_match",
        "best match",
        "Dice score of each rater with the sample above 0.5 that is nearest, averaged over the "
        "raters",
    ),
    Score(
        "sample_diversity",
        "sample diversity",
        "Mean distance of two samples in GED, each with itself included",
        better="neither",
        perfect="It should be as large as rater diversity",
    ),
    Score(
        "rater_diversity",
        "rater diversity",
        "Mean distance of two raters in GED, each with itself included",
        better="neither",
        perfect="It does not depend on the prediction",
    ),
)

#: All that ``evaluate`` has of a case unasked.
ALL_SCORES: Mapping[str, Score] = {
    **PREDICTION_SCORES,
    **CALIBRATION_SCORES,
    **CONSENSUS_SCORES,
    **VOLUME_SCORES,
    **OVERLAP_SCORES,
}

#: What it has besides, by the option that asks for it.
OPTIONAL_SCORES: Mapping[str, Mapping[str, Score]] = {
    "lesions": LESION_SCORES,
    "surface": SURFACE_SCORES,
    "samples": SAMPLE_SCORES,
}

#: How each is asked for.
ASKED_BY = {
    "lesions": "--lesions",
    "surface": "--surface",
    "samples": "{sample} in --pred-pattern",
}

#: What models can be compared by.
COMPARABLE: Mapping[str, Score] = {
    name: score
    for scores in (ALL_SCORES, *OPTIONAL_SCORES.values())
    for name, score in scores.items()
    if score.better != "neither"
}

#: What models are compared by unless others are named: each over the same pixels for all models.
COMPARED = tuple(name for name, score in PREDICTION_SCORES.items() if not score.own_pixels)

#: The scores of challenges: what tables and the page show first under ``--protocol``.
PROTOCOLS: Mapping[str, tuple[str, ...]] = {
    "qubiq": ("bdice",),
    "curvas": ("consensus_dice", "consensus_confidence", "ece_near_by_rater", "volume_crps_normal"),
}

#: Of raters against each other: ``agreement``.
RATER_SCORES = _by_name(
    Score("dice", "Dice", "Overlap of two raters' masks, averaged over all pairs of raters"),
    Score(
        "jaccard",
        "Jaccard",
        "Intersection over union of two raters' masks, averaged over all pairs of raters",
    ),
    Score(
        "cohen_kappa",
        "Cohen's kappa",
        "Agreement of two raters beyond chance over all pixels, averaged over all pairs of raters",
        limits=(-1.0, 1.0),
    ),
    Score(
        "dice_to_majority",
        "Dice to majority",
        "Overlap of a rater's mask with the strict majority, averaged over the raters",
    ),
    Score(
        "fleiss_kappa",
        "Fleiss' kappa",
        "Agreement of all raters beyond chance over all pixels",
        limits=(-1.0, 1.0),
    ),
    Score(
        "disagreement",
        "disagreement",
        "Mean of 4 p (1 - p) over pixels that anyone marked, p the share of raters who did",
        better="lower",
    ),
)

#: Of the volume that a rater marks: ``agreement``.
VOLUMES_OF_RATERS = _by_name(
    Score(
        "volume_bias",
        "volume bias",
        "Volume that a rater marks minus the mean of the other raters'",
        better="nearer 0",
        limits=(-math.inf, math.inf),
        unit="ml",
        perfect="Above 0 the rater marks more than they do",
    ),
    Score(
        "volume_bias_percent",
        "relative bias",
        "Volume bias as a part of that mean",
        better="nearer 0",
        limits=(-100.0, math.inf),
        unit="%",
        perfect="There is none where the others mark nothing",
    ),
)

_CURVE = "dice@"


def curve_names(thresholds: Iterable[float]) -> list[str]:
    """Return the names of the Dice scores at each threshold."""
    return [f"{_CURVE}{t:g}" for t in thresholds]


def threshold_text(name: str) -> str | None:
    """Return the threshold in the name of a Dice score at a threshold, None for other names."""
    return name.removeprefix(_CURVE) if name.startswith(_CURVE) else None


@cache
def prediction_score(name: str) -> Score:
    """Return a score of a prediction by its name, Dice at a threshold among them."""
    level = threshold_text(name)
    if level is None:
        return COMPARABLE[name]
    return Score(name, f"Dice at {level}", f"Overlap of prediction and {{soft}}, cut at {level}")


def main_scores(protocol: str | None = None) -> Mapping[str, Score]:
    """Return the scores that come first in tables and pages: those of a protocol if it is given."""
    if protocol is None:
        return PREDICTION_SCORES
    return {name: ALL_SCORES[name] for name in PROTOCOLS[protocol]}


def glossary(scores: Mapping[str, Score]) -> str:
    """Return the scores as lines of text for ``--help``."""
    indent = max(map(len, scores)) + 4
    filler = textwrap.TextWrapper(99, initial_indent="  ", subsequent_indent=" " * indent)
    lines = []
    for name, score in scores.items():
        text = f"{score.heading}, {score.better} is better. {score.explained()}"
        lines.append(filler.fill(f"{name:{indent - 2}}{text}"))
    return "\n".join(lines)
