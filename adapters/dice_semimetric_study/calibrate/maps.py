"""One case: its maps calibrated and written, and scored before and after."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cases.blocks import space_of
from ..cases.foreground import voxels_of
from ..cases.near import parts_of
from ..cases.pairing import Pair
from ..cases.regions import task_name
from ..faults import CaseError
from ..files.writing import written_maps
from ..results.totals import AddedByField, total_by_name
from ..runs.records import Stamp, stamp
from ..scores.case_score import KINDS as SCORE_KINDS
from ..scores.options import Options
from ..scores.scoring import scores_of
from ..scores.sums import Sums, in_doubt, sums_of
from .calibrators import MapCalibrator
from .fit import Calibrators, shaped, sides_of
from .predictions import Prediction
from .report import Scored


@dataclass(frozen=True)
class Calibrated:
    """What is known of a case once its maps are written; no scores where it has no reference."""

    scores: tuple[Scored, ...] = ()
    maps: tuple[Stamp, ...] = ()


#: What a record of a case is made of.
KINDS = (Calibrated, Scored, *SCORE_KINDS)


@dataclass(frozen=True)
class _BothSums(AddedByField):
    before: Sums
    after: Sums


def score(pair: Pair, *, calibrators: Calibrators, options: Options) -> Calibrated:
    """Return the scores of a prediction before and after, over the same pixels in doubt."""

    def sums() -> Iterator[tuple[str, _BothSums]]:
        for part in parts_of(pair, options, options.margin):
            prob, soft, hard = sides_of(part.voxels, part.region)
            new = _of(calibrators, task_name(pair.task, part.region)).predict(prob)
            pixels = {"doubt": in_doubt(prob, soft), "near": shaped(part.near, part.voxels)}
            both = (sums_of(p, soft, hard, options, **pixels) for p in (prob, new))
            yield part.region, _BothSums(*both)

    total = total_by_name(sums())
    before = scores_of(pair, {region: s.before for region, s in total.items()}, options)
    after = scores_of(pair, {region: s.after for region, s in total.items()}, options)
    return Calibrated(tuple(Scored(*both) for both in zip(before, after, strict=True)))


def calibrate_case(
    item: Prediction, *, calibrators: Calibrators, options: Options, out: Path
) -> Calibrated:
    """Write the calibrated maps of one case, and score them if there is a reference."""
    scores: tuple[Scored, ...] = ()
    fault = item.partner.reference.fault if item.partner else ""
    if item.partner is not None and not fault:
        scores = score(item.partner, calibrators=calibrators, options=options).scores
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
    geometry = space_of(alone, options)
    whole = options.takes_whole(geometry)
    shape = None if options.regions is None else geometry.shape  # without channels
    maps = dict.fromkeys(names, np.float32)
    with written_maps(out, maps, like, at_once=whole, shape=shape) as writers:
        for voxels in blocks:
            for region, calibrator, write in zip(regions, fitted, writers, strict=True):
                prob = voxels.prediction(region).reshape(voxels.block.shape, order="F")
                write(calibrator.predict(prob).reshape(-1, order="F"))
    return tuple(stamp(out / name, out) for name in names)


def _of(calibrators: Calibrators, task: str) -> MapCalibrator:
    if task not in calibrators:
        raise CaseError(f"no calibrator was fitted to {task}, only to {', '.join(calibrators)}")
    return calibrators[task]
