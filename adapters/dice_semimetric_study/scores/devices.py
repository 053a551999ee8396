"""Score cases on a GPU: while one is scored, the next is copied and others are read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from dice_semimetric_cupy.ahead import read_ahead
from dice_semimetric_cupy.stream import Feeder, HostArrays, Upload, upload_to
from numpy.typing import NDArray

from ..cases.near import parts_of
from ..cases.pairing import Pair
from ..faults import UsageError
from ..files.volumes import read_geometry
from ..results.totals import total_by_name
from ..runs.cluster import Workers
from .case_score import CaseScore
from .device_sums import sums_on_device, sums_with_room
from .options import Options
from .scoring import score_files, scores_of
from .sums import Sums

Work = Callable[[Pair], tuple[CaseScore, ...]]


@contextmanager
def scorer(
    pairs: Sequence[Pair], options: Options, *, device: str, workers: Workers
) -> Iterator[Work]:
    """Yield the function that scores one of the pairs on that device, or raise UsageError."""
    if device == "cpu":
        yield partial(score_files, options=options)
        return
    if not workers.here:
        raise UsageError(f"--device {device} works in this process: leave out --jobs, --scheduler")
    if options.shapes or options.samples:
        which = "--lesions, --surface and {sample}"
        raise UsageError(f"--device {device} has no use with {which}: leave it out")
    try:
        upload = upload_to(device)
    except ValueError as error:
        raise UsageError(f"--device: {error}") from error
    with Feeder(pairs, partial(_read, options=options), upload) as feeder:
        yield partial(_score, feeder=feeder, upload=upload, options=options)


def _score(
    pair: Pair, *, feeder: Feeder[Pair], upload: Upload, options: Options
) -> tuple[CaseScore, ...]:
    """Return the scores of a pair: all of it at once, or block by block where it does not fit."""
    try:
        arrays = feeder.take(pair)
        if arrays:
            return scores_of(pair, _joined([sums_on_device(arrays, options)], options), options)
    except MemoryError:
        arrays = ()  # frees the memory that the blocks need
    with closing(read_ahead(_started(_blocks(pair, options), upload))) as blocks:
        found = (
            sums_with_room(host, started, upload, options, feeder.make_room)
            for host, started in blocks
        )
        return scores_of(pair, _joined(found, options), options)


def _started(
    blocks: Iterable[HostArrays], upload: Upload
) -> Iterator[tuple[HostArrays, list[Any]]]:
    """Yield blocks and what the upload has started of them, nothing where memory is short."""
    for host in blocks:
        try:
            started = [upload.start(host)]
        except MemoryError:
            started = []
        yield host, started


def _read(pair: Pair, options: Options) -> HostArrays:
    """Return the arrays of a case, as in `_blocks`, or none if it is to be read in slabs."""
    maps = pair.reference.maps
    if maps and not options.takes_whole(read_geometry(maps[0])):
        return []
    return [array for block in _blocks(pair, options) for array in block]


def _blocks(pair: Pair, options: Options) -> Iterator[HostArrays]:
    """Yield the arrays of each region, for block after block.

    They are the prediction; a soft label, or the raters' marks along axis 0; the pixels near marks;
    and those that are kept, without elements where all are.
    """
    for voxels, parts in groupby(parts_of(pair, options, options.margin), lambda p: p.voxels):
        found: list[NDArray[Any]] = []
        for part in parts:
            pred, reference = voxels.prediction(part.region), part.reference
            marks = np.stack(reference) if isinstance(reference, list) else reference
            kept = np.empty(0, bool) if voxels.kept is None else voxels.kept
            found += [pred, marks, part.near, kept]
        yield found


def _joined(blocks: Iterable[Sequence[Sums]], options: Options) -> dict[str, Sums]:
    """Return the statistics of each region over all blocks."""
    names = options.structures
    return total_by_name(pair for block in blocks for pair in zip(names, block, strict=True))
