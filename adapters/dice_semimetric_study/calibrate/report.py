"""What a calibration changed: one row per case, one summary, and reliability diagrams."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dice_semimetric import __version__

from ..faults import Fault
from ..files.atomic import write_text
from ..files.json import write_json
from ..results.bootstrap import Bootstrap
from ..results.registry import PREDICTION_SCORES
from ..results.tables import csv_text, digits, table
from ..results.text import number
from ..scores.case_score import CaseScore, Options
from ..scores.summary import summarize
from .calibrators import FLOOR, Fitting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SETS = {
    "fit": "the cases that were fitted to: scored in sample, and so too well",
    "pred": "the cases that were calibrated",
}
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


@dataclass(frozen=True)
class Outcome:
    """What a calibration came to: the fit by task, scores of both sets, and all that is wrong."""

    fitting: Fitting
    parameters: dict[str, dict[str, float | int]]
    options: Options
    patients: dict[str, str]
    bootstrap: Bootstrap
    fit: Part
    pred: Part | None
    written: int
    faults: Sequence[Fault]


def write_report(out: Path, outcome: Outcome) -> dict[str, Any]:
    """Write the tables and pictures, and return the summary."""
    parts = {"fit": outcome.fit} | ({"pred": outcome.pred} if outcome.pred is not None else {})
    fitting = outcome.fitting
    summary: dict[str, Any] = {
        "fitting": asdict(fitting) | {"floor": FLOOR[fitting.method]},
        "tasks": outcome.parameters,
        "written": outcome.written,
    }
    means: dict[str, Any] = {"patients": outcome.patients, "bootstrap": outcome.bootstrap}
    for name, (scored, wrong) in parts.items():
        before, after = (
            summarize([getattr(s, when) for s in scored], wrong, outcome.options, **means)
            for when in ("before", "after")
        )
        summary[name] = {
            "cases": _SETS[name],
            "before": {"overall": before["overall"], "tasks": before["tasks"]},
            "after": {"overall": after["overall"], "tasks": after["tasks"]},
        }
        if scored:
            from ..results.plots import save  # slow to import in each worker

            save(plot_change(scored), out / f"reliability-{name}.png")
        summary |= {key: before[key] for key in ("aggregation", "options")}
        summary["ece_soft"] = _PIXELS
    summary |= {"faults": [asdict(f) for f in outcome.faults], "version": __version__}
    write_text(out / "calibration.csv", _case_table(parts))
    write_json(out / "calibration.json", summary)
    return summary


def _case_table(parts: dict[str, Part]) -> str:
    columns = [f"{name}_{when}" for name in PREDICTION_SCORES for when in ("before", "after")]
    rows = [
        {"set": part, "case": s.before.case, "task": s.before.task}
        | {
            f"{name}_{when}": digits(getattr(getattr(s, when), name))
            for name in PREDICTION_SCORES
            for when in ("before", "after")
        }
        for part, (scored, _) in parts.items()
        for s in scored
    ]
    return csv_text(["set", "case", "task", *columns], rows)


def plot_change(scored: Sequence[Scored]) -> "Figure":
    """Return the reliability diagram of the foreground before and after, with counts below."""
    from ..results.plots import new_figure
    from ..scores.plots import draw_calibration

    figure = new_figure(9.6, 5.0)
    panels = figure.subplots(2, 2, height_ratios=(3, 1), sharex="col", sharey="row")
    most = 0.0
    for column, when in enumerate(("before", "after")):
        draw_calibration(
            panels[:, column], [getattr(s, when) for s in scored], "ece_soft", when=when
        )
        most = max(most, panels[1, column].get_ylim()[1])
    panels[1, 0].set_ylim(top=most)  # both columns share their axes
    for axes in panels[:, 1]:
        axes.set_ylabel("")
    return figure


def change_table(summary: dict[str, Any]) -> str:
    """Return a summary as text: the scores of each set before and after."""
    rows = []
    for name in _SETS:
        for when in ("before", "after") if name in summary else ():
            part = summary[name][when]["overall"]
            pooled = part.get("pooled", {}).get("ece_soft")
            values = [*(part[n] for n in PREDICTION_SCORES), pooled]
            rows.append(
                [f"{name}, {when}", str(part["cases"]["scored"])] + [number(v) for v in values]
            )
    titles = [score.heading for score in PREDICTION_SCORES.values()]
    return table(["set", "cases", *titles, "pooled"], rows)
