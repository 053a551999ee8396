"""The model among the raters: is it to a rater as the other raters are?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..faults import printable
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap, Numbers, by_patient, mean_intervals, mean_of_known
from ..results.paired import DIGITS, holm, rank_biserial, signed_rank
from ..results.registry import PREDICTION_SCORES
from ..results.tables import parts_of, table
from ..results.text import confidence, form_of, interval, number, p_value, percent
from .case_score import CaseScore

#: The scores that raters have against each other, too.
AMONG = ("dice", "bdice", "ece_soft")
_DRAWN = 3  # tasks in a terminal
_COUNTS = ("cases", "patients")
_MEANS = ("model", "raters", "difference", "low", "high", "p", "p_holm", "effect")
_SHARES = ("worse", "within", "better")
#: The columns of the table.
COLUMNS = ("task", "score", *_COUNTS, *_MEANS, *_SHARES)


def among_raters(
    scores: Sequence[CaseScore], patients: Mapping[str, str], bootstrap: Bootstrap
) -> dict[str, Any]:
    """Return how the model compares with the raters by each of a few scores.

    Each rater is left out once, and the rater and the model are compared with the others. Of a
    case the means over the raters left out count. Nothing is returned of cases with one rater.

    Returns
    -------
    dict
        By score: the means over ``cases`` and the ``difference`` of model and raters, its
        ``interval``, the ``p`` value of the signed-rank test of the patients' mean differences and
        its ``effect``, the rank-biserial correlation, ``p_holm``, adjusted for being one of
        several scores, and the shares of cases in which the model
        is ``worse`` than each rater, ``within`` their range, and ``better`` than each.
    """
    several = [s for s in scores if len(s.by_rater) > 1]
    if not several:
        return {}
    owners = [patients[s.case] for s in several]
    values = np.array([[_of_case(score, name) for name in AMONG] for score in several])
    values = np.round(values, DIGITS)
    differences = values[:, :, 0] - values[:, :, 1]
    ends = mean_intervals(differences, owners, bootstrap).T
    sums, counts = by_patient(differences, owners)
    found = {}
    for i, name in enumerate(AMONG):
        known = counts[:, i] > 0
        of_patients = sums[known, i] / counts[known, i]
        found[name] = _compared(values[:, i], name) | {
            "patients": len(of_patients),
            "interval": None if np.isnan(ends[i]).any() else ends[i].tolist(),
            "p": signed_rank(of_patients),
            "effect": float(rank_biserial(of_patients, np.ones((1, len(of_patients))))[0]),
        }
    adjusted = holm(np.array([found[name]["p"] for name in AMONG]))
    for name, p in zip(AMONG, adjusted, strict=True):
        found[name]["p_holm"] = float(p)
    cleaned: dict[str, Any] = jsonable(found)
    return cleaned


def _compared(values: Numbers, name: str) -> dict[str, Any]:
    """Return the means over cases, and in how many the model is outside the raters' range."""
    model, raters, least, most = values[~np.isnan(values).any(axis=1)].T
    worse, better = model < least, model > most
    if PREDICTION_SCORES[name].better == "lower":
        worse, better = better, worse
    shares = dict(zip(_SHARES, (worse, ~worse & ~better, better), strict=True))
    return {
        "cases": len(model),
        "model": mean_of_known(model),
        "raters": mean_of_known(raters),
        "difference": mean_of_known(model - raters),
        **{k: float(v.mean()) if v.size else np.nan for k, v in shares.items()},
    }


def _of_case(score: CaseScore, name: str) -> tuple[float, ...]:
    """Return the means of the model and of the raters, and the raters' least and largest value."""
    model = mean_of_known(getattr(r, f"model_{name}") for r in score.by_rater)
    each: Numbers = np.array([getattr(r, f"rater_{name}") for r in score.by_rater])
    each = each[~np.isnan(each)]
    if not each.size or np.isnan(model):
        return (np.nan,) * 4
    return model, float(each.mean()), float(each.min()), float(each.max())


def among_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the table: of each task, and of all of them behind several."""
    rows = []
    for task, part in parts_of(summary).items():
        for score, found in part.get("among_raters", {}).items():
            low, high = found["interval"] or (None, None)
            rows.append({"task": task, "score": score, **found, "low": low, "high": high})
    return [{name: row[name] for name in COLUMNS} for row in rows]


def among_table(summary: Mapping[str, Any]) -> str:
    """Return the model among the raters as text, nothing where no case has several raters.

    Of many tasks only the rows over all of them are there.
    """
    shown = {"all"} if len(summary["tasks"]) > _DRAWN else {*summary["tasks"], "all"}
    rows = [
        [
            f"{printable(row['task'])}: {PREDICTION_SCORES[row['score']].title}",
            *(number(row[name], form_of(ends)) for name in ("model", "raters")),
            number(row["difference"], form_of(ends, sign="+")),
            interval(ends, form_of(ends, sign="+")),
            p_value(row["p_holm"]),
            number(row["effect"], "+.2f"),
            *(percent(row[name]) for name in _SHARES),
        ]
        for row in among_rows(summary)
        if row["task"] in shown
        for ends in [(row["low"], row["high"])]
    ]
    if not rows:
        return ""
    names = ["model", "raters", "difference", confidence(summary), "p (Holm)", "effect"]
    return f"\n\n{table(['among the raters', *names, *_SHARES], rows)}"
