"""Comparisons and ranks as lines of tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results.bootstrap import Bootstrap
from ..results.paired import Paired, compare_pair, holm
from ..scores.score_tables import curve_columns
from .ranks import LOWER_IS_BETTER, Ranking, agreement, rank_models
from .study import Study

Row = dict[str, Any]
Pair = tuple[str, str]

_WHERE = ("scope", "task")
PAIR_COLUMNS = (
    *_WHERE,
    "metric",
    "better_is",
    "a",
    "b",
    "better",
    "cases",
    "patients",
    "mean_a",
    "mean_b",
    "difference",
    "low",
    "high",
    "nonzero",
    "p",
    "p_holm",
    "effect",
    "effect_low",
    "effect_high",
)
_RANK_COLUMNS = (
    *_WHERE,
    "score",
    "model",
    "cases",
    "patients",
    "mean",
    "low",
    "high",
    "rank",
    "same",
    "best",
    "tau",
)


@dataclass(frozen=True)
class Part:
    """All tasks together, or one of them.

    Attributes
    ----------
    scope : {"overall", "task"}
        Which.
    task : str
        The task, empty for all.
    study : Study
        The lines that are compared.
    """

    scope: str
    task: str
    study: Study

    @property
    def where(self) -> Row:
        """The columns that name this part."""
        return {"scope": self.scope, "task": self.task}


def parts_of(study: Study) -> list[Part]:
    """Return all tasks together, then each."""
    return [
        Part("overall", "", study),
        *(Part("task", task, study.only(task)) for task in study.tasks),
    ]


def better_is(metric: str) -> str:
    """Return "lower" or "higher"."""
    return "lower" if metric in LOWER_IS_BETTER else "higher"


def rank_columns(models: int) -> list[str]:
    """Return the columns of the table of ranks, the last of them the chance of each rank."""
    return [*_RANK_COLUMNS, *(f"rank{k}" for k in range(1, models + 1))]


def pair_rows(
    parts: Sequence[Part], metrics: Sequence[str], pairs: Sequence[Pair], bootstrap: Bootstrap
) -> list[Row]:
    """Return a line a part, metric and pair, the p values adjusted.

    Parameters
    ----------
    parts : sequence of Part
        All tasks together and each.
    metrics : sequence of str
        What pairs are compared by.
    pairs : sequence of (str, str)
        The names of the first and the second models.
    bootstrap : Bootstrap
        How patients are drawn.

    Returns
    -------
    list of dict
        With `PAIR_COLUMNS`.

    Notes
    -----
    The family of Holm's adjustment is the tests of one metric in one scope: all pairs overall, or
    all pairs of all single tasks. Both ask the same cases, so that together they are no family.
    """
    rows = [
        part.where | {"metric": metric, "a": a, "b": b} | _pair(part.study, metric, a, b, bootstrap)
        for part in parts
        for metric in metrics
        for a, b in pairs
    ]
    for scope in ("overall", "task"):
        for metric in metrics:
            family = [r for r in rows if (r["scope"], r["metric"]) == (scope, metric)]
            for row, p in zip(family, holm(np.array([r["p"] for r in family])), strict=True):
                row["p_holm"] = float(p)
    return rows


def _pair(study: Study, metric: str, a: str, b: str, bootstrap: Bootstrap) -> Row:
    scores = study.of(metric)
    first, second = (scores[study.models.index(name)] for name in (a, b))
    found = compare_pair(first, second, study.patients, bootstrap)
    return vars(found) | {"better_is": better_is(metric), "better": _better(metric, a, b, found)}


def _better(metric: str, a: str, b: str, found: Paired) -> str:
    """Return the name of the model with the better mean, empty if they are equal or unknown."""
    gain = -found.difference if better_is(metric) == "lower" else found.difference
    return a if gain > 0 else b if gain < 0 else ""


def rank_rows(parts: Sequence[Part], metrics: Sequence[str], bootstrap: Bootstrap) -> list[Row]:
    """Return a line a part, score and model: BDice, Dice at each threshold, the other metrics.

    Parameters
    ----------
    parts : sequence of Part
        All tasks together and each.
    metrics : sequence of str
        What else than BDice and Dice at thresholds models are ranked by.
    bootstrap : Bootstrap
        How patients are drawn.

    Returns
    -------
    list of dict
        With `rank_columns`; "tau" is Kendall's tau-b of this ranking and that by BDice.
    """
    rows = []
    for part in parts:
        curve = curve_columns(part.study.thresholds)
        scores = dict.fromkeys(("bdice", *curve, *metrics))
        rankings = {
            score: rank_models(
                part.study.of(score),
                part.study.patients,
                bootstrap,
                lower=better_is(score) == "lower",
            )
            for score in scores
        }
        rows += [
            part.where | {"score": score, "model": model} | _rank(rankings, score, i)
            for score in rankings
            for i, model in enumerate(part.study.models)
        ]
    return rows


def _rank(rankings: dict[str, Ranking], score: str, i: int) -> Row:
    """Return what a ranking says of one model."""
    ranking = rankings[score]
    chances = {f"rank{k}": float(c) for k, c in enumerate(ranking.chance[i], start=1)}
    return {
        "cases": ranking.cases,
        "patients": ranking.patients,
        "mean": float(ranking.mean[i]),
        "low": float(ranking.interval[0, i]),
        "high": float(ranking.interval[1, i]),
        "rank": float(ranking.rank[i]),
        "same": float(ranking.same[i]),
        "best": chances["rank1"],
        "tau": agreement(ranking.rank, rankings["bdice"].rank),
        **chances,
    }
