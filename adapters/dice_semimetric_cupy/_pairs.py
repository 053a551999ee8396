"""The launch of a kernel over pairs of a prediction and a target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dice_semimetric._lib.layout import Axes, split_axes
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.typing import Array

from ._device import C_TYPES, DIMS, Device, Kernel
from ._layout import axes_type, parts_of, structure, vector

#: Loads that a thread has under way at once, as in pairs.cuh.
_UNROLL = 4
#: Blocks to a multiprocessor: more than fit at once, so that the last ones to finish matter less.
_BLOCKS = 32
#: A row of fewer pairs keeps no block busy; many such rows are left to the core.
_SHORT, _MANY = 128, 1024
_ACTIVATIONS = {None: "IDENTITY", "sigmoid": "SIGMOID", "softmax": "SOFTMAX"}

PAIRS = np.dtype(
    [
        *((name, "u8") for name in ("pred", "target", "mask", "scale", "out")),
        *((name, "i8") for name in ("rows", "columns", "parts", "chunk", "classes", "ignored")),
        ("kept", axes_type(4)),
        ("summed", axes_type(4)),
    ]
)


@dataclass(frozen=True, eq=False)
class Pairs(Pixels):
    """Pixels as a kernel takes them.

    Attributes
    ----------
    scale : Array or None
        (B, 1, *spatial), the logarithm of the sum of exponentials, for a softmax.
    """

    scale: Array | None = None

    @property
    def kept_shape(self) -> tuple[int, ...]:
        """The shape of the sums."""
        return tuple(n for a, n in enumerate(self.pred.shape) if a not in self.axis)

    def axes(self) -> tuple[Axes, Axes]:
        """Return the kept and the summed axes of the four arrays."""
        target = self.target[:, None] if self.labels else self.target
        arrays = (self.pred, target, self.mask, self.scale)
        return split_axes(arrays, self.axis, self.pred.shape)

    def part(self, axis: int, some: slice) -> "Pairs":
        """Return the pairs with these places along an axis, that of the classes of labels aside."""

        def taken(array: Array, axis: int) -> Array:
            if axis < 0 or array.shape[axis] == 1:
                return array  # broadcast
            return array[(slice(None),) * axis + (some,)]

        after = int(self.labels and axis > 1)
        mask = self.mask
        if mask is not None:
            mask = taken(mask, axis - self.pred.ndim + mask.ndim)
        pred, target = taken(self.pred, axis), taken(self.target, axis - after)
        return replace(self, pred=pred, target=target, mask=mask)

    def eligible(self) -> bool:
        """Return whether the kernels are made for these arrays."""
        types = {self.pred.dtype.name, self.target.dtype.name}
        if self.pred.size == 0 or not types <= C_TYPES.keys():
            return False
        if self.labels and (self.target.dtype.name == "uint64" or not _fits(self.ignore_index)):
            return False
        kept, summed = self.axes()
        if max(len(kept.shape), len(summed.shape)) > DIMS:
            return False
        return summed.size >= _SHORT or kept.size <= _MANY


def eligible_pairs(pixels: Pixels) -> Pairs | None:
    """Return the pixels as pairs, or None if the kernels are not made for them."""
    pairs = Pairs(**vars(pixels))
    return None if pairs.checked or not pairs.eligible() else pairs


def _fits(number: int | None) -> bool:
    return number is None or -(2**63) <= number < 2**63


def pair_sums(
    device: Device,
    pairs: Pairs,
    entry: str,
    sources: str | tuple[str, ...],
    quantities: tuple[int, ...],
    *,
    out: str,
    threads: int = 256,
    most: int = 1 << 40,
    macros: Iterable[tuple[str, str]] = (),
    more: Sequence[tuple[str, Any]] = (),
) -> Array:
    """Return the sums that a kernel takes of all pairs, of shape (*quantities, *kept axes).

    ``more`` are arrays that follow the pairs in the kernel's arguments. A kernel leaves a sum for
    each block; they are added up here, always in the same order.
    """
    kept, summed = pairs.axes()
    arrays = (pairs.pred, pairs.target, pairs.mask, pairs.scale)
    addresses = [0 if a is None else device.address(a) for a in arrays]
    count = vector(arrays, addresses, kept, summed)
    if pairs.activation == "softmax":
        count = min(count, 1)
    parts, chunk = parts_of(
        kept.size,
        summed.size,
        threads * max(count, 1) * _UNROLL,
        _BLOCKS * device.processors,
        most * threads,
    )
    partial = device.empty((*quantities, *pairs.kept_shape, parts), out)
    arguments = np.zeros(
        (), np.dtype([("pairs", PAIRS), *((n, v.dtype, v.shape) for n, v in more)])
    )
    arguments["pairs"] = (
        *addresses,
        device.address(partial),
        kept.size,
        summed.size,
        parts,
        chunk,
        pairs.pred.shape[1] if pairs.labels else 0,
        pairs.ignore_index or 0,
        structure(kept),
        structure(summed),
    )
    for name, values in more:
        arguments[name] = values
    kernel = Kernel(
        entry,
        ("common.cuh", "pairs.cuh", *([sources] if isinstance(sources, str) else sources)),
        threads,
        (*pair_macros(pairs, count), *macros),
    )
    device.launch(kernel, kept.size * parts, arguments)
    return partial.sum(axis=-1)


def pair_macros(pairs: Pairs, count: int) -> tuple[tuple[str, str], ...]:
    """Return what pairs.cuh leaves open."""
    return (
        ("PRED", C_TYPES[pairs.pred.dtype.name]),
        ("TARGET", C_TYPES[pairs.target.dtype.name]),
        ("ACC", C_TYPES[np.dtype(pairs.dtype).name]),
        ("MASKED", str(int(pairs.mask is not None))),
        ("LABELS", str(int(pairs.labels))),
        ("IGNORED", str(int(pairs.ignore_index is not None))),
        ("ACTIVATION", _ACTIVATIONS[pairs.activation]),
        ("VECTOR", str(count)),
    )
