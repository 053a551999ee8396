"""The sums over keys that every kernel estimate is a ratio of, tile by tile.

The kernel of a pixel j and a key i is the exponential of a scalar product,

    ln k(f_j, f_i) = sum over k of a_ik ln f_jk + b_i,    a_ik = f_ik / h,
    b_i = ln Gamma(sum over k of a_ik + K) - sum over k of ln Gamma(a_ik + 1),

so the regression is attention: a softmax over keys. Its exponents reach 27 / h, which is 5e5 at
h = 5e-5, where float32 has a spacing of 0.03. They are therefore formed in float64 and only what
remains after subtracting each pixel's largest is rounded to the dtype of the result.
"""

import functools
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass

import array_api_compat as compat

from .._lib.devices import device, is_eager, on_host
from .._lib.namespace import default_index, finfo, namespace
from .._lib.native import (
    double_precision,
    gammaln,
    matmul,
    quietly,
    recomputed,
    widest_float,
    without_gradient,
)
from .._lib.seam import accelerated
from .._lib.typing import Array, DType, Namespace

#: Pairs in one tile: 1 MiB of float64 on a host, where it stays in the cache.
TILE, DEVICE_TILE, MOST_TILES = 1 << 17, 1 << 21, 64
#: Keys in one tile; more of them are merged by `KernelRegression`.
KEYS = 2048
#: Stands for ln 0: finite, because 0 ln 0 is to be 0.
LOG_ZERO = -1e30


@dataclass(frozen=True)
class KernelRegression:
    """The kernel summed over keys, for each pixel; the sums of two sets of keys add up.

    Attributes
    ----------
    peak : Array
        (n,) the largest ln k.
    total : Array
        (n,) sum over keys of k exp(-peak).
    weighted : Array
        (C, n) sum over keys of k y exp(-peak).
    """

    peak: Array
    total: Array
    weighted: Array

    def __add__(self, other: "KernelRegression") -> "KernelRegression":
        """Return the sums over both sets of keys."""
        xp = namespace(peak=self.peak, other=other.peak)
        peak = xp.maximum(self.peak, other.peak)
        mine, theirs = (
            shifted_exp(xp, part.peak - peak, part.total.dtype) for part in (self, other)
        )
        return KernelRegression(
            peak,
            self.total * mine + other.total * theirs,
            self.weighted * mine[None, :] + other.weighted * theirs[None, :],
        )

    @property
    def mean(self) -> Array:
        """E[y | f], (C, n): the labels of the keys averaged with the kernel's weights."""
        return self.weighted / self.total[None, :]

    @property
    def log_total(self) -> Array:
        """The log of the sum of the kernel over keys, (n,)."""
        xp = namespace(peak=self.peak)
        return self.peak + xp.astype(xp.log(self.total), self.peak.dtype)


def shifted_exp(xp: Namespace, exponent: Array, dtype: DType) -> Array:
    """Return exp of what is at most 0, in that dtype.

    It is cut off at the smallest normal number, since subnormal ones are a hundred times slower.
    """
    lowest = xp.full_like(exponent, lowest_exponent(xp, dtype))
    return xp.exp(xp.astype(xp.maximum(exponent, lowest), dtype, copy=False))


def lowest_exponent(xp: Namespace, dtype: DType) -> float:
    """Return the exponent of the dtype's smallest normal number, rounded up."""
    return float(math.ceil(math.log(float(xp.finfo(dtype).smallest_normal))))


@quietly
def regress(
    prob: Array,
    key_prob: Array,
    value: Array,
    bandwidth: float,
    *,
    dtype: DType,
    skip_self: bool = False,
) -> tuple[Array, Array]:
    """Return the mean of the keys' values, (C, n), and ln of the kernel's sum over keys, (n,).

    ``prob`` (K, n) and ``key_prob`` (K, m) have the classes along the rows; one row alone is the
    foreground. ``value`` is (C, m) in ``dtype``. With ``skip_self`` the keys are the pixels and
    none of them is a key of its own.
    """
    xp = namespace(prob=prob)
    if prob.shape[1] == 0:
        return value[:, :0], value[0, :0]
    tiny = float(finfo(xp, prob.dtype).smallest_normal)
    with double_precision(xp):
        wide = widest_float(xp, prob)
        pixels, keys = simplex(xp, prob, wide), simplex(xp, key_prob, wide)
        keys = xp.where(keys > 0, keys, xp.zeros_like(keys))  # at 0 the derivative is 0, not inf
        key = xp.permute_dims(keys / bandwidth, (1, 0))
        bias = gammaln(xp, xp.sum(key, axis=1) + float(key.shape[1]))
        bias = bias - xp.sum(gammaln(xp, key + 1.0), axis=1)
        query = _log(xp, pixels, key, math.log(tiny), skip_self)
        mean, log_total = kernel_sums(query, key, bias, value, skip_self=skip_self)
        return mean, xp.astype(log_total, dtype, copy=False)


def simplex(xp: Namespace, prob: Array, wide: DType) -> Array:
    """Return rows of class probabilities in the wide dtype, two of them where one is given.

    Half precision is normalised: at its rounding the sum alone would choose the keys.
    """
    rows = xp.astype(prob, wide, copy=False)
    if rows.shape[0] == 1:
        return xp.concat([1.0 - rows, rows], axis=0)
    if finfo(xp, prob.dtype).bits < 32:
        return rows / xp.sum(rows, axis=0, keepdims=True)
    return rows


def _log(xp: Namespace, pixels: Array, key: Array, floor: float, skip_self: bool) -> Array:
    """Return ln f with 0 ln 0 = 0 in the products with the keys.

    A key that has mass where the pixel has none drops out, k = 0. If all keys do, the pixel's
    zeros count as the smallest normal number of its dtype, whose logarithm is ``floor``.
    """
    zero = pixels <= 0
    if is_eager(pixels) and on_host(pixels) and not bool(xp.any(zero)):
        return xp.log(pixels)
    log = xp.log(xp.where(zero, xp.ones_like(pixels), pixels))
    mass, nothing = without_gradient(xp, key), xp.zeros_like(key[:, 0])

    def least(block: Array, columns: slice) -> Array:
        parts = _log_kernels(xp, block, columns, -mass, nothing, skip_self)
        return functools.reduce(xp.maximum, (xp.max(part, axis=0) for part in parts))

    found = [
        least(block, columns)
        for block, columns in _blocks(xp, xp.astype(zero, key.dtype), key.shape[0])
    ]
    exact = xp.concat(found) >= 0
    lowest = xp.where(exact, xp.full_like(log[0, :], LOG_ZERO), xp.full_like(log[0, :], floor))
    return xp.where(zero, lowest[None, :], log)


@accelerated
def kernel_sums(
    query: Array, key: Array, bias: Array, value: Array, *, skip_self: bool
) -> tuple[Array, Array]:
    """Return softmax(key query + bias) over keys times the values, and the log of its denominator.

    ``query`` (K, n), ``key`` (m, K) and ``bias`` (m,) are in the wide dtype, ``value`` (C, m) in
    that of the result (C, n). The one reduction that an adapter replaces.
    """
    xp = namespace(query=query)
    starts = range(0, key.shape[0], KEYS)

    def sums(block: Array, columns: slice) -> tuple[Array, Array]:
        tiles = _log_kernels(xp, block, columns, key, bias, skip_self)
        parts = (
            _reduce(xp, tile, value[:, start : start + tile.shape[0]])
            for start, tile in zip(starts, tiles, strict=True)
        )
        whole = functools.reduce(operator.add, parts)
        return whole.mean, whole.log_total

    found = [
        recomputed(xp, functools.partial(sums, columns=columns))(block)
        for block, columns in _blocks(xp, query, key.shape[0])
    ]
    means, log_totals = zip(*found, strict=True)
    return xp.concat(means, axis=1), xp.concat(log_totals)


def _reduce(xp: Namespace, log_kernel: Array, value: Array) -> KernelRegression:
    """Return the sums over the keys of one tile."""
    peak = without_gradient(xp, xp.max(log_kernel, axis=0))
    kernel = shifted_exp(xp, log_kernel - peak[None, :], value.dtype)
    return KernelRegression(peak, xp.sum(kernel, axis=0), value @ kernel)


def _log_kernels(
    xp: Namespace, block: Array, columns: slice, key: Array, bias: Array, skip_self: bool
) -> Iterator[Array]:
    """Yield ln k of a block of pixels, tile by tile over the keys."""
    for start in range(0, key.shape[0], KEYS):
        stop = min(start + KEYS, key.shape[0])
        tile = matmul(xp, key[start:stop, :], block) + bias[start:stop][:, None]
        if skip_self and start < columns.stop and columns.start < stop:
            place, index = device(tile), default_index(xp, tile)
            i = xp.arange(start, stop, dtype=index, device=place)
            j = xp.arange(columns.start, columns.stop, dtype=index, device=place)
            never = xp.full_like(tile, float(xp.finfo(tile.dtype).min) / 4)
            tile = xp.where(i[:, None] == j[None, :], never, tile)
        yield tile


def _blocks(xp: Namespace, query: Array, num_keys: int) -> Iterator[tuple[Array, slice]]:
    """Yield blocks of pixels and their places; Dask has its own blocks, its chunks."""
    n = query.shape[1]
    step = n if compat.is_dask_array(query) else block_length(query, num_keys)
    for start in range(0, n, step):
        stop = min(start + step, n)
        yield query[:, start:stop], slice(start, stop)


def block_length(query: Array, num_keys: int) -> int:
    """Return how many pixels to take at a time: few on a host, more where each step costs time."""
    n, width = int(query.shape[1]), min(num_keys, KEYS)
    if is_eager(query) and on_host(query) and not compat.is_jax_array(query):
        return max(1, TILE // width)
    return max(1, DEVICE_TILE // width, -(-n // MOST_TILES))
