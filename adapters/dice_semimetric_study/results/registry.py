"""The one registry of scores: what each is called, which way is better, and what it means.

Tables, pictures, the page, ``--help`` and the documentation take their words from here. A new score
is one row here, and its computation: a property of `CaseScore` of the same name.
"""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal


@dataclass(frozen=True)
class Score:
    """A score in words.

    The meaning is what it measures, over which pixels and against what. ``{soft}`` and ``{hard}``
    in it stand for the soft and the hard reference; see `Score.explained`.
    """

    name: str  # its column in tables and its key in summaries
    title: str  # its name for people
    meaning: str
    better: Literal["higher", "lower"] = "higher"
    limits: tuple[float, float] = (0.0, 1.0)  # the least and the largest value
    unit: str = ""  # such as "mm"; empty for a plain number

    @property
    def best(self) -> float:
        """The value of a perfect prediction."""
        return self.limits[self.better == "higher"]

    @property
    def heading(self) -> str:
        """The title with the unit, for columns and axes."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def explained(self, soft: str = "the soft reference", hard: str = "the hard reference") -> str:
        """Return the meaning as sentences, with the references named and the best value."""
        return f"{self.meaning.format(soft=soft, hard=hard)}. {self.best:g} is perfect."


def _by_name(*scores: Score) -> Mapping[str, Score]:
    return {score.name: score for score in scores}


#: Of a prediction against references: ``evaluate``, ``compare`` and ``calibrate``.
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
        "ECE",
        "Expected calibration error of the more likely label, against {hard}, over all pixels: how "
        "far its confidence is from the share of pixels where it is right",
        better="lower",
    ),
    Score(
        "ece_soft",
        "soft ECE",
        "Expected calibration error of the foreground's probability, against {soft}, over pixels "
        "where the probability is above 0.01 or a rater marked",
        better="lower",
    ),
)

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
        return PREDICTION_SCORES[name]
    return Score(name, f"Dice at {level}", f"Overlap of prediction and {{soft}}, cut at {level}")


def glossary(scores: Mapping[str, Score]) -> str:
    """Return the scores as lines of text for ``--help``."""
    indent = max(map(len, scores)) + 4
    filler = textwrap.TextWrapper(99, initial_indent="  ", subsequent_indent=" " * indent)
    lines = []
    for name, score in scores.items():
        text = f"{score.heading}, {score.better} is better. {score.explained()}"
        lines.append(filler.fill(f"{name:{indent - 2}}{text}"))
    return "\n".join(lines)
