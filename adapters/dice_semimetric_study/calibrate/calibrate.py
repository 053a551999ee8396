"""Calibrate a folder of probability maps by what is known of other cases."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import (
    CalibrationBins,
    Overlap,
    ThresholdCounts,
    majority_vote,
    uniform_average,
)

from ..cases.blocks import read_blocks, space_of
from ..cases.foreground import Voxels
from ..cases.layout import CaseFiles
from ..cases.pairing import Pair, pair_up
from ..cases.regions import task_name
from ..cases.study import Study
from ..faults import CaseError, Fault, UsageError
from ..files.atomic import prepare_folder, require_within
from ..files.json import jsonable
from ..files.writing import written_at_once, written_in_blocks
from ..results.bootstrap import Bootstrap
from ..results.encoding import from_json, to_json
from ..runs.cluster import Workers
from ..runs.each import each_case, is_stop, report
from ..runs.recorded import Recorded, Run, each_recorded, write_run
from ..runs.records import Stamp, require_unchanged, stamp
from ..scores.scoring import CaseScore, Options, RaterScore, in_doubt, scores_of
from ..scores.sums import Sums, sums_of
from .calibrators import FLOOR, MOST_PIXELS, Fitting, MapCalibrator, Sample, case_generator, draw
from .report import Outcome, Scored, write_report

Calibrators = dict[str, MapCalibrator]


@dataclass(frozen=True)
class Calibrated:
    """What is known of a case once its maps are written; no scores where it has no reference."""

    scores: tuple[Scored, ...] = ()
    maps: tuple[Stamp, ...] = ()


_KINDS = (Calibrated, Scored, CaseScore, RaterScore, CalibrationBins, Overlap, ThresholdCounts)


@dataclass(frozen=True)
class _Prediction:
    """A prediction by itself, and with the reference that it is scored against if there is one."""

    alone: Pair
    pair: Pair | None = field(default=None)

    @property
    def case(self) -> str:
        return self.alone.case

    @property
    def task(self) -> str:
        return self.alone.task

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.pair or self.alone).paths


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
    fit_pairs, fit_faults = known_pairs(fit)
    works, faults = _predictions(study)
    patient = fit.patients.of_all(p.case for p in fit_pairs)
    patient |= study.patients.of_all(w.pair.case for w in works if w.pair)
    prepare_folder(out)
    report(fit_faults + faults)
    calibrators, digest, unread = _fit(fit_pairs, fitting, options, run.workers)
    fit_faults += unread
    # What is recorded of a case is of use for the same calibrators only.
    settings = {"calibrate": jsonable(asdict(fitting) | asdict(options)) | {"fit": digest}}
    shared: dict[str, Any] = {"run": run, "settings": settings}
    wrong = {(f.case, f.task) for f in unread}
    again = [p for p in fit_pairs if (p.case, p.task) not in wrong]
    fitted = each_recorded(
        _recorded(partial(_score, calibrators=calibrators, options=options), out),
        again,
        faults=fit_faults,
        action="score the fit",
        part="fit",
        **shared,
    )
    done = each_recorded(
        _recorded(partial(_calibrate, calibrators=calibrators, options=options, out=out), out),
        [] if any(map(is_stop, fit_faults)) else works,
        faults=faults,
        action=f"calibrate ({fitting.method})",
        **shared,
    )
    if done:
        where = {"fit": fit.settings(), "study": study.settings()}
        means = {"patients": asdict(study.patients), "bootstrap": asdict(bootstrap)}
        write_run(out, "calibrate", where | settings["calibrate"] | means, [*fitted, *done])
    return write_report(
        out,
        Outcome(
            fitting=fitting,
            parameters={task: c.parameters for task, c in calibrators.items()},
            options=options,
            patients=patient,
            bootstrap=bootstrap,
            fit=([s for _, d in fitted for s in d.value.scores], fit_faults),
            pred=([s for _, d in done for s in d.value.scores], faults) if study.ref else None,
            written=sum(len(d.value.maps) for _, d in done),
            faults=fit_faults + faults,
        ),
    )


def known_pairs(study: Study) -> tuple[list[Pair], list[Fault]]:
    """Return the pairs, and the predictions that have no reference; the other way is no fault."""
    predictions = study.predictions()
    pairs, faults = pair_up(study.references(), predictions)
    known = {(c.case, c.task) for c in predictions}
    pairs, alone = study.masked(pairs)
    return pairs, [f for f in faults if (f.case, f.task) in known] + alone


def _predictions(study: Study) -> tuple[list[_Prediction], list[Fault]]:
    """Return the predictions with their pairs, and what is wrong with others."""
    lone = [Pair(CaseFiles(f.case, f.task), prediction=f) for f in study.predictions()]
    alone, faults = study.masked(lone)
    if study.ref is None:
        return [_Prediction(one) for one in alone], faults
    pairs, faults = known_pairs(study)
    partner = {(p.prediction.case, p.prediction.task): p for p in pairs}
    found = [(one, partner.get((one.case, one.task))) for one in alone]
    # A faulty prediction without a partner is among the faults already.
    return [_Prediction(*both) for both in found if both[1] or not both[0].prediction.fault], faults


def _recorded(work: Any, out: Path) -> Recorded[Any, Calibrated]:
    def decode(_: Any, found: Any) -> Calibrated:
        done = from_json(found, _KINDS)
        if not isinstance(done, Calibrated):
            raise ValueError("a calibrated case was expected")
        require_unchanged(done.maps, out)
        return done

    return Recorded(work, attrgetter("paths"), encode=to_json, decode=decode)


def _fit(
    pairs: list[Pair], fitting: Fitting, options: Options, workers: Workers
) -> tuple[Calibrators, str, list[Fault]]:
    """Return a calibrator for each task or region, and a digest of what they were fitted to."""
    drawn: list[dict[str, Sample]] = []
    faults = each_case(
        partial(_draw, fitting=fitting, options=options, count=len(pairs)),
        pairs,
        results=drawn,
        action="fit",
        workers=workers,
    )
    if not drawn:
        raise UsageError("there is no case to fit to")
    samples: dict[str, Sample] = {}
    for found in drawn:
        for task, sample in found.items():
            samples[task] = samples[task] + sample if task in samples else sample
    calibrators, digest = {}, hashlib.sha256()
    for task, sample in sorted(samples.items()):
        few = 2 if fitting.method == "kernel" and fitting.bandwidth is None else 1
        if sample.prob.size < few:
            raise UsageError(
                f"{task} cannot be fitted: {sample.prob.size} pixels of its fit cases have a "
                f"probability above the floor, at least {few} are needed"
            )
        calibrators[task] = MapCalibrator(fitting.method, bandwidth=fitting.bandwidth).fit(sample)
        digest.update(repr((task, sample.seen)).encode())
        digest.update(sample.prob.tobytes() + sample.target.tobytes())
    return calibrators, digest.hexdigest(), faults


def _draw(pair: Pair, *, fitting: Fitting, options: Options, count: int) -> dict[str, Sample]:
    """Return a sample of the pixels of each structure of a case."""
    size = fitting.keys if fitting.method == "kernel" else MOST_PIXELS
    of_one = max(fitting.keys, 4 * size // count)  # bounds the memory that all samples take
    tasks = {region: task_name(pair.task, region) for region in options.structures}
    rng = {r: case_generator(fitting.seed, pair.case, task) for r, task in tasks.items()}
    found: dict[str, Sample] = {}
    for voxels in _voxels(pair, options):
        for region, task in tasks.items():
            prob, soft, hard = _sides(voxels, region)
            target = soft if fitting.target == "mean" else hard
            sample = draw(prob, target, above=FLOOR[fitting.method], size=size, rng=rng[region])
            found[task] = (found[task] + sample if task in found else sample).first(of_one)
    return found


def _voxels(pair: Pair, options: Options) -> Iterator[Voxels]:
    """Yield the voxels of a pair, block after block."""
    fault = pair.reference.fault or pair.prediction.fault
    if fault:
        raise CaseError(fault)
    return (Voxels(pair, block, options) for block in read_blocks(pair, options))


def _sides(
    voxels: Voxels, region: str
) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.bool_]]:
    """Return the prediction, the soft and the hard reference, where voxels count."""

    def shaped(vector: NDArray[Any]) -> NDArray[Any]:
        if voxels.kept is not None:
            return np.asarray(vector[voxels.kept])
        # Pixels are drawn in the order of the volume, whose last axis runs fastest.
        return np.reshape(vector, voxels.block.shape, order="F")

    prob, reference = shaped(voxels.prediction(region)), voxels.reference(region)
    if isinstance(reference, list):
        marks = np.stack([shaped(m) for m in reference])
        return prob, uniform_average(marks), majority_vote(marks)
    soft = shaped(reference)
    return prob, soft, soft > 0.5  # strict, as the majority is


def _of(calibrators: Calibrators, task: str) -> MapCalibrator:
    if task not in calibrators:
        raise CaseError(f"no case to fit to has {task}, only {', '.join(calibrators)}")
    return calibrators[task]


def _score(pair: Pair, *, calibrators: Calibrators, options: Options) -> Calibrated:
    """Return the scores of a prediction before and after, over the same pixels in doubt."""
    total: dict[str, tuple[Sums, Sums]] = {}
    for voxels in _voxels(pair, options):
        for region in options.structures:
            prob, soft, hard = _sides(voxels, region)
            new = _of(calibrators, task_name(pair.task, region)).predict(prob)
            doubt = in_doubt(prob, soft)
            before, after = (sums_of(p, soft, hard, options, doubt=doubt) for p in (prob, new))
            if region in total:
                before, after = total[region][0] + before, total[region][1] + after
            total[region] = before, after
    sides = (scores_of(pair, {r: s[i] for r, s in total.items()}, options) for i in range(2))
    return Calibrated(tuple(Scored(*both) for both in zip(*sides, strict=True)))


def _calibrate(
    item: _Prediction, *, calibrators: Calibrators, options: Options, out: Path
) -> Calibrated:
    """Write the calibrated maps of one case, and score them if there is a reference."""
    scores: tuple[Scored, ...] = ()
    fault = item.pair.reference.fault if item.pair else ""
    if item.pair is not None and not fault:
        scores = _score(item.pair, calibrators=calibrators, options=options).scores
    maps = _write_maps(item.alone, calibrators, options, out)
    if fault:
        raise CaseError(f"calibrated, but not scored: {fault}")
    return Calibrated(scores, maps)


def _write_maps(
    alone: Pair, calibrators: Calibrators, options: Options, out: Path
) -> tuple[Stamp, ...]:
    """Write a calibrated map of each structure, where the prediction lies."""
    regions = options.structures
    fitted = [_of(calibrators, task_name(alone.task, region)) for region in regions]
    blocks = _voxels(alone, options)
    paths = [out / alone.prediction.map_name(region) for region in regions]
    for path in paths:
        require_within(path.parent, out)
    like = alone.prediction.maps[0]
    geometry = space_of(like, options)
    written = written_at_once if options.takes_whole(geometry) else written_in_blocks
    shape = None if options.regions is None else geometry.shape  # without channels
    with ExitStack() as stack:
        writers = [stack.enter_context(written(p, like, np.float32, shape=shape)) for p in paths]
        for voxels in blocks:
            for region, calibrator, write in zip(regions, fitted, writers, strict=True):
                prob = voxels.prediction(region).reshape(voxels.block.shape, order="F")
                write(calibrator.predict(prob).reshape(-1, order="F"))
    return tuple(stamp(path, out) for path in paths)
