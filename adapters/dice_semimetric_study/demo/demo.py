"""The whole story on one screen: fuse raters, see the paper's point, score a prediction.

Without arguments it runs on generated cases, whose true probabilities are known; with ``--data``
and ``--pred`` on a real folder.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dice_semimetric import dml1, uniform_average

from ..agree import agree
from ..agree.summary import agreement_table
from ..cases.blocks import Reading, read_blocks
from ..cases.foreground import Voxels
from ..cases.layout import CaseFiles, find_cases
from ..cases.pairing import Rated
from ..cases.study import Study
from ..choices import FUSE_METHODS
from ..evaluate.evaluate import Page, evaluate
from ..faults import CaseError, Fault, printable, show
from ..files.atomic import require_apart, write_text
from ..files.volumes import read_volume
from ..files.writing import written_maps
from ..fuse.methods import fuse_masks
from ..results.page.page import Report
from ..results.plots import save
from ..results.tables import csv_text, table
from ..runs.each import each_case
from ..runs.output import claim
from ..runs.recorded import Run
from ..scores.summary import score_table
from .paradox import Paradox, soft_dice_paradox
from .phantoms import write_phantoms
from .plots import plot_cases, plot_paradox

_LINES = 12
_FILES = ("paradox.csv", "paradox.png", "cases.png", "report.html")


@dataclass(frozen=True)
class DemoCase:
    """What is kept of a case; ``to_truth`` is each method's DML1 to the true probabilities."""

    files: CaseFiles
    raters: int
    paradox: Paradox
    to_truth: dict[str, float]


def demo(
    out: Path, *, data: Path | None = None, pred: Path | None = None, overwrite: bool = False
) -> int:
    """Run the demonstration, print what it finds, and return the exit status.

    Without ``data``, the raters' masks of real cases, eight phantoms are generated.
    """
    for folder in (data, pred):
        if folder is not None:
            require_apart(out, folder)
    found = [] if data is None else find_cases(data)
    maps = {f"fused/{m}/{files.label_name}" for files in found for m in FUSE_METHODS}
    options = {"data": data and data.absolute(), "pred": pred and pred.absolute()}
    output = claim(out, "demo", options, {*_FILES, *maps}, overwrite=overwrite)
    truth: Path | None = None
    if data is None:
        write_phantoms(out / "phantoms", overwrite=overwrite)
        data, truth, pred = (out / "phantoms" / n for n in ("raters", "truth", "prediction"))
        found = find_cases(data)
        show(f"Eight cases with five raters each and known probabilities, in {out / 'phantoms'}\n")
    cases: list[DemoCase] = []
    faults = each_case(
        lambda files: _fuse_case(files, out, truth),
        found,
        results=cases,
        action="fuse and compare losses",
    )
    if cases:
        _show_agreement(data, out, overwrite)
        _show_paradox(cases, out, pred)
        _show_fusion(cases, out)
    if pred is None:
        show("No predictions to score: give --pred.")
    else:
        faults = _show_scores(pred, data, out, overwrite)
    output.close(faults)
    show(f"\nLabels, tables and pictures are in {out}")
    return 1 if faults else 0


def _fuse_case(files: CaseFiles, out: Path, truth: Path | None) -> DemoCase:
    """Write the labels of one case by every method, and compare the losses of its mean."""
    if files.fault:
        raise CaseError(files.fault)
    if not files.masks:
        raise CaseError("there is no mask of any rater")
    case, reading = Rated(files), Reading(slab=sys.maxsize)
    (block,) = read_blocks(case, reading)
    marks = Voxels(case, block, reading).marks("")
    masks = np.stack([m.reshape(block.shape, order="F") for m in marks])
    known = None if truth is None else read_volume(truth / files.label_name).data
    to_truth: dict[str, float] = {}
    for method in FUSE_METHODS:
        label = fuse_masks(masks, method).label
        maps, folder = {files.label_name: label.dtype}, out / "fused" / method
        with written_maps(folder, maps, files.maps[0], at_once=True) as (write,):
            write(label.reshape(-1, order="F"))
        if known is not None:
            to_truth[method] = float(dml1(label.astype(known.dtype), known))
    return DemoCase(files, len(masks), soft_dice_paradox(uniform_average(masks)), to_truth)


def _show_agreement(data: Path, out: Path, overwrite: bool) -> None:
    show("How far do the raters agree? Dice of every two, and of each to their majority; maps of")
    show(f"where they do not: {out / 'agreement/maps'}\n")
    run = Run(out / "agreement", overwrite=overwrite)
    show(agreement_table(_whole(agree(Study(data), run))) + "\n")


def _show_paradox(cases: Sequence[DemoCase], out: Path, pred: Path | None) -> None:
    show("Which prediction of the raters' mean y does a loss like best? SDL, the soft Dice loss,")
    show("prefers a hard mask to y itself. DML, the Dice semimetric loss, is 0 at y.\n")
    names = ["case", "raters", "SDL(y, y)", "SDL(best mask, y)", "mask", "DML1(y, y)", "DML2(y, y)"]
    rows = [
        [printable(f"{c.files.case} {c.files.task}"), str(c.raters), *_digits(c.paradox)]
        for c in cases
    ]
    more = len(rows) - _LINES
    p = [c.paradox for c in cases]
    mean = ["mean", "", f"{np.mean([q.sdl_self for q in p]):.4f}"]
    mean += [f"{np.mean([q.sdl_hard for q in p]):.4f}", ""]
    mean += [f"{max(q.dml1_self for q in p):g}", f"{max(q.dml2_self for q in p):g}"]
    dots = [] if more <= 0 else [[f"... {more} more", *[""] * (len(names) - 1)]]
    show(table(names, [*rows[:_LINES], *dots, mean]))
    show(f"\nThis holds in {sum(q.holds for q in p)} of {len(cases)} cases.\n")
    lines = [
        {"case": c.files.case, "task": c.files.task, "raters": c.raters} | _losses(c.paradox)
        for c in cases
    ]
    write_text(out / "paradox.csv", csv_text(list(lines[0]), lines))
    save(plot_paradox(p), out / "paradox.png")
    examples = [c.files for c in _examples(cases)]
    save(plot_cases(examples, out / "fused" / "uniform", pred), out / "cases.png")


def _losses(p: Paradox) -> dict[str, float]:
    found = {name: float(value) for name, value in asdict(p).items()}
    return found | {"threshold": p.threshold if math.isfinite(p.threshold) else math.nan}


def _digits(p: Paradox) -> list[str]:
    losses = [
        f"{p.sdl_self:.4f}",
        f"{p.sdl_hard:.4f}",
        f"y >= {p.threshold:.2f}" if math.isfinite(p.threshold) else "empty",
    ]
    return [*losses, f"{p.dml1_self:g}", f"{p.dml2_self:g}"]


def _examples(cases: Sequence[DemoCase]) -> list[DemoCase]:
    """Return the cases with the least, the middle and the most disagreement."""
    order = sorted(cases, key=lambda c: c.paradox.sdl_self)
    return [order[i] for i in sorted({0, len(order) // 2, len(order) - 1})]


def _show_fusion(cases: Sequence[DemoCase], out: Path) -> None:
    if not all(c.to_truth for c in cases):
        show(f"Fused by {', '.join(FUSE_METHODS)}: {out / 'fused'}\n")
        return
    show("How far is the fused label from the true probabilities? (DML1, mean over cases)\n")
    rows = [[m, f"{np.mean([c.to_truth[m] for c in cases]):.4f}"] for m in FUSE_METHODS]
    show(table(["method", "DML1 to truth"], rows) + "\n")


def _show_scores(pred: Path, data: Path, out: Path, overwrite: bool) -> list[Fault]:
    show("The prediction against the raters: Dice, Jaccard and the ECE over all pixels to their")
    show("majority, BDice and the other ECEs to their mean.\n")
    page = Page(report=Report(out / "report.html"))
    run = Run(out / "scores", overwrite=overwrite)
    summary = _whole(evaluate(Study(data, pred), run, page=page))
    show(score_table(summary))
    show(f"\nThe same to look at, in a browser: {out / 'report.html'}")
    return [Fault(**f) for f in summary["faults"]]


def _whole(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary, or end the demonstration where the user stopped that part of it."""
    if "stopped" in summary:
        raise KeyboardInterrupt
    return summary
