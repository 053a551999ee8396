"""Which array library the arguments come from, and what may be done with them."""

import functools
import math
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import array_api_compat as compat
import numpy as np

from .devices import device
from .dtypes import PLAIN, is_bfloat16, is_dtype, native, require_dtype, require_real
from .options import require_integer, shown, type_name
from .typing import Array, Axis, DType, Namespace

#: What the mask is called, here and in optax.
MASKS = ("mask", "where")


def namespace(**arrays: Array | None) -> Namespace:
    """Return the one array API namespace of the named arrays; a mask of None is left out.

    Raises TypeError if one of them is no array of real numbers or if they come from two libraries,
    ValueError if they lie on two devices.
    """
    given = {n: array for n, array in arrays.items() if array is not None or n not in MASKS}
    for array in given.values():  # NumPy's sums over all axes are scalars
        if not (type(array) is np.ndarray or isinstance(array, np.generic)):
            break
        if array.dtype.num not in PLAIN:
            break
    else:
        return _NUMPY
    if _are_plain_tensors(list(given.values())):
        plain: Namespace = compat.array_namespace(*given.values())
        return plain
    for name, array in given.items():
        require_dense(name, array)
        _require_array(name, array)
    try:
        xp: Namespace = compat.array_namespace(*given.values())
    except TypeError:
        got = ", ".join(f"{name}: {type_name(array)}" for name, array in given.items())
        raise TypeError(f"arrays must come from one array library, got {got}") from None
    for name, array in given.items():
        require_real(xp, name, array)
    devices = {name: device(array) for name, array in given.items()}
    known = [d for d in devices.values() if d is not None]
    if any(d != known[0] for d in known[1:]):
        got = ", ".join(f"{name}: {d}" for name, d in devices.items())
        raise ValueError(f"arrays must be on one device, got {got}")
    if compat.is_dask_namespace(xp):
        _require_known_shapes(given)
    return xp


def _are_plain_tensors(arrays: list[Any]) -> bool:
    """Return whether all are dense tensors of PyTorch on one device, the usual case."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    for array in arrays:
        if type(array) is not torch.Tensor or array.layout != torch.strided or array.is_nested:
            return False
        if array.is_quantized or array.dtype.is_complex or array.device != arrays[0].device:
            return False
    return True


def _require_known_shapes(given: dict[str, Array]) -> None:
    """Raise ValueError for a Dask array whose chunks have sizes that are known once computed."""
    for name, array in given.items():
        if any(math.isnan(n) for n in array.shape):
            raise ValueError(
                f"{name} must have chunks of known sizes, got shape {tuple(array.shape)}; "
                f"call {name}.compute_chunk_sizes() first"
            )


_NUMPY: Namespace = compat.array_namespace(np.empty(0))


def _require_array(name: str, array: object) -> None:
    """Raise TypeError for what is no array, or one that would lose its meaning in a sum."""
    if not compat.is_array_api_obj(array) or isinstance(array, np.matrix):
        got = "None" if array is None else type_name(array)
        remedy = f"; write np.asarray({name})" if _is_array_like(array) else ""
        if isinstance(array, list | tuple) and any(map(compat.is_array_api_obj, array)):
            remedy = f" of arrays; of a network's outputs give the finest, such as {name}[0]"
        raise TypeError(
            f"{name} must be an array of a library that follows the Python array API standard "
            f"(NumPy, CuPy, PyTorch, JAX, Dask, ...), got {got}{remedy}"
        )
    blocks = array._meta if compat.is_dask_array(array) else array
    if isinstance(blocks, np.ma.MaskedArray) or type(blocks).__name__.startswith("Masked"):
        ma = "np.ma" if blocks is array else "dask.array.ma"
        remedy = f"give {ma}.getdata({name}) and mask=~{ma}.getmaskarray({name}), or fill it"
        if not isinstance(blocks, np.ma.MaskedArray):
            remedy = "give its data and its mask apart"
        raise TypeError(
            f"{name} must be an array without a mask of its own, got a masked array; {remedy}"
        )
    if blocks is not array and not (compat.is_numpy_array(blocks) or compat.is_cupy_array(blocks)):
        raise TypeError(
            f"{name} must have blocks of NumPy or CuPy arrays, got blocks of {type_name(blocks)}; "
            f"write {name}.map_blocks(lambda block: block.toarray()), or .todense()"
        )


def _is_array_like(value: object) -> bool:
    """Return whether NumPy would make an array of it."""
    likes = "__array__", "__array_interface__", "__dlpack__"
    return isinstance(value, list | tuple) or any(hasattr(value, like) for like in likes)


def require_dense(name: str, array: object) -> None:
    """Raise TypeError for a tensor of PyTorch whose entries do not lie in memory one by one."""
    if not compat.is_torch_array(array):
        return
    tensor: Any = array
    torch = sys.modules["torch"]
    if tensor.is_nested:
        remedy = f"write torch.nested.to_padded_tensor({name}, 0.0) and give a mask"
        raise TypeError(f"{name} must be a dense tensor, got a nested one; {remedy}")
    if tensor.layout != torch.strided:
        layout = str(tensor.layout).removeprefix("torch.").removeprefix("_")
        raise TypeError(
            f"{name} must be a dense tensor, got layout {layout}; write {name}.to_dense()"
        )
    if tensor.is_quantized:
        remedy = f"write {name}.dequantize()"
        raise TypeError(f"{name} must be a dense tensor, got a quantized one; {remedy}")


def _is_of(xp: Namespace, array: Array, kind: str) -> bool:
    # NumPy carries the dtypes of ml_dtypes and knows nothing of them; CuPy computes in bfloat16.
    return is_dtype(xp, array.dtype, (kind,))


def finfo(xp: Namespace, dtype: DType) -> Any:
    """Return bits, eps and smallest_normal of a floating dtype."""
    if is_bfloat16(xp, dtype):
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

    Without any floating array it is the library's default on that device, at least float32.
    """
    given = [a for a in arrays if a is not None]
    dtype = given[0].dtype
    if dtype in (xp.float32, xp.float64) and all(a.dtype == dtype for a in given):
        return dtype  # as it mostly is
    floating = [native(a.dtype) for a in given if is_floating(xp, a)]
    if not floating:
        return default_float(xp, given[0])
    # half precision first: of its two kinds not every library has a common type
    wide = [xp.float32 if finfo(xp, dtype).bits < 32 else dtype for dtype in floating]
    return functools.reduce(xp.result_type, wide)


def default_float(xp: Namespace, like: Array) -> DType:
    """Return the library's default floating dtype on the device of ``like``, at least float32.

    PyTorch's can be set to a half precision, in which nothing is to be counted.
    """
    info = xp.__array_namespace_info__()
    default = info.default_dtypes(device=device(like))["real floating"]
    return xp.float32 if finfo(xp, default).bits < 32 else default


def result_dtype(
    xp: Namespace, like: Array, dtype: DType | None, kinds: tuple[str, ...] = ("real floating",)
) -> DType:
    """Return the dtype of a result, None for the library's default, or raise TypeError."""
    return default_float(xp, like) if dtype is None else require_dtype(xp, dtype, kinds)


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
    result = tuple(sorted(position(a, ndim) for a in axes))
    if len(set(result)) != len(result):
        raise ValueError(f"axis must not name an axis twice, got {axis}")
    return result


def position(axis: int, ndim: int) -> int:
    """Return the number of one axis, not negative."""
    if ndim == 0:
        raise ValueError(f"axis must be None for an array without axes, got {shown(axis)}")
    return require_integer("axis", axis, least=-ndim, most=ndim - 1) % ndim


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
