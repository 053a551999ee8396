"""Calibrate a folder of probability maps by what is known of other cases."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dice_semimetric import CalibrationBins, Overlap, ThresholdCounts

from ..cases.blocks import space_of
from ..cases.foreground import voxels_of
from ..cases.pairing import Pair
from ..cases.regions import require_file_names, task_name
from ..cases.study import Names, Study, full_name
from ..choices import FLOOR
from ..faults import CaseError, Fault
from ..files.json import jsonable
from ..files.writing import written_maps
from ..results.bootstrap import Bootstrap
from ..results.extras import require_pictures
from ..results.totals import AddedByField, total_by_name
from ..runs.each import is_stop, report, stop_of
from ..runs.recorded import Run, each_recorded, write_run
from ..runs.records import Done, Stamp, stamp
from ..scores.case_score import CaseScore, Options, RaterScore
from ..scores.occurrence import occurring, of_score
from ..scores.scoring import scores_of
from ..scores.sums import Sums, in_doubt, sums_of
from .calibrators import Fitting, MapCalibrator
from .fit import IN_FIT, Calibrators, fit_calibrators, in_fit, sides_of
from .predictions import Prediction, known_pairs, predictions_of
from .report import FILES, Part, Scored, write_report


@dataclass(frozen=True)
class Calibrated:
    """What is known of a case once its maps are written; no scores where it has no reference."""

    scores: tuple[Scored, ...] = ()
    maps: tuple[Stamp, ...] = ()


_KINDS = (Calibrated, Scored, CaseScore, RaterScore, CalibrationBins, Overlap, ThresholdCounts)


@dataclass(frozen=True)
class _BothSums(AddedByField):
    before: Sums
    after: Sums


def calibrate(
    fit: Study,
    study: Study,
    run: Run,
    fitting: Fitting,
    options: Options | None = None,
    *,
    bootstrap: Bootstrap | None = None,
) -> dict[str, Any]:
    """Fit a calibrator for each task or region, calibrate every map, and show what changed.

    Parameters
    ----------
    fit : Study
        Predictions of held-out cases and their references.
    study : Study
        The predictions to calibrate; with references, their maps are scored before and after.
    run : Run
        Where maps go, and who does the work. The folder gets ``CASE/taskTT.nii.gz`` in float32, or
        ``CASE_taskTT.nii.gz`` for flat folders, or one for each region, each as soon as it is
        ready; ``calibration.json``, ``calibration.csv``, ``reliability-fit.png`` and, with
        references, ``reliability-pred.png``; a record of each case, and ``run.json``.
    fitting : Fitting
        The method and its options.
    options : Options, optional
        How maps are read and scored.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals of the means.

    Returns
    -------
    dict
        What ``calibration.json`` holds, with the faulty cases in it.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, or there is nothing to fit to.
    """
    options, bootstrap = options or Options(), bootstrap or Bootstrap()
    out = run.out.absolute()  # workers may have another current folder
    for one in (fit, study):
        one.require_apart(out)
    require_file_names(options.regions)
    fit_pairs, unpaired = known_pairs(fit)
    fit_faults = [replace(f, reason=f"{IN_FIT}{f.reason}") for f in unpaired]
    works, faults = predictions_of(study)
    patient = fit.patients.of_all(p.case for p in fit_pairs)
    patient |= study.patients.of_all(w.partner.case for w in works if w.partner)
    require_pictures()
    chosen = jsonable(asdict(fitting) | asdict(options))
    means = {"patients": asdict(study.patients), "bootstrap": asdict(bootstrap)}
    described = _folders(fit, study, full_name) | chosen | means
    maps = {w.prediction.map_name(region) for w in works for region in options.structures}
    output = run.claim("calibrate", described, FILES | maps)
    report(fit_faults + faults)
    calibrators, digest, unread = fit_calibrators(fit_pairs, fitting, options, run.workers)
    fit_faults += unread
    # What is recorded of a case is of use for the same calibrators only.
    settings = {"calibrate": chosen | {"fit_sha256": digest}}
    shared: dict[str, Any] = {"kinds": _KINDS, "run": run, "settings": settings}
    wrong = {(f.case, f.task) for f in unread}
    again = [p for p in fit_pairs if (p.case, p.task) not in wrong]
    fitted = each_recorded(
        partial(in_fit, work=partial(_score, calibrators=calibrators, options=options)),
        again,
        faults=fit_faults,
        action="score the fit",
        part="fit",
        **shared,
    )
    if any(map(is_stop, fit_faults)):
        raise KeyboardInterrupt  # what is recorded stays, and so does a former report
    done = each_recorded(
        partial(_calibrate, calibrators=calibrators, options=options, out=out),
        works,
        faults=faults,
        action=f"calibrate ({fitting.method})",
        **shared,
    )
    if done:
        names, stop = Names(fit, study), stop_of(faults)
        means |= {"patients": study.patients.described(patient)}
        used = _folders(fit, study, names.of) | settings["calibrate"] | means
        write_run(out, "calibrate", used, [*fitted, *done], name_of=names.of, stopped=stop)
    parts: dict[str, Part] = {"fit": (_occurring(fitted, options, fit_faults), fit_faults)}
    if study.ref is not None:
        parts["pred"] = (_occurring(done, options, faults), faults)
    summary = _fitted(fitting, calibrators) | {"written": sum(len(d.value.maps) for _, d in done)}
    everything = fit_faults + faults
    written = write_report(
        out, parts, summary, everything, options, patients=patient, bootstrap=bootstrap
    )
    output.close(everything, empty=not done)
    return written


def _folders(fit: Study, study: Study, name_of: Callable[[Path], str]) -> dict[str, Any]:
    return {"fit": fit.settings(name_of), "study": study.settings(name_of)}


def _fitted(fitting: Fitting, calibrators: Calibrators) -> dict[str, Any]:
    parameters = {task: c.parameters for task, c in calibrators.items()}
    return {"fitting": asdict(fitting) | {"floor": FLOOR[fitting.method]}, "tasks": parameters}


def _occurring(
    done: Sequence[tuple[Any, Done[Calibrated]]], options: Options, faults: list[Fault]
) -> list[Scored]:
    """Return the scores of structures that occur; the faults get the others."""
    names = options.structures
    # A case without a reference has no scores.
    scores = (each for _, d in done for each in zip(names, d.value.scores, strict=False))
    occur = ((of_score(one.before, region), one) for region, one in scores)
    return occurring(occur, options, "reference or prediction", faults)


def _of(calibrators: Calibrators, task: str) -> MapCalibrator:
    if task not in calibrators:
        raise CaseError(f"no case to fit to has {task}, only {', '.join(calibrators)}")
    return calibrators[task]


def _score(pair: Pair, *, calibrators: Calibrators, options: Options) -> Calibrated:
    """Return the scores of a prediction before and after, over the same pixels in doubt."""

    def sums() -> Iterator[tuple[str, _BothSums]]:
        for voxels in voxels_of(pair, options):
            for region in options.structures:
                prob, soft, hard = sides_of(voxels, region)
                new = _of(calibrators, task_name(pair.task, region)).predict(prob)
                doubt = in_doubt(prob, soft)
                both = (sums_of(p, soft, hard, options, doubt=doubt) for p in (prob, new))
                yield region, _BothSums(*both)

    total = total_by_name(sums())
    before = scores_of(pair, {region: s.before for region, s in total.items()}, options)
    after = scores_of(pair, {region: s.after for region, s in total.items()}, options)
    return Calibrated(tuple(Scored(*both) for both in zip(before, after, strict=True)))


def _calibrate(
    item: Prediction, *, calibrators: Calibrators, options: Options, out: Path
) -> Calibrated:
    """Write the calibrated maps of one case, and score them if there is a reference."""
    scores: tuple[Scored, ...] = ()
    fault = item.partner.reference.fault if item.partner else ""
    if item.partner is not None and not fault:
        scores = _score(item.partner, calibrators=calibrators, options=options).scores
    maps = _write_maps(item, _read_as(item, options), calibrators, options, out)
    if fault:
        raise CaseError(f"calibrated, but not scored: {fault}")
    return Calibrated(scores, maps)


def _read_as(item: Prediction, options: Options) -> Pair:
    """Return the pair whose labels leave voxels out, else the prediction by itself.

    Axes that are permuted are those of the reference, so that the prediction stands for itself.
    """
    partner = None if options.reorient or not options.ignored else item.partner
    return item if partner is None or partner.fault else partner


def _write_maps(
    alone: Pair, read: Pair, calibrators: Calibrators, options: Options, out: Path
) -> tuple[Stamp, ...]:
    """Write a calibrated map of each structure, where the prediction lies."""
    regions = options.structures
    fitted = [_of(calibrators, task_name(alone.task, region)) for region in regions]
    blocks = voxels_of(read, options)
    names = [alone.prediction.map_name(region) for region in regions]
    like = alone.prediction.maps[0]
    geometry = space_of(like, options)
    whole = options.takes_whole(geometry)
    shape = None if options.regions is None else geometry.shape  # without channels
    maps = dict.fromkeys(names, np.float32)
    with written_maps(out, maps, like, at_once=whole, shape=shape) as writers:
        for voxels in blocks:
            for region, calibrator, write in zip(regions, fitted, writers, strict=True):
                prob = voxels.prediction(region).reshape(voxels.block.shape, order="F")
                write(calibrator.predict(prob).reshape(-1, order="F"))
    return tuple(stamp(out / name, out) for name in names)
