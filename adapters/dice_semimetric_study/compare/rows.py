"""Comparisons and ranks as rows of tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..results.bootstrap import Bootstrap
from ..results.paired import compare_pair, holm
from ..results.registry import curve_names, prediction_score
from .common import CommonScores
from .ranks import Ranking, agreement, rank_models

Row = dict[str, Any]
Pair = tuple[str, str]

# fmt: off
PAIR_COLUMNS = (
    "scope", "task", "metric", "better_is", "a", "b", "better", "cases", "patients", "mean_a",
    "mean_b", "difference", "low", "high", "nonzero", "p", "p_holm", "effect", "effect_low",
    "effect_high",
)
_RANK_COLUMNS = (
    "scope", "task", "score", "model", "cases", "patients", "mean", "low", "high", "rank", "same",
    "best", "tau",
)
# fmt: on


@dataclass(frozen=True)
class Part:
    """All tasks together, of scope "overall" and without a name, or one of scope "task"."""

    scope: str
    task: str
    common: CommonScores

    @property
    def where(self) -> Row:
        """The columns that name this part."""
        return {"scope": self.scope, "task": self.task}


def rank_columns(models: int) -> list[str]:
    """Return the columns of the table of ranks, the last of them the chance of each rank."""
    return [*_RANK_COLUMNS, *(f"rank{k}" for k in range(1, models + 1))]


def pair_rows(
    parts: Sequence[Part], metrics: Sequence[str], pairs: Sequence[Pair], bootstrap: Bootstrap
) -> list[Row]:
    """Return one row per part, metric and pair of names, with `PAIR_COLUMNS`, p values adjusted.

    The family of Holm's adjustment is the tests of one metric in one scope: all pairs overall, or
    all pairs of all single tasks. Both use the same cases, so that together they are no family.
    """
    rows = [
        part.where | {"metric": metric, "a": a, "b": b} | _pair(part, metric, a, b, bootstrap)
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


def _pair(part: Part, metric: str, a: str, b: str, bootstrap: Bootstrap) -> Row:
    scores, models = part.common.of(metric), part.common.models
    first, second = (scores[models.index(name)] for name in (a, b))
    found = compare_pair(first, second, part.common.patients, bootstrap)
    better_is = prediction_score(metric).better
    # That biases differ does not tell which is nearer 0.
    signs = {"higher": 1, "lower": -1, "nearer 0": 0}
    gain = signs[better_is] * found.difference
    better = a if gain > 0 else b if gain < 0 else ""  # if they are equal or unknown
    return vars(found) | {"better_is": better_is, "better": better}


def rank_rows(parts: Sequence[Part], metrics: Sequence[str], bootstrap: Bootstrap) -> list[Row]:
    """Return one row per part, score and model, with `rank_columns`.

    Scores are BDice, Dice at each threshold, and the other metrics. "tau" is Kendall's tau-b of
    a ranking and that by BDice.
    """
    rows = []
    for part in parts:
        common = part.common
        rankings = {
            score: rank_models(
                common.of(score),
                common.patients,
                bootstrap,
                better=prediction_score(score).better,
            )
            for score in dict.fromkeys(("bdice", *curve_names(common.thresholds), *metrics))
        }
        rows += [
            part.where | {"score": score, "model": model} | _rank(rankings, score, i)
            for score in rankings
            for i, model in enumerate(common.models)
        ]
    return rows


def _rank(rankings: dict[str, Ranking], score: str, i: int) -> Row:
    """Return the row of one model in one ranking."""
    found = rankings[score]
    chances = {f"rank{k}": float(c) for k, c in enumerate(found.chance[i], start=1)}
    low, high = map(float, found.interval[:, i])
    return {
        "cases": found.cases,
        "patients": found.patients,
        "mean": float(found.mean[i]),
        "low": low,
        "high": high,
        "rank": float(found.rank[i]),
        "same": float(found.same[i]),
        "best": chances["rank1"],
        "tau": agreement(found.rank, rankings["bdice"].rank),
        **chances,
    }
