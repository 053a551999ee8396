"""A comparison as text, for a person at a terminal."""

from typing import Any

from ..faults import printable
from ..results.tables import table
from ..scores.score_tables import TITLES


def comparison_text(summary: dict[str, Any]) -> str:
    """Return the models with their means and ranks, and the pairs, over all tasks.

    Parameters
    ----------
    summary : dict
        What `compare` returns.

    Returns
    -------
    str
        Two tables, with a line before them that says what they are of.
    """
    share = f"{100 * summary['bootstrap']['confidence']:g} %"
    lines = [
        f"models: {len(summary['models'])}, {counts(summary['overall'])}",
        _models(summary),
        "",
        f"first - second, over all tasks; in brackets {share} of draws of patients; better: where "
        f"p (Holm) is below {limit_of(summary):g}:",
        _pairs(summary),
    ]
    return "\n".join(lines)


def _models(summary: dict[str, Any]) -> str:
    """Return a line a model: its means, its ranks, and how often it is the best by BDice."""
    ranks = summary["overall"]["ranks"]
    metrics = list(summary["metrics"])
    rows = []
    for name in summary["models"]:
        own = {row["score"]: row for row in ranks if row["model"] == name}
        curve = [row["rank"] for score, row in own.items() if score.startswith("dice@")]
        rows.append(
            [
                printable(name),
                *(f"{number(own[m]['mean'])} ({rank(own[m]['rank'])})" for m in metrics),
                f"{rank(min(curve))} to {rank(max(curve))}",
                percent(own["bdice"]["best"]),
            ]
        )
    heads = [f"{TITLES[m]} (rank)" for m in metrics]
    return table(["model", *heads, "rank over thresholds", "best by BDice"], rows)


def _pairs(summary: dict[str, Any]) -> str:
    rows = []
    for pair in summary["overall"]["pairs"]:
        between = "-"
        if pair["low"] is not None:
            between = f"[{pair['low']:+.4f}, {pair['high']:+.4f}]"
        rows.append(
            [
                printable(f"{pair['a']} - {pair['b']}"),
                TITLES[pair["metric"]],
                number(pair["difference"], "+.4f"),
                between,
                number(pair["effect"], "+.2f"),
                p_value(pair["p"]),
                p_value(pair["p_holm"]),
                printable(pair["better"]) if sure(pair, summary) else "-",
            ]
        )
    heads = ["pair", "score", "difference", "interval", "effect", "p", "p (Holm)", "better"]
    return table(heads, rows)


def counts(part: dict[str, Any]) -> str:
    """Return how much a part has.

    Parameters
    ----------
    part : dict
        All tasks together, where each task of a case counts, or one of them.

    Returns
    -------
    str
        Such as "cases: 87, patients: 58".
    """
    return f"cases: {part['cases']}, patients: {part['patients']}"


def limit_of(summary: dict[str, Any]) -> float:
    """Return below which p values tell: what the confidence of the intervals leaves.

    Parameters
    ----------
    summary : dict
        What `compare` returns.

    Returns
    -------
    float
        Such as 0.05.
    """
    return round(1 - float(summary["bootstrap"]["confidence"]), 9)


def sure(pair: dict[str, Any], summary: dict[str, Any]) -> bool:
    """Return whether the test tells that one model of a pair is better.

    Parameters
    ----------
    pair : dict
        A line of the comparison.
    summary : dict
        What `compare` returns.

    Returns
    -------
    bool
        Whether the adjusted p value is small enough.
    """
    p = pair["p_holm"]
    return p is not None and p < limit_of(summary) and bool(pair["better"])


def number(value: float | None, form: str = ".4f") -> str:
    """Return a number, or a dash for none.

    Parameters
    ----------
    value : float, optional
        The number.
    form : str, optional
        How it is written.

    Returns
    -------
    str
        The text.
    """
    return "-" if value is None else format(value, form)


def rank(value: float | None) -> str:
    """Return a rank, with a half only where it has one.

    Parameters
    ----------
    value : float, optional
        The rank.

    Returns
    -------
    str
        The text.
    """
    return number(value, "g")


def percent(value: float | None) -> str:
    """Return a share in percent, never 0 or 100 for what is only close to it.

    Parameters
    ----------
    value : float, optional
        From 0 to 1.

    Returns
    -------
    str
        The text.
    """
    if value is None or value in (0, 1):
        return number(value, ".0%")
    return "<1%" if value < 0.01 else ">99%" if value > 0.99 else f"{value:.0%}"


def p_value(value: float | None) -> str:
    """Return a p value with three digits after the point.

    Parameters
    ----------
    value : float, optional
        The p value.

    Returns
    -------
    str
        The text.
    """
    return "<0.001" if value is not None and value < 0.001 else number(value, ".3f")
