"""Where the GPU's memory is short: smaller blocks, and an error that names what was asked for."""

from collections.abc import Callable, Sequence

from dice_semimetric._lib.typing import Array

from ._device import Device
from ._pairs import Pairs


def in_blocks(
    device: Device, pairs: Pairs, sums: Callable[[Pairs], Array], *, whole: Sequence[int] = ()
) -> Array:
    """Return the sums of all pairs, or what those of two halves make where memory is short.

    Sums over pixels add up, and those of images lie side by side; their last axes are the kept
    ones. Axes in ``whole`` are not cut, nor is that of the classes of labels or of a softmax.
    """
    try:
        return sums(pairs)
    except MemoryError:
        axis = _axis_to_cut(pairs, whole)
        if axis is None:
            raise
    # Behind the handler, whose traceback holds on to memory.
    middle = pairs.pred.shape[axis] // 2
    first, second = (
        in_blocks(device, pairs.part(axis, some), sums, whole=whole)
        for some in (slice(None, middle), slice(middle, None))
    )
    if axis in pairs.axis:
        return first + second
    behind = sum(a not in pairs.axis for a in range(axis, pairs.pred.ndim))
    return device.xp.concatenate([first, second], axis=-behind)


def _axis_to_cut(pairs: Pairs, whole: Sequence[int]) -> int | None:
    """Return the first axis of two places, kept ones before: memory is for each of their sums."""
    if pairs.labels or pairs.activation == "softmax":
        whole = (*whole, 1)
    order = sorted(range(pairs.pred.ndim), key=lambda a: a in pairs.axis)
    return next((a for a in order if a not in whole and pairs.pred.shape[a] > 1), None)


def out_of_memory(device: Device, function: str, array: Array, error: MemoryError) -> MemoryError:
    """Return an error that names what was asked for and what is free."""
    return MemoryError(
        f"{function} of an array of shape {tuple(array.shape)} and dtype {array.dtype} found no "
        f"memory, not for a smaller block either: {error}; {device.room()}"
    )
