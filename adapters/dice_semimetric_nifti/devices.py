"""Score cases on a GPU: while one is scored, the next is copied and others are read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from dice_semimetric_cupy.stream import Feeder, upload_to
from numpy.typing import NDArray

from dice_semimetric import majority_vote, uniform_average

from .blocks import read_blocks
from .cluster import Workers
from .faults import CaseError, UsageError
from .foreground import Voxels
from .pairing import Pair
from .scoring import CaseScore, Options, score_files, scores_of
from .sums import CERTAIN, Sums, rater_sums, sums_of

DEVICES = ("cpu", "cuda")
Work = Callable[[Pair], tuple[CaseScore, ...]]


@contextmanager
def scorer(
    pairs: Sequence[Pair], options: Options, *, device: str, workers: Workers
) -> Iterator[Work]:
    """Yield the function that scores one of the pairs on that device.

    Raises
    ------
    UsageError
        If there is no such device, or other processes are to do the work.
    """
    if device == "cpu":
        yield partial(score_files, options=options)
        return
    if not workers.here:
        raise UsageError(f"--device {device} works in this process: leave out --jobs, --scheduler")
    try:
        upload = upload_to(device)
    except ValueError as error:
        raise UsageError(f"--device: {error}") from error
    with Feeder(pairs, partial(_read, options=options), upload) as feeder:

        def work(pair: Pair) -> tuple[CaseScore, ...]:
            return _scores(pair, feeder.take(pair), options)

        yield work


def _read(pair: Pair, options: Options) -> list[NDArray[Any]]:
    """Return prediction, reference and kept pixels of each region of each block, one by one.

    The reference is a soft label or the raters' marks along axis 0; where all pixels are kept,
    there is an empty array.
    """
    fault = pair.reference.fault or pair.prediction.fault
    if fault:
        raise CaseError(fault)
    found: list[NDArray[Any]] = []
    blocks = read_blocks(
        pair,
        regions=options.regions,
        tolerance=options.tolerance,
        reorient=options.reorient,
        slab=options.slab,
    )
    for block in blocks:
        voxels = Voxels(pair, block, options.regions, options.label, options.ignore)
        for name in _regions(options):
            pred, reference = voxels.foreground(name)
            marks = np.stack(reference) if isinstance(reference, list) else reference
            kept = np.empty(0, bool) if voxels.kept is None else voxels.kept
            found += [pred, marks, kept]
    return found


def _regions(options: Options) -> list[str]:
    return list(options.regions.labels) if options.regions else [""]


def _scores(pair: Pair, arrays: Sequence[Any], options: Options) -> tuple[CaseScore, ...]:
    names = _regions(options)
    total: dict[str, Sums] = {}
    for start in range(0, len(arrays), 3):
        name = names[start // 3 % len(names)]
        pred, reference, kept = arrays[start : start + 3]
        sums = _to_host(_sums(pred, reference, kept, options))
        total[name] = total[name] + sums if name in total else sums
    return scores_of(pair, total, options)


def _sums(pred: Any, reference: Any, kept: Any, options: Options) -> Sums:
    if kept.size:
        pred, reference = pred[kept], reference[..., kept]
    raters = None
    if reference.ndim > pred.ndim:
        soft, hard = uniform_average(reference), majority_vote(reference)
        raters = rater_sums(pred, reference, options)
    else:
        soft, hard = reference, reference > 0.5
    sums = sums_of(pred, soft, hard, options, doubt=(pred > CERTAIN) | (soft > 0))
    return replace(sums, raters=raters)


def _to_host(value: Any) -> Any:
    """Return a statistic with NumPy's arrays."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _to_host(getattr(value, f.name)) for f in fields(value)})
    return value.get() if hasattr(value, "__cuda_array_interface__") else value
