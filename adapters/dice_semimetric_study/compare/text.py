"""A comparison as text, for a person at a terminal."""

from typing import Any

from ..faults import printable
from ..results.registry import prediction_score, threshold_text
from ..results.tables import table
from ..results.text import (
    confidence,
    form_of,
    interval,
    known,
    limit_of,
    number,
    p_value,
    percent,
    rank,
)
from ..results.typeset import Mean, Typeset, protocol_note


def comparison_text(summary: dict[str, Any]) -> str:
    """Return two tables: the models with their means and ranks, and the pairs, over all tasks."""
    lines = [
        f"models: {len(summary['models'])}, {counts(summary['overall'])}",
        _models(summary),
        "",
        "first - second, over all tasks; intervals by patient; "
        f"better: where p (Holm) is below {limit_of(summary):g}:",
        _pairs(summary),
    ]
    return "\n".join(lines)


def _models(summary: dict[str, Any]) -> str:
    """Return one row per model: means, ranks, and how often it is first by the first score."""
    ranks = summary["overall"]["ranks"]
    metrics = list(summary["metrics"])
    rows = []
    for name in summary["models"]:
        own = {row["score"]: row for row in ranks if row["model"] == name}
        curve = [row["rank"] for score, row in own.items() if threshold_text(score) is not None]
        curve = [found for found in curve if found is not None]
        means = [f"{mean_text(own[m])} ({rank(own[m]['rank'])})" for m in metrics]
        ends = (rank(min(curve)), rank(max(curve))) if curve else (rank(None),)
        over = " to ".join(dict.fromkeys(ends))
        rows.append([printable(name), *means, over, percent(own[metrics[0]]["best"])])
    heads = [f"{prediction_score(m).heading} (rank)" for m in metrics]
    first = f"first by {prediction_score(metrics[0]).heading}, share of draws"
    return table(["model", *heads, "rank over thresholds", first], rows)


def models_table(summary: dict[str, Any]) -> Typeset:
    """Return one row per model, over all tasks, the best of each score in bold."""
    scores = {name: prediction_score(name) for name in summary["metrics"]}
    found = {(r["model"], r["score"]): r for r in summary["overall"]["ranks"]}
    best = {
        name: min(known(found[model, name]["rank"]) for model in summary["models"])
        for name in scores
    }
    rows: list[list[str | Mean]] = []
    for model in summary["models"]:
        own = {name: found[model, name] for name in scores}
        means = [
            Mean(r["mean"], (r["low"], r["high"]), best=r["rank"] == best[name])
            for name, r in own.items()
        ]
        rows.append([model, *means])
    heads = ["model", *(score.heading for score in scores.values())]
    note = ["mean over cases", counts(summary["overall"]), *protocol_note(summary)]
    return Typeset(heads, rows, confidence(summary), "; ".join(note))


def _pairs(summary: dict[str, Any]) -> str:
    rows = []
    for pair in summary["overall"]["pairs"]:
        ends = pair["low"], pair["high"]
        form = form_of(ends, sign="+")
        rows.append(
            [
                printable(f"{pair['a']} - {pair['b']}"),
                prediction_score(pair["metric"]).heading,
                number(pair["difference"], form),
                interval(ends, form),
                number(pair["effect"], "+.2f"),
                p_value(pair["p"]),
                p_value(pair["p_holm"]),
                printable(pair["better"]) if significant(pair, summary) else "-",
            ]
        )
    heads = ["pair", "score", "difference", confidence(summary)]
    return table([*heads, "effect", "p", "p (Holm)", "better"], rows)


def mean_text(ranked: dict[str, Any]) -> str:
    """Return the mean of a model in a ranking, with the digits that its interval allows."""
    return number(ranked["mean"], form_of((ranked["low"], ranked["high"])))


def counts(part: dict[str, Any]) -> str:
    """Return the numbers of cases, where each task of a case counts, and of patients."""
    return f"cases: {part['cases']}, patients: {part['patients']}"


def significant(pair: dict[str, Any], summary: dict[str, Any]) -> bool:
    """Return whether the test shows that one model of a pair is better."""
    p = pair["p_holm"]
    return p is not None and p < limit_of(summary) and bool(pair["better"])
