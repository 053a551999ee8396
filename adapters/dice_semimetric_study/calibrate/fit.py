"""Fit a calibrator for each task or region to the pixels of held-out cases."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import majority_vote, uniform_average

from ..cases.foreground import Voxels, voxels_of
from ..cases.generator import case_generator
from ..cases.pairing import Pair
from ..cases.regions import task_name
from ..choices import FLOOR
from ..faults import CaseError, Fault, UsageError, reason_of
from ..results.totals import AddedByField, total_by_name
from ..runs.cluster import Workers
from ..runs.each import each_case
from ..scores.options import HALF, Options
from .calibrators import MOST_PIXELS, Fitting, MapCalibrator, Sample, draw, fit_map

Calibrators = dict[str, MapCalibrator]
Result = TypeVar("Result")
IN_FIT = "in the fit: "


@dataclass(frozen=True)
class Drawn(AddedByField):
    """Pixels of some cases, and the number of all their pixels that the references mark."""

    sample: Sample
    marked: int


def fit_calibrators(
    pairs: list[Pair], fitting: Fitting, options: Options, workers: Workers
) -> tuple[Calibrators, str, list[Fault]]:
    """Return a calibrator for each task or region, and a digest of what they were fitted to."""
    drawn: list[dict[str, Drawn]] = []
    faults = each_case(
        partial(in_fit, work=partial(_draw, fitting=fitting, options=options, count=len(pairs))),
        pairs,
        results=drawn,
        action="fit",
        workers=workers,
    )
    if not drawn:
        raise UsageError("there is no case to fit to")
    everything = total_by_name(each for found in drawn for each in found.items())
    calibrators, digest = {}, hashlib.sha256()
    for task, total in sorted(everything.items()):
        sample = total.sample
        if not total.marked:
            hint = "; check its labels" if options.has_labels else ""
            raise UsageError(f"{task} cannot be fitted: no reference of its fit cases has it{hint}")
        few = 2 if fitting.method == "kernel" and fitting.bandwidth is None else 1
        if sample.prob.size < few:
            raise UsageError(
                f"{task} cannot be fitted: of its fit cases, pixels with a probability above "
                f"{FLOOR[fitting.method]:g}: {sample.prob.size}, needed: {few} or more"
            )
        calibrators[task] = fit_map(sample, fitting)
        digest.update(repr((task, sample.seen)).encode())
        digest.update(sample.prob.tobytes() + sample.target.tobytes())
    return calibrators, digest.hexdigest(), faults


def in_fit(pair: Pair, *, work: Callable[[Pair], Result]) -> Result:
    """Return the result, or raise CaseError that a case to fit to is meant, and no other."""
    try:
        return work(pair)
    except Exception as error:
        raise CaseError(f"{IN_FIT}{reason_of(error)}") from error


def _draw(pair: Pair, *, fitting: Fitting, options: Options, count: int) -> dict[str, Drawn]:
    """Return a sample of the pixels of each structure of a case."""
    size = fitting.keys if fitting.method == "kernel" else MOST_PIXELS
    of_one = max(fitting.keys, 4 * size // count)  # bounds the memory that all samples take
    tasks = {region: task_name(pair.task, region) for region in options.structures}
    rng = {r: case_generator(fitting.seed, pair.case, task) for r, task in tasks.items()}
    found: dict[str, Drawn] = {}
    for voxels in voxels_of(pair, options):
        for region, task in tasks.items():
            prob, soft, hard = sides_of(voxels, region)
            target = soft if fitting.target == "mean" else hard
            sample = draw(prob, target, above=FLOOR[fitting.method], size=size, rng=rng[region])
            new = Drawn(sample, int(np.count_nonzero(soft)))
            both = found[task] + new if task in found else new
            found[task] = replace(both, sample=both.sample.first(of_one))
    return found


def sides_of(
    voxels: Voxels, region: str
) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.bool_]]:
    """Return the prediction, the soft and the hard reference, where voxels count."""
    prob, reference = shaped(voxels.prediction(region), voxels), voxels.reference(region)
    if isinstance(reference, list):
        marks = np.stack([shaped(m, voxels) for m in reference])
        return prob, uniform_average(marks), majority_vote(marks)
    soft = shaped(reference, voxels)
    return prob, soft, soft > HALF


def shaped(vector: NDArray[Any], voxels: Voxels) -> NDArray[Any]:
    """Return the values of the voxels that count; of the volume where all do."""
    if voxels.kept is not None:
        return np.asarray(vector[voxels.kept])
    # Pixels are drawn in the order of the volume, whose last axis runs fastest.
    return np.reshape(vector, voxels.block.shape, order="F")
