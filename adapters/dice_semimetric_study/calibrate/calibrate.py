"""Calibrate a folder of probability maps by what is known of other cases."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..cases.generator import case_generator
from ..cases.layout import CaseFiles, Raters, find_cases
from ..cases.pairing import Pair, pair_up
from ..cases.reading import read_pair, read_prediction
from ..faults import CaseError, Fault, UsageError
from ..files.atomic import prepare_folder, require_apart
from ..files.writing import write_volume
from ..results.totals import total_by_name
from ..runs.cluster import Workers
from ..runs.each import HERE, each_case, report
from ..scores.scoring import Options, in_doubt, score_case
from .calibrators import (
    FLOOR,
    MOST_PIXELS,
    Fitting,
    MapCalibrator,
    Sample,
    draw,
)
from .report import Scored, write_report


@dataclass(frozen=True)
class _Work:
    """A prediction, with the reference it is scored against where there is one."""

    files: CaseFiles
    pair: Pair | None = field(default=None)

    @property
    def case(self) -> str:
        return self.files.case

    @property
    def task(self) -> str:
        return self.files.task


def calibrate(
    fit_pred: Path,
    fit_ref: Path,
    pred: Path,
    out: Path,
    *,
    fitting: Fitting,
    ref: Path | None = None,
    options: Options | None = None,
    pattern: str | None = None,
    pred_pattern: str | None = None,
    raters: Raters = "all",
    workers: Workers = HERE,
) -> dict[str, Any]:
    """Fit a calibrator for each task, make every map of a folder anew, and show what it changed.

    Parameters
    ----------
    fit_pred, fit_ref : Path
        Predictions of held-out cases and their references; see `find_cases`.
    pred : Path
        The predictions to calibrate.
    out : Path
        Gets ``CASE/taskTT.nii.gz`` in float32, or ``CASE_taskTT.nii.gz`` for flat folders, each as
        soon as it is ready; and ``calibration.json``, ``calibration.csv``, ``reliability-fit.png``
        and, with ``ref``, ``reliability-pred.png``.
    fitting : Fitting
        The method and its options.
    ref : Path, optional
        References of ``pred``, to score its maps before and after.
    options : Options, optional
        How maps are read and scored.
    pattern, pred_pattern : str, optional
        Of the references and of the predictions.
    raters : {"all", "any"}, optional
        Whether a case that lacks a rater is faulty.
    workers : Workers, optional
        Who does the work; the result is the same.

    Returns
    -------
    dict
        What ``calibration.json`` holds, with the faulty cases in it.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, or there is nothing to fit to.
    """
    options = options or Options()
    # Workers may have another current folder.
    fit_pred, fit_ref, pred, out = (f.absolute() for f in (fit_pred, fit_ref, pred, out))
    for source in (fit_pred, fit_ref, pred, *([ref] if ref else [])):
        require_apart(out, source)
    fit_pairs, fit_faults = _pairs(
        find_cases(fit_ref, pattern=pattern, raters=raters),
        find_cases(fit_pred, pattern=pred_pattern, raters="any"),
    )
    predictions = find_cases(pred, pattern=pred_pattern, raters="any")
    works, faults = [_Work(files) for files in predictions], list[Fault]()
    if ref is not None:
        pairs, faults = _pairs(
            find_cases(ref.absolute(), pattern=pattern, raters=raters), predictions
        )
        partner = {(p.prediction.case, p.prediction.task): p for p in pairs}
        found = [(f, partner.get((f.case, f.task))) for f in predictions]
        works = [_Work(f, pair) for f, pair in found if pair or not f.fault]  # else told already
    prepare_folder(out)
    report(fit_faults + faults)
    calibrators, unread = _fit(fit_pairs, fitting, options, workers)
    fit_faults += unread
    fit_scored: list[Scored] = []
    again = [p for p in fit_pairs if p.task in calibrators and not _among(p, unread)]
    fit_faults += each_case(
        partial(_score, calibrators=calibrators, options=options),
        again,
        results=fit_scored,
        action="score the fit",
        workers=workers,
    )
    scored: list[Scored | None] = []
    faults += each_case(
        partial(_make_anew, calibrators=calibrators, options=options, out=out),
        works,
        results=scored,
        action=f"calibrate ({fitting.method})",
        workers=workers,
    )
    return write_report(
        out,
        fitting=fitting,
        parameters={task: c.parameters for task, c in calibrators.items()},
        options=options,
        fit=(fit_scored, fit_faults),
        pred=([s for s in scored if s is not None], faults) if ref else None,
        written=len(scored),
        faults=fit_faults + faults,
    )


def _pairs(
    references: list[CaseFiles], predictions: list[CaseFiles]
) -> tuple[list[Pair], list[Fault]]:
    """Return the pairs, and the predictions that have no reference; the other way is no fault."""
    pairs, faults = pair_up(references, predictions)
    known = {(c.case, c.task) for c in predictions}
    return pairs, [f for f in faults if (f.case, f.task) in known]


def _fit(
    pairs: list[Pair], fitting: Fitting, options: Options, workers: Workers
) -> tuple[dict[str, MapCalibrator], list[Fault]]:
    """Return one calibrator a task: tasks are different structures."""
    drawn: list[tuple[str, Sample]] = []
    faults = each_case(
        partial(_draw, fitting=fitting, options=options, count=len(pairs)),
        pairs,
        results=drawn,
        action="fit",
        workers=workers,
    )
    if not drawn:
        raise UsageError("there is no case to fit to")
    calibrators = {}
    for task, sample in sorted(total_by_name(drawn).items()):
        few = 2 if fitting.method == "kernel" and fitting.bandwidth is None else 1
        if sample.prob.size < few:
            raise UsageError(
                f"{task} cannot be fitted: {sample.prob.size} pixels of its fit cases have a "
                f"probability above the floor, at least {few} are needed"
            )
        calibrators[task] = MapCalibrator(fitting.method, bandwidth=fitting.bandwidth).fit(sample)
    return calibrators, faults


def _draw(pair: Pair, *, fitting: Fitting, options: Options, count: int) -> tuple[str, Sample]:
    prob, soft, hard, _ = read_pair(pair, label=options.label, tolerance=options.tolerance)
    size = fitting.keys if fitting.method == "kernel" else MOST_PIXELS
    of_one = max(fitting.keys, 4 * size // count)  # bounds the memory that all samples take
    target = soft if fitting.target == "mean" else hard
    rng = case_generator(fitting.seed, pair.case, pair.task)
    return pair.task, draw(
        prob, target, above=FLOOR[fitting.method], size=size, rng=rng, of_one=of_one
    )


def _among(pair: Pair, faults: list[Fault]) -> bool:
    return any((f.case, f.task) == (pair.case, pair.task) for f in faults)


def _calibrator(calibrators: dict[str, MapCalibrator], task: str) -> MapCalibrator:
    if task not in calibrators:
        raise CaseError(f"no case to fit to has {task}, only {', '.join(calibrators)}")
    return calibrators[task]


def _make_anew(
    work: _Work, *, calibrators: dict[str, MapCalibrator], options: Options, out: Path
) -> Scored | None:
    """Write one calibrated map, and score it if there is a reference."""
    calibrator = _calibrator(calibrators, work.task)
    path = out / work.files.label_name
    if work.pair is not None and not work.pair.reference.fault:
        return _score(work.pair, calibrators=calibrators, options=options, path=path)
    prob, volume = read_prediction(work.files, label=options.label)
    write_volume(path, calibrator.predict(prob), volume)
    if work.pair is not None:
        raise CaseError(f"calibrated, but not scored: {work.pair.reference.fault}")
    return None


def _score(
    pair: Pair,
    *,
    calibrators: dict[str, MapCalibrator],
    options: Options,
    path: Path | None = None,
) -> Scored:
    """Return the scores of one map before and after; write the latter where there is a path."""
    prob, soft, hard, volume = read_pair(pair, label=options.label, tolerance=options.tolerance)
    new = _calibrator(calibrators, pair.task).predict(prob)
    if path is not None:
        write_volume(path, new, volume)
    names: dict[str, Any] = {"case": pair.case, "task": pair.task, "options": options}
    names["raters"] = max(1, len(pair.reference.masks))
    names["doubt"] = in_doubt(prob, soft)  # the same pixels before and after
    before, after = (score_case(p, soft, hard, **names) for p in (prob, new))
    return Scored(before, after)
