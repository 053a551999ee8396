"""What libraries offer beyond the standard, each reached through its own modules, never imported.

Where a library has nothing of the kind, the standard's own functions do.
"""

import functools
import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from importlib import import_module
from typing import Any, ParamSpec, TypeVar, cast

import array_api_compat as compat
import numpy as np

from .devices import device, is_eager, is_jax_tracer
from .typing import Array, DType, Namespace

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")

#: Whether `quietly` is at work, which need not be asked for twice.
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)

#: Coefficients of 1/z, 1/z^3, ... in Stirling's series of ln Gamma.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_SHIFT = 8
#: So many numbers are taken one by one sooner than SciPy is imported.
_FEW = 64


def quietly(function: Callable[P, R]) -> Callable[P, R]:
    """Let NumPy round to 0 and to infinity, and make NaN, whatever `numpy.errstate` says.

    It is meant: the exponential of what is far below the largest logit is 0. NaN is refused later.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        torch = sys.modules.get("torch")
        if torch is not None and torch.compiler.is_compiling():  # which cannot trace a context
            return function(*args, **kwargs)
        if _quiet.get():
            return function(*args, **kwargs)
        token = _quiet.set(True)
        try:
            with np.errstate(under="ignore", over="ignore", invalid="ignore"):
                return function(*args, **kwargs)
        finally:
            _quiet.reset(token)

    return call


def gammaln(xp: Namespace, x: Array) -> Array:
    """Return ln Gamma(x) for x >= 1: the library's own function, else Stirling's series."""
    if compat.is_torch_namespace(xp):
        return sys.modules["torch"].special.gammaln(x)
    if compat.is_jax_namespace(xp):
        return import_module("jax.scipy.special").gammaln(x)
    if compat.is_cupy_namespace(xp):
        return import_module("cupyx.scipy.special").gammaln(x)
    if compat.is_numpy_namespace(xp) or compat.is_dask_namespace(xp):
        # A ufunc, which Dask keeps lazy. Imported when it is used: SciPy takes longest to import.
        return import_module("scipy.special").gammaln(x)
    return stirling(xp, x)


def stirling(xp: Namespace, x: Array) -> Array:
    """Return ln Gamma(x) for x >= 1 from the standard alone, to a few ulp.

    The series is taken at x + 8, where six terms leave less than 1e-15.
    """
    product = xp.ones_like(x)
    for step in range(_SHIFT):
        product = product * (x + float(step))
    z = x + float(_SHIFT)
    series = xp.zeros_like(x)
    for coefficient in reversed(_STIRLING):
        series = series / (z * z) + coefficient
    log_root = 0.5 * float(np.log(2 * np.pi))
    return (z - 0.5) * xp.log(z) - z + log_root + series / z - xp.log(product)


def erf(xp: Namespace, x: Array) -> Array:
    """Return the error function: the library's own, else the integral from the standard alone."""
    if compat.is_torch_namespace(xp):
        return sys.modules["torch"].special.erf(x)
    if compat.is_jax_namespace(xp):
        return import_module("jax.scipy.special").erf(x)
    if compat.is_cupy_namespace(xp):
        return import_module("cupyx.scipy.special").erf(x)
    if compat.is_numpy_namespace(xp) and x.size <= _FEW:
        found = np.array([math.erf(value) for value in x.ravel().tolist()], x.dtype)
        return found.reshape(x.shape)
    if compat.is_numpy_namespace(xp) or compat.is_dask_namespace(xp):
        return import_module("scipy.special").erf(x)
    return gaussian_integral(xp, x)


def gaussian_integral(xp: Namespace, x: Array) -> Array:
    """Return the error function by Gauss's rule, within 1e-14: beyond 6 it is 1 itself."""
    half = xp.clip(x, -6.0, 6.0) / 2
    total = xp.zeros_like(x)
    for node, weight in zip(*np.polynomial.legendre.leggauss(24), strict=True):
        t = half * (1 + float(node))
        total = total + float(weight) * xp.exp(-t * t)
    return half * total * float(2 / np.sqrt(np.pi))


def double_precision(xp: Namespace) -> AbstractContextManager[Any]:
    """Return a context in which the library has float64, if it can be asked for it.

    JAX hides float64 unless a switch is set; nothing changes for what is outside.
    """
    if not compat.is_jax_namespace(xp):
        return nullcontext()
    jax = sys.modules["jax"]
    if hasattr(jax, "enable_x64"):
        return cast(AbstractContextManager[Any], jax.enable_x64(True))
    return cast(AbstractContextManager[Any], import_module("jax.experimental").enable_x64())


def widest_float(xp: Namespace, like: Array) -> DType:
    """Return float64, or float32 where the device of ``like`` has nothing wider (Apple's GPUs).

    So it is in JAX too, unless its switch is set; see `double_precision`.
    """
    if compat.is_numpy_namespace(xp):  # at a fraction of what asking for its dtypes takes
        return xp.float64
    place = device(like)
    if compat.is_torch_namespace(xp):
        return xp.float32 if place is not None and place.type == "mps" else xp.float64
    if compat.is_jax_namespace(xp):
        return xp.float64 if sys.modules["jax"].config.jax_enable_x64 else xp.float32
    known = xp.__array_namespace_info__().dtypes(device=place, kind="real floating")
    return known.get("float64", xp.float32)


def quotient(xp: Namespace, numerator: Array, denominator: Array) -> Array:
    """Return the quotient, with a derivative that overflows only where the true one does.

    JAX divides by the square of the denominator: NaN in float32 for one below 1e-19.
    """
    if not (is_jax_tracer(numerator) or is_jax_tracer(denominator)):  # to differentiate
        return numerator / denominator
    return _jax_quotient()(numerator, denominator)


@functools.cache
def _jax_quotient() -> Callable[..., Any]:
    def divided(numerator: Array, denominator: Array) -> Array:
        return numerator / denominator

    def rule(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
        value = known(*primals)
        return value, (tangents[0] - value * tangents[1]) / primals[1]

    known: Any = sys.modules["jax"].custom_jvp(divided)
    known.defjvp(rule)
    return cast(Callable[..., Any], known)


def matmul(xp: Namespace, a: Array, b: Array) -> Array:
    """Return a @ b: float64 in float64 also where JAX differentiates it later, float32 in full."""
    if compat.is_jax_namespace(xp):  # its own @ asks for a dtype, which it may not have by then
        axes = (((1,), (0,)), ((), ()))  # and a GPU rounds float32 to 10 bits unless it is asked
        return sys.modules["jax"].lax.dot_general(a, b, axes, precision="highest")
    return a @ b


def without_gradient(xp: Namespace, x: Array) -> Array:
    """Return the same values as a constant of differentiation."""
    if compat.is_torch_namespace(xp):
        return x.detach()
    if compat.is_jax_namespace(xp):
        return sys.modules["jax"].lax.stop_gradient(x)
    return x


def recomputed(xp: Namespace, function: F) -> F:
    """Return the function so that its derivative computes its inside anew, storing none of it."""
    if compat.is_jax_namespace(xp):
        return cast(F, sys.modules["jax"].checkpoint(function))
    return function


def to_host(xp: Namespace, array: Array, name: str) -> np.ndarray:
    """Return the values in host memory; raise TypeError for an array without values yet."""
    if not is_eager(array):
        raise TypeError(
            f"{name} must be an eager array, since what is done depends on its values, "
            f"got {type(array).__name__}; compute it first"
        )
    if compat.is_torch_namespace(xp):
        return np.asarray(array.detach().cpu().numpy())
    if compat.is_cupy_namespace(xp):
        return np.asarray(array.get())
    if compat.is_numpy_namespace(xp) or compat.is_jax_namespace(xp):
        return np.asarray(array)
    host = xp.__array_namespace_info__().default_device()
    return np.asarray(compat.to_device(array, host))
