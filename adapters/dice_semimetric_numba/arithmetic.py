# mypy: ignore-errors
"""Exponentials and logarithms that a compiler turns into vector code, in float32 and float64."""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .compiling import exact
from .memory import bits_of, float_of

#: Below these an exponential would be subnormal, and a hundred times slower; it counts as 0.
LOWEST, LOWEST_64 = np.float32(-87.0), -708.0
LOG2_E = np.float32(1.4426950408889634)
#: The logarithm of 2 in two parts, the first of so few digits that k times it is exact.
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
LN2_HIGH_64, LN2_LOW_64 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
#: Adding 1.5 x 2^23, or 2^52, rounds to an integer, which then stands in the last bits.
ROUND, ROUND_64 = np.float32(12582912.0), 6755399441055744.0
ONE = np.float32(1)
#: exp(r) = 1 + r + r^2 P(r) for |r| <= log(2) / 2; the minimax P of Cephes' expf.
P5, P4, P3, P2, P1, P0 = (
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)
#: log(1 + x) = x - x^2 / 2 + x^3 Q(x) for 1 + x from sqrt(1/2) to sqrt(2); Cephes' logf.
Q8, Q7, Q6, Q5, Q4, Q3, Q2, Q1, Q0 = (
    np.float32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
HALF = np.float32(0.5)
#: sqrt(2) - 1, and the bits of sqrt(1/2).
ROOT, ROOT_BITS = np.float32(0.41421356), 0x3F3504F3
#: 1 / k!, as far as r^k counts in float64.
F13, F12, F11, F10, F9, F8, F7, F6, F5, F4, F3 = (1 / math.factorial(k) for k in range(13, 2, -1))


@intrinsic
def _bits_of_64(context, value):
    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), code


@intrinsic
def _float_of_64(context, bits):
    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), code


@exact
def _exp_32(v):
    low = v <= LOWEST
    w = LOWEST if low else v
    t = w * LOG2_E + ROUND
    k = t - ROUND
    r = (w - k * LN2_HIGH) - k * LN2_LOW
    p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
    p = p * (r * r) + r + ONE
    power = float_of(types.int32((bits_of(t) << types.int32(23)) + types.int32(0x3F800000)))
    return np.float32(0) if low else p * power


@exact
def _exp_64(v):
    low = v <= LOWEST_64
    w = LOWEST_64 if low else v
    t = w * 1.4426950408889634 + ROUND_64
    k = t - ROUND_64
    r = (w - k * LN2_HIGH_64) - k * LN2_LOW_64
    p = ((((F13 * r + F12) * r + F11) * r + F10) * r + F9) * r + F8
    p = ((((p * r + F7) * r + F6) * r + F5) * r + F4) * r + F3
    p = (p * r + 0.5) * (r * r) + r + 1.0
    power = _float_of_64((_bits_of_64(t) << 52) + 0x3FF0000000000000)
    return 0.0 if low else p * power


def exp(v):
    """Return exp(v) for v <= 0 within 1e-7 of itself in float32 and 1e-15 in float64.

    It has no branch. NaN stays.
    """
    raise NotImplementedError


@overload(exp)
def _exp(v):
    chosen = _exp_32 if v == types.float32 else _exp_64
    return lambda v: chosen(v)  # noqa: PLW0108 a function of Python, whose arguments Numba sees


@exact
def _log_of(x, k):
    """Return log((1 + x) 2^k)."""
    q = ((((Q8 * x + Q7) * x + Q6) * x + Q5) * x + Q4) * x + Q3
    q = ((q * x + Q2) * x + Q1) * x + Q0
    square = x * x
    return k * LN2_HIGH + (x + (k * LN2_LOW - HALF * square + q * (x * square)))


@exact
def _log_32(v):
    bits = bits_of(v)
    k = types.int32(types.int32(bits - ROOT_BITS) >> 23)
    x = float_of(types.int32(bits - types.int32(k << 23))) - ONE
    found = _log_of(x, np.float32(k))
    return found if v == v else v  # noqa: PLR0124 NaN stays


@exact
def _log1p_32(v):
    large = v > ROOT
    x = (v - ONE) * HALF if large else v
    return _log_of(x, ONE if large else np.float32(0))


def log(v):
    """Return log(v) for a finite v that is normal and above 0; NaN stays."""
    raise NotImplementedError


@overload(log)
def _log(v):
    chosen = _log_32 if v == types.float32 else math.log
    return lambda v: chosen(v)  # noqa: PLW0108


def log1p(v):
    """Return log(1 + v) for v from 0 to 1, small values to full relative precision; NaN stays."""
    raise NotImplementedError


@overload(log1p)
def _log1p(v):
    chosen = _log1p_32 if v == types.float32 else math.log1p
    return lambda v: chosen(v)  # noqa: PLW0108
