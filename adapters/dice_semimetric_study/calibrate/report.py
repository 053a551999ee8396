"""What a calibration changed: one row per case, one summary, and reliability diagrams."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dice_semimetric import __version__

from ..faults import Fault
from ..files.atomic import write_bytes, write_text
from ..results.registry import ALL_SCORES, PREDICTION_SCORES
from ..results.tables import csv_text, summarized, table
from ..results.text import Ends, form_of, number
from ..runs.each import without_stop
from ..runs.logs import left_out
from ..scores.case_score import CaseScore
from ..scores.options import Options
from ..scores.summary import summarize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SETS = {
    "fit": "the cases that were fitted to: scored in sample, and so too well",
    "pred": "the cases that were calibrated",
}
IN_SAMPLE = (
    "predictions were calibrated that the calibrators were fitted to: the scores are too good"
)
#: All that `write_report` may write.
FILES = {"calibration.csv", "calibration.json", *(f"reliability-{name}.png" for name in _SETS)}
WHEN = ("before", "after")
_PIXELS = (
    "both times over the pixels that were in doubt before; of the calibrated maps alone, evaluate "
    "may count other pixels"
)


@dataclass(frozen=True)
class Scored:
    """The scores of one map before and after."""

    before: CaseScore
    after: CaseScore


Part = tuple[Sequence[Scored], Sequence[Fault]]


def write_report(
    out: Path,
    parts: dict[str, Part],
    fitted: dict[str, Any],
    faults: Sequence[Fault],
    options: Options,
    *,
    files: Mapping[str, bytes],
    **means: Any,
) -> dict[str, Any]:
    """Write the tables and pictures, and return the summary, which begins with what was fitted.

    ``parts`` are the scored cases of each set and what is wrong with others; ``faults`` are all
    that is wrong. ``files`` are the calibrators. ``means`` has the patients and the bootstrap.
    """
    summary = dict(fitted)
    # The marks of each rater are not kept: what is scored against is their mean.
    means["names"] = [name for name, score in ALL_SCORES.items() if not score.of_raters]
    for name, (scored, wrong) in parts.items():
        before, after = (
            summarize([getattr(s, when) for s in scored], wrong, options, **means) for when in WHEN
        )
        summary[name] = {
            "cases": _SETS[name],
            "before": {"overall": before["overall"], "tasks": before["tasks"]},
            "after": {"overall": after["overall"], "tasks": after["tasks"]},
        }
        summary |= {key: before[key] for key in ("aggregation", "bootstrap", "options")}
        summary["ece_soft"] = _PIXELS
    faults, stop = without_stop(faults)
    summary |= {"faults": [asdict(f) for f in faults], "version": __version__}
    if stop:
        summary["stopped"] = stop
    with summarized(out / "calibration.json", summary):
        for name, content in files.items():
            write_bytes(out / name, content)
        if parts:
            write_text(out / "calibration.csv", _case_table(parts))
        _draw(out, parts, summary)
    return summary


def _draw(out: Path, parts: dict[str, Part], summary: Mapping[str, Any]) -> None:
    """Write the reliability diagrams of each set that has scores."""
    for name, (scored, _) in parts.items():
        with left_out("the pictures"):
            from ..results.plots import save  # slow to import in each worker

            if scored:
                save(plot_change(scored, summary[name]), out / f"reliability-{name}.png")


def _case_table(parts: dict[str, Part]) -> str:
    columns = {f"{name}_{when}": (name, when) for name in PREDICTION_SCORES for when in WHEN}
    rows = [
        {"set": part, "case": s.before.case, "task": s.before.task}
        | {c: float(getattr(getattr(s, when), name)) for c, (name, when) in columns.items()}
        for part, (scored, _) in parts.items()
        for s in scored
    ]
    return csv_text(["set", "case", "task", *columns], rows)


def plot_change(scored: Sequence[Scored], part: Mapping[str, Any]) -> "Figure":
    """Return the reliability diagram of the foreground before and after, with counts below."""
    from ..results.plots import new_figure
    from ..scores.plots import draw_calibration

    figure = new_figure(9.6, 5.0)
    panels = figure.subplots(2, 2, height_ratios=(3, 1), sharex="col", sharey="row")
    most = 0.0
    for column, when in enumerate(WHEN):
        overall = part[when]["overall"]
        scores = [getattr(s, when) for s in scored]
        draw_calibration(panels[:, column], scores, "ece_soft", overall, when=when)
        most = max(most, panels[1, column].get_ylim()[1])
    panels[1, 0].set_ylim(top=max(most, 1))  # both columns share their axes
    for axes in panels[:, 1]:
        axes.set_ylabel("")
    return figure


def narrower(parts: Sequence[Mapping[str, Any]], name: str) -> Ends:
    """Return the narrower interval of a score before and after, which has digits for both."""
    found = [part.get("intervals", {}).get(name) for part in parts]
    known = [ends for ends in found if ends and None not in ends]
    return min(known, key=lambda ends: ends[1] - ends[0], default=None)


def change_table(summary: dict[str, Any]) -> str:
    """Return a summary as text: the scores of each set before and after, or of none nothing."""
    rows = []
    for name in _SETS:
        parts = [summary[name][when]["overall"] for when in WHEN] if name in summary else []
        forms = {n: form_of(narrower(parts, n)) for n in PREDICTION_SCORES}
        for when, part in zip(WHEN, parts, strict=False):
            means = [number(part[n], form) for n, form in forms.items()]
            pooled = number(part.get("pooled", {}).get("ece_soft"), forms["ece_soft"])
            rows.append([f"{name}, {when}", str(part["cases"]["scored"]), *means, pooled])
    if not rows:
        return ""
    titles = [score.heading for score in PREDICTION_SCORES.values()]
    heads = ["set", "cases", *titles, f"pooled {PREDICTION_SCORES['ece_soft'].title}"]
    return f"{table(heads, rows)}\npooled: over the pixels of all cases together\n"
