"""Which array library the arguments come from, and what may be done with them."""

import functools
import math
import sys
from collections.abc import Iterable
from importlib import import_module
from numbers import Real
from typing import Any

import array_api_compat as compat
import numpy as np

from .typing import Array, Axis, DType, Namespace


def namespace(**arrays: Array | None) -> Namespace:
    """Return the one array API namespace of the named arrays; None is left out.

    Raises TypeError if one of them is no array or if they come from two libraries, ValueError if
    they lie on two devices.
    """
    given = {name: array for name, array in arrays.items() if array is not None}
    if given and all(_is_plain(array) for array in given.values()):
        return _NUMPY
    for name, array in given.items():
        if not compat.is_array_api_obj(array):
            raise TypeError(
                f"{name} must be an array of a library that follows the Python array API standard "
                f"(NumPy, CuPy, PyTorch, JAX, Dask, ...), got {_type_name(array)}"
            )
    try:
        xp: Namespace = compat.array_namespace(*given.values())
    except TypeError:
        got = ", ".join(f"{name}: {_type_name(array)}" for name, array in given.items())
        raise TypeError(f"arrays must come from one array library, got {got}") from None
    devices = {name: device(array) for name, array in given.items()}
    known = [d for d in devices.values() if d is not None]
    if any(d != known[0] for d in known[1:]):
        got = ", ".join(f"{name}: {d}" for name, d in devices.items())
        raise ValueError(f"arrays must be on one device, got {got}")
    if compat.is_dask_namespace(xp):
        _require_known_shapes(given)
    return xp


def _require_known_shapes(given: dict[str, Array]) -> None:
    """Raise ValueError for a Dask array whose chunks have sizes that are known once computed."""
    for name, array in given.items():
        if any(math.isnan(n) for n in array.shape):
            raise ValueError(
                f"{name} must have chunks of known sizes, got shape {tuple(array.shape)}; "
                f"call {name}.compute_chunk_sizes() first"
            )


_NUMPY: Namespace = compat.array_namespace(np.empty(0))


def _is_plain(array: object) -> bool:
    """Return whether this is an array of NumPy, and not the zero that JAX has for a derivative."""
    return type(array) is np.ndarray and array.dtype.kind != "V"


def _type_name(array: object) -> str:
    cls = type(array)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def device(array: Array) -> Any:
    """Return the array's device, or None where there is no single one.

    So it is for tracers, Dask and JAX arrays that are sharded: JAX itself joins shardings.
    """
    if compat.is_dask_array(array) or is_jax_tracer(array):
        return None
    if compat.is_jax_array(array) and len(array.sharding.device_set) > 1:
        return None
    return compat.device(array)


def is_jax_tracer(array: Array) -> bool:
    """Return whether the array stands for a value that JAX does not know yet."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_eager(*arrays: Array | None) -> bool:
    """Return whether the arrays' values can be read now: nothing is lazy or being traced."""
    return all(array is None or _is_eager(array) for array in arrays)


def _is_eager(array: Array) -> bool:
    if compat.is_dask_array(array) or is_jax_tracer(array):
        return False
    if compat.is_torch_array(array):
        torch = sys.modules["torch"]
        if torch.compiler.is_compiling():
            return False
        return not (torch._C._functorch.is_functorch_wrapped_tensor(array) or array.is_meta)
    return True


def on_host(array: Array) -> bool:
    """Return whether reading a value costs no synchronisation with an accelerator."""
    if compat.is_torch_array(array) or compat.is_jax_array(array):
        place: Any = array.device
        kind = getattr(place, "type", None) or getattr(place, "platform", None)
        if kind is None:  # a JAX sharding: all its devices are of one kind
            kind = next(iter(place.device_set)).platform
        return bool(kind == "cpu")
    return not compat.is_cupy_array(array)


#: NumPy's kind of a dtype that another package has registered.
_REGISTERED = 2


def _is_of(xp: Namespace, array: Array, kind: str) -> bool:
    if _is_registered(xp, array.dtype):
        # NumPy carries those of ml_dtypes and knows nothing of them; CuPy computes in bfloat16.
        return kind == "real floating" and _is_bfloat16(xp, array.dtype)
    return bool(xp.isdtype(array.dtype, kind))


def _is_registered(xp: Namespace, dtype: DType) -> bool:
    numpys = compat.is_numpy_namespace(xp) or compat.is_cupy_namespace(xp)
    return numpys and getattr(dtype, "isbuiltin", None) == _REGISTERED


def _is_bfloat16(xp: Namespace, dtype: DType) -> bool:
    """Return whether it is CuPy's bfloat16, which NumPy's ``isdtype`` and ``finfo`` do not know."""
    return compat.is_cupy_namespace(xp) and getattr(dtype, "name", None) == "bfloat16"


def finfo(xp: Namespace, dtype: DType) -> Any:
    """Return bits, eps and smallest_normal of a floating dtype."""
    if _is_bfloat16(xp, dtype):
        return import_module("ml_dtypes").finfo(dtype)
    return xp.finfo(dtype)


def is_floating(xp: Namespace, array: Array) -> bool:
    """Return whether the dtype is a real floating one, half precision included."""
    return _is_of(xp, array, "real floating")


def is_integer(xp: Namespace, array: Array) -> bool:
    """Return whether the dtype is a signed or unsigned integer one."""
    return _is_of(xp, array, "integral")


def is_boolean(xp: Namespace, array: Array) -> bool:
    """Return whether the dtype is bool."""
    return _is_of(xp, array, "bool")


def sum_dtype(xp: Namespace, *arrays: Array | None) -> DType:
    """Return the dtype to sum in: the widest floating one given, at least float32.

    Without any floating array it is the library's default on that device.
    """
    floating = [a.dtype for a in arrays if a is not None and is_floating(xp, a)]
    if not floating:
        some = next(a for a in arrays if a is not None)
        return default_float(xp, some)
    # half precision first: of its two kinds not every library has a common type
    wide = [xp.float32 if finfo(xp, dtype).bits < 32 else dtype for dtype in floating]
    return functools.reduce(xp.result_type, wide)


def default_float(xp: Namespace, like: Array) -> DType:
    """Return the library's default floating dtype on the device of ``like``."""
    info = xp.__array_namespace_info__()
    return info.default_dtypes(device=device(like))["real floating"]


def default_index(xp: Namespace, like: Array) -> DType:
    """Return the library's default dtype of indices on the device of ``like``."""
    info = xp.__array_namespace_info__()
    return info.default_dtypes(device=device(like))["indexing"]


def constant(xp: Namespace, values: Iterable[float], dtype: DType, like: Array) -> Array:
    """Return a 1-D array of Python numbers beside ``like``."""
    return xp.asarray(list(values), dtype=dtype, device=device(like))


def size(array: Array) -> int:
    """Return the number of elements, known from the shape alone."""
    return math.prod(array.shape)


def normalize_axis(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes as a sorted tuple of non-negative numbers; None means all of them."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    for a in axes:
        if not isinstance(a, int) or not -ndim <= a < ndim:
            raise ValueError(f"axis must be integers from {-ndim} to {ndim - 1}, got {axis}")
    result = tuple(sorted(a % ndim for a in axes))
    if len(set(result)) != len(result):
        raise ValueError(f"axis must not name an axis twice, got {axis}")
    return result


def require_given(**arrays: Array | None) -> None:
    """Raise TypeError for an array that is None."""
    for name, array in arrays.items():
        if array is None:
            raise TypeError(f"{name} must be an array, got None")


def require_floating(xp: Namespace, **arrays: Array) -> None:
    """Raise TypeError for an array that is not of a real floating dtype."""
    for name, array in arrays.items():
        if not is_floating(xp, array):
            raise TypeError(f"{name} must be of a floating dtype, got {array.dtype}")


def require_mask(xp: Namespace, mask: Array | None, shape: tuple[int, ...]) -> None:
    """Raise unless the mask is boolean and broadcasts to the shape."""
    if mask is None:
        return
    if not is_boolean(xp, mask):
        raise TypeError(f"mask must be of dtype bool, got {mask.dtype}; write mask > 0")
    fits = len(mask.shape) <= len(shape) and all(
        m in (1, s) for m, s in zip(reversed(mask.shape), reversed(shape), strict=False)
    )
    if not fits:
        raise ValueError(f"mask must broadcast to shape {tuple(shape)}, got {tuple(mask.shape)}")


def require_number(name: str, value: object) -> None:
    """Raise TypeError unless the value is a number now: one that is traced or lazy is not."""
    if not isinstance(value, Real):
        raise TypeError(
            f"{name} must be a Python number that is known while tracing, got {_type_name(value)}"
        )


def require_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Raise ValueError unless the value is one of the choices."""
    choices = tuple(choices)
    if value not in choices:
        expected = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {expected}, got {value!r}")
