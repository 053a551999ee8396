"""What scores share: their value where neither side marks anything, and their dtype."""

import math
from numbers import Real
from typing import Literal

from .namespace import result_dtype
from .options import shown
from .typing import Array, DType, Namespace

Empty = float | Literal["skip"]


def in_dtype(xp: Namespace, score: Array, dtype: DType | None) -> Array:
    """Return a score in a dtype, None for the library's default."""
    return xp.astype(score, result_dtype(xp, score, dtype), copy=False)


def fill_empty(xp: Namespace, score: Array, some: Array, empty: Empty) -> Array:
    """Return the score where there is something, else ``empty``."""
    return xp.where(some, score, require_empty(empty))


def require_empty(empty: Empty) -> float:
    """Return the score of empty against empty, NaN for "skip", or raise ValueError."""
    if isinstance(empty, str) and empty == "skip":
        return math.nan
    if isinstance(empty, Real) and not isinstance(empty, bool):
        value = float(empty)
        if value in (0.0, 1.0) or math.isnan(value):
            return value
    raise ValueError(f"empty must be one of 1.0, 0.0, nan, 'skip', got {shown(empty)}")
