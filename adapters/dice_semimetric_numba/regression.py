"""Kernel regression and its derivative on the host, compiled; no array of pixels times keys."""

import math
from typing import Any

import numpy as np

from dice_semimetric._lib.threads import map_parts

from .regression_backward import backward
from .regression_forward import forward
from .regression_order import similar, write_codes

#: Pixels that a thread takes at a time, and that are put in order together.
PART, TOGETHER = 1 << 13, 1 << 17
#: With fewer keys than these the pixels stay in their order: it takes as long as to weigh the keys.
FEW = 64

Array = np.ndarray[Any, Any]


def kernel_sums(query: Array, key: Array, bias: Array, value: Array, *, skip_self: bool) -> Any:
    """Return what `dice_semimetric.kernel.density.kernel_sums` does."""
    if query.shape[1] == 0 or value.dtype.name not in ("float32", "float64"):
        return NotImplemented
    call = _Call(query, key, bias, value, skip_self)
    dtype = value.dtype.newbyteorder("=")
    mean = np.empty((value.shape[0], query.shape[1]), dtype)
    log_total = np.empty(query.shape[1])
    map_parts(lambda order: forward(*call.arguments(order), mean, log_total), call.parts)
    return mean, log_total


def kernel_sums_gradient(
    query: Array,
    key: Array,
    bias: Array,
    value: Array,
    mean: Array,
    log_total: Array,
    of_mean: Array,
    of_log: Array,
    *,
    skip_self: bool,
) -> tuple[Array, Array, Array, Array]:
    """Return the gradients of the first four arguments from those of the results."""
    call = _Call(query, key, bias, value, skip_self)
    of_mean = of_mean.astype(np.float64)
    constant = of_log - np.sum(of_mean * mean, axis=0)
    # Joined in the order of memory of its parts, so it is laid out anew.
    upstream = _plain(np.concatenate([of_mean, constant[None], of_log[None]]))
    log_total = _plain(log_total)
    to_pixels = np.empty(query.shape[::-1])

    def part(order: Array) -> tuple[Array, ...]:
        to_keys = tuple(np.zeros(shape) for shape in (key.shape, bias.shape, value.shape[::-1]))
        backward(*call.arguments(order), upstream, log_total, (to_pixels, *to_keys))
        return to_keys

    found = map_parts(part, call.parts)
    of_key, of_bias, of_value = (sum(arrays) for arrays in zip(*found, strict=True))
    return to_pixels.T, of_key, of_bias, of_value.T


class _Call:
    """The arguments that both kernels share, and the parts of the pixels."""

    def __init__(
        self, query: Array, key: Array, bias: Array, value: Array, skip_self: bool
    ) -> None:
        self._pixels = _plain(query.T)
        self._keys = _plain(key), _plain(key.T), _plain(bias)
        self._entries = _entries(value)
        self._skip_self = skip_self
        # One more than the logarithm of the smallest normal number, for the rounding of the bound.
        self._lowest = math.log(np.finfo(value.dtype).smallest_normal) - 1.0
        n = self._pixels.shape[0]
        orders = self._orders(n) if key.shape[0] >= FEW else [np.arange(n)]
        self.parts = [o[start : start + PART] for o in orders for start in range(0, o.size, PART)]

    def _orders(self, n: int) -> list[Array]:
        """Return the pixels in the order of what they hold, those of a block together."""
        code = np.empty(n, np.uint64)
        map_parts(lambda part: write_codes(self._pixels, *part, code), _cut(n, PART))
        return map_parts(lambda block: np.asarray(similar(code, *block)), _cut(n, TOGETHER))

    def arguments(self, order: Array) -> tuple[Any, ...]:
        """Return what a kernel takes for a part."""
        return self._pixels, order, self._keys, self._entries, self._skip_self, self._lowest


def _cut(n: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, n)) for start in range(0, n, step)]


def _entries(value: Array) -> tuple[Array, Array, Array]:
    """Return the values other than 0, and a 1 below them, key by key.

    Most keys have one: it is their class.
    """
    values = np.concatenate([value, np.ones_like(value[:1])]).T
    key, row = np.nonzero(values)
    return np.searchsorted(key, np.arange(values.shape[0] + 1)), row, values[key, row]


def _plain(array: Array) -> Array:
    """Return an array as the kernels are compiled for it, copied if it must be."""
    return np.require(array, np.float64, ["C", "W"])
