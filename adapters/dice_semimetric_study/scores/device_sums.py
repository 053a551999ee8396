"""The statistics of arrays on a device, of smaller blocks where its memory is short."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from dice_semimetric_cupy.stream import HostArrays, Upload

from .options import CERTAIN, HALF, Options
from .sums import Sums, sums_of, sums_of_raters

#: Prediction, reference, pixels near marks and kept pixels: the arrays of one region.
EACH = 4


def sums_on_device(arrays: Sequence[Any], options: Options) -> list[Sums]:
    """Return the statistics of each region, on the host.

    The arrays of a region are the prediction, a soft label or the raters' marks along axis 0, and
    those near marks, and the pixels that are kept, without elements where all are.
    """
    return [_to_host(_sums(some, options)) for some in _regions(arrays)]


def sums_with_room(
    arrays: HostArrays,
    started: list[Any],
    upload: Upload,
    options: Options,
    make_room: Callable[[], None],
) -> list[Sums]:
    """Return the same of arrays that are being copied, or of parts of them where memory is short.

    ``started`` holds what the upload has started, if it found memory. It is emptied, so that
    this memory is free when parts are tried instead.
    """
    try:
        if started:
            return sums_on_device(upload.finish(started.pop()), options)
    except MemoryError:
        pass
    make_room()
    return [_in_parts(some, upload, options, make_room) for some in _regions(arrays)]


def _in_parts(
    arrays: HostArrays, upload: Upload, options: Options, make_room: Callable[[], None]
) -> Sums:
    """Return the statistics of one region; where there is no memory, those of its halves."""
    count = arrays[0].shape[-1]
    try:
        return sums_on_device(upload.finish(upload.start(arrays)), options)[0]
    except MemoryError:
        if count < 2:
            raise
    make_room()
    halves = (slice(None, count // 2), slice(count // 2, None))
    first, second = (
        _in_parts([a[..., half] for a in arrays], upload, options, make_room) for half in halves
    )
    return first + second


def _regions(arrays: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (arrays[start : start + EACH] for start in range(0, len(arrays), EACH))


def _sums(arrays: Sequence[Any], options: Options) -> Sums:
    pred, reference, near, kept = arrays
    if kept.size:
        pred, reference, near = pred[kept], reference[..., kept], near[kept]
    if reference.ndim > pred.ndim:
        return sums_of_raters(pred, reference, near, options)
    doubt = (pred > CERTAIN) | (reference > 0)
    return sums_of(pred, reference, reference > HALF, options, doubt=doubt, near=near)


def _to_host(value: Any) -> Any:
    """Return a statistic with NumPy's arrays."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _to_host(getattr(value, f.name)) for f in fields(value)})
    return value.get() if hasattr(value, "__cuda_array_interface__") else value
