"""The page about a comparison: ``compare --report``."""

from collections.abc import Sequence
from typing import Any

from ..faults import counted
from ..results.page.page import Card, Report, write_study_page
from ..results.page.parts import DASH, Cards, Cell, Section, Table, Words, heat, spans
from ..results.registry import curve_names, prediction_score, threshold_text
from ..results.text import confidence, form_of, interval, limit_of, number, p_value, percent, rank
from .rows import Row
from .text import mean_text, significant

_SETTINGS = ("baseline", "protocol", "thresholds", "bootstrap", "patients")
_MOST_RANKS = 10  # of more models only the share of the best rank is shown
_BOARD = (
    "The interval is by patient. “Same rank” is the share of draws of patients in which the model "
    "has this very rank, and the columns behind are the shares with each."
)


def write_comparison_page(report: Report, summary: dict[str, Any]) -> None:
    """Write the page; all that is in it is in the summary."""
    tasks = summary["tasks"]
    several = [(f"task-{i}", task, part) for i, (task, part) in enumerate(tasks.items(), start=1)]
    write_study_page(
        report.path,
        title=f"Comparison of {counted(len(summary['models']), 'model')}",
        verdict=_verdict(summary),
        sections=[
            Section("summary", "Summary", [_cards(summary), *_notes(summary)]),
            Section("ranks", "Leaderboard", _boards(summary["overall"], summary)),
            Section("pairs", "Pairs of models", _pairs(summary["overall"], summary)),
            Section("thresholds", "Dice at each threshold", [_curves(summary["overall"], summary)]),
            *(
                Section(anchor, task, [*_boards(part, summary), *_pairs(part, summary)])
                for anchor, task, part in several
                if len(several) > 1
            ),
        ],
        summary=summary
        | {"aggregation": summary["method"]["cases"], "faults": _faults(summary["faults"])},
        record=_record(summary),
    )


def _verdict(summary: dict[str, Any]) -> str:
    """Return which model comes first, how often it would again, and whether it could be chance."""
    score = next(iter(summary["metrics"]))
    rows = [r for r in _ranks(summary["overall"], score) if r["rank"] is not None]
    if not rows:
        return "No case has a score by every model."
    first, second = rows[:2]
    title = prediction_score(score).title
    if first["rank"] == second["rank"]:
        return f"By {title} no model is ahead: several share the first rank."
    text = f"By {title} {first['model']} comes first ({mean_text(first)})"
    if first["same"] is not None:
        text += f", and in {percent(first['same'])} of the draws of patients"
    names = {first["model"], second["model"]}
    pairs = (p for p in summary["overall"]["pairs"] if p["metric"] == score)
    pair = next((p for p in pairs if {p["a"], p["b"]} == names), None)
    if pair is None:
        return f"{text}. Second is {second['model']} ({mean_text(second)})."
    difference, low, high = (pair[key] for key in ("difference", "low", "high"))
    if pair["a"] != first["model"]:
        difference = -difference
        low, high = (None if end is None else -end for end in (high, low))
    form = form_of((low, high), sign="+")
    ends = interval((low, high), form, joint=" to ", none="")
    within = f" ({confidence(summary)} {ends})" if ends else ""
    minus = f"{first['model']} minus {second['model']} is {number(difference, form)}{within}"
    p = f"p (Holm) = {p_value(pair['p_holm'])}".replace("= <", "< ")
    chance = "beyond chance" if significant(pair, summary) else "which could be chance"
    return f"{text}. Second is {second['model']}: {minus}, {chance}, {p}."


def _cards(summary: dict[str, Any]) -> Cards:
    part, tasks = summary["overall"], summary["tasks"]
    cards = [
        Card(
            "Cases",
            str(part["cases"]),
            f"of {counted(part['patients'], 'patient')}, {counted(len(tasks), 'structure')}",
            "Scored in every model; each structure of a case counts.",
        )
    ]
    for score in summary["metrics"]:
        rows = [r for r in _ranks(part, score) if r["rank"] is not None]
        best = [r for r in rows if r["rank"] == rows[0]["rank"]]
        meaning = prediction_score(score).explained()
        title = f"Best by {prediction_score(score).title}"
        names = ", ".join(r["model"] for r in best) or DASH
        mean = mean_text(best[0]) if best else ""
        cards.append(Card(title, names, mean, meaning))
    return Cards(cards)


def _notes(summary: dict[str, Any]) -> list[Words]:
    lacking = {n: m["dropped"] for n, m in summary["models"].items() if m["dropped"]}
    if not lacking:
        return []
    listed = ", ".join(f"{count} of {name}" for name, count in lacking.items())
    return [Words(f"Left out, since not scored in all models: {listed}.", "warning")]


def _ranks(part: Row, score: str) -> list[Row]:
    """Return the rows of one ranking, the best first, those without a rank last."""
    rows = [row for row in part["ranks"] if row["score"] == score]
    return sorted(rows, key=lambda r: (r["rank"] is None, r["rank"]))


def _boards(part: Row, summary: dict[str, Any]) -> list[Table | Words]:
    boards = [_board(part, score, confidence(summary)) for score in summary["metrics"]]
    return [Words(_BOARD, "note"), *boards]


def _board(part: Row, score: str, ends_name: str) -> Table:
    rows = _ranks(part, score)
    ends = spans([(r["mean"], (r["low"], r["high"])) for r in rows])
    places = range(1, len(rows) + 1) if len(rows) <= _MOST_RANKS else range(1, 2)
    chances = heat([[r[f"rank{k}"] for k in places] for r in rows], low=0, high=1)
    lines = [
        [Cell(r["model"]), Cell(rank(r["rank"])), mean, Cell(percent(r["same"], DASH))]
        + [
            Cell(percent(r[f"rank{k}"], DASH), tone=c.tone)
            for k, c in zip(places, line, strict=True)
        ]
        for r, mean, line in zip(rows, ends, chances, strict=True)
    ]
    heads = ["Model", "Rank", "Mean", "Same rank", *(f"Rank {k}" for k in places)]
    return Table(heads, lines, title=prediction_score(score).directed, ends=ends_name)


def _pairs(part: Row, summary: dict[str, Any]) -> list[Table | Words]:
    note = (
        "First minus second, with the interval of draws of patients. p values are of Wilcoxon’s "
        "signed-rank test by patient, and adjusted after Holm over the pairs of one score; "
        f"a model is named as better where that is below {limit_of(summary):g}."
    )
    return [
        Words(note, "note"),
        *(_pair_table([p for p in part["pairs"] if p["metric"] == m], m, summary)
          for m in summary["metrics"]),
    ]  # fmt: skip


def _pair_table(pairs: Sequence[Row], score: str, summary: dict[str, Any]) -> Table:
    ends = spans([(p["difference"], (p["low"], p["high"])) for p in pairs])
    rows = [
        [
            Cell(p["a"]),
            Cell(p["b"]),
            Cell(p["better"] if significant(p, summary) else DASH),
            mean,
            Cell(number(p["effect"], "+.2f", DASH)),
            Cell(p_value(p["p"], DASH)),
            Cell(p_value(p["p_holm"], DASH)),
        ]
        for p, mean in zip(pairs, ends, strict=True)
    ]
    heads = ["First", "Second", "Better", "Difference", "Effect", "p", "p (Holm)"]
    title = prediction_score(score).directed
    return Table(heads, rows, words=3, title=title, ends=confidence(summary))


def _curves(part: Row, summary: dict[str, Any]) -> Table:
    names = curve_names(summary["thresholds"])
    own = {(r["model"], r["score"]): r for r in part["ranks"]}
    rows = [
        [Cell(model)]
        + [Cell(mean_text(own[model, n]), f"rank {rank(own[model, n]['rank'])}") for n in names]
        for model in summary["models"]
    ]
    heads = ["Model", *(threshold_text(n) or "" for n in names)]
    return Table(heads, rows, note="Mean Dice of prediction and soft reference, both cut there.")


def _faults(faults: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return the faults with the name of the model before the reason."""
    return [
        {"case": f["case"], "task": f["task"], "reason": f"{f['model']}: {f['reason']}"}
        for f in faults
    ]


def _record(summary: dict[str, Any]) -> dict[str, Any]:
    models = summary["models"]
    return {
        "settings": {
            "models": list(models),
            "cases": {name: model["cases"] for name, model in models.items()},
            **{key: summary[key] for key in _SETTINGS},
        },
        "versions": {"dice-semimetric": summary["version"]},
        "platform": "",
        "inputs": [
            {"files": [{"path": m["scores"], "sha256": m["sha256"]}]} for m in models.values()
        ],
    }
