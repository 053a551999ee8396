"""Which dtypes a library has, and which of them are computed with."""

import array_api_compat as compat
import numpy as np

from .typing import Array, DType, Namespace

#: NumPy's kind of a dtype that another package has registered.
_REGISTERED = 2
#: The kinds of dtype that are computed with.
REAL = ("real floating", "integral", "bool")
#: NumPy's numbers of the dtypes that the standard has: no longdouble, object, text or date.
PLAIN = frozenset(np.dtype(c).num for c in "?bhilqBHILQefd")
_KIND = {"b": "bool", "i": "integral", "u": "integral", "f": "real floating"}


def is_dtype(xp: Namespace, dtype: DType, kinds: tuple[str, ...]) -> bool:
    """Return whether the library has this dtype, and counts it among one of the kinds."""
    if isinstance(dtype, np.dtype) and dtype.num in PLAIN and compat.is_numpy_namespace(xp):
        return _KIND[dtype.kind] in kinds  # at a tenth of what isdtype takes
    if _is_registered(xp, dtype):
        return "real floating" in kinds and is_bfloat16(xp, dtype)
    try:
        return any(xp.isdtype(dtype, kind) for kind in kinds)
    except (AttributeError, TypeError):  # of another library, or no dtype at all
        return False


def native(dtype: DType) -> DType:
    """Return the dtype in this machine's order of bytes; files may have NumPy's in another."""
    swapped = isinstance(dtype, np.dtype) and not dtype.isnative
    return dtype.newbyteorder("=") if swapped else dtype


def _is_registered(xp: Namespace, dtype: DType) -> bool:
    numpys = compat.is_numpy_namespace(xp) or compat.is_cupy_namespace(xp)
    return numpys and getattr(dtype, "isbuiltin", None) == _REGISTERED


def is_bfloat16(xp: Namespace, dtype: DType) -> bool:
    """Return whether it is CuPy's bfloat16, which NumPy's ``isdtype`` and ``finfo`` do not know."""
    return compat.is_cupy_namespace(xp) and getattr(dtype, "name", None) == "bfloat16"


def require_dtype(
    xp: Namespace, dtype: DType, kinds: tuple[str, ...] = ("real floating",)
) -> DType:
    """Return the dtype, or raise TypeError unless it is one of the library, of these kinds."""
    known = not isinstance(dtype, str) and is_dtype(xp, dtype, kinds)
    if known and not (compat.is_numpy_namespace(xp) and np.dtype(dtype).num not in PLAIN):
        return dtype
    library = xp.__name__.removeprefix("array_api_compat.")
    expected = "a floating dtype" if len(kinds) == 1 else "a dtype"
    raise TypeError(
        f"dtype must be {expected} of {library}, got {_name(dtype)}; write dtype={library}.float32"
    )


def _name(dtype: DType) -> str:
    """Return what was given as a dtype, as it is written."""
    return f"{dtype.__module__}.{dtype.__name__}" if isinstance(dtype, type) else repr(dtype)


def require_real(xp: Namespace, name: str, array: Array) -> None:
    """Raise TypeError for a dtype without booleans, integers or real numbers of up to 64 bits."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype) and dtype.isbuiltin != _REGISTERED:
        real = dtype.num in PLAIN
    else:
        real = is_dtype(xp, dtype, REAL)
    if not real:
        raise TypeError(
            f"{name} must be of a boolean, integer or floating dtype of at most 64 bits, "
            f"got {dtype}{_dtype_remedy(name, dtype)}"
        )


def _dtype_remedy(name: str, dtype: DType) -> str:
    kind = getattr(dtype, "kind", "")
    if "complex" in str(dtype):
        return f"; write abs({name}), or take the real part"
    if kind in ("f", "O"):
        return f"; write {name}.astype('float64')"
    return f"; write {name}.astype('float32')" if "bfloat16" in str(dtype) else ""
