"""Names for what the array API standard does not give a type."""

from types import ModuleType
from typing import Any, Literal, TypeAlias

# No array protocol covers NumPy, PyTorch, JAX, Dask and CuPy alike.
Array: TypeAlias = Any
DType: TypeAlias = Any
Namespace: TypeAlias = ModuleType

Axis: TypeAlias = int | tuple[int, ...] | None
Activation: TypeAlias = Literal["softmax", "sigmoid"] | None
Smooth: TypeAlias = float | tuple[float, float]
