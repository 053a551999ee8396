"""The columns: the suite's own backends, torch.compile, and libraries from outside it."""

import dataclasses
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from backends import BACKENDS, Backend


@dataclasses.dataclass(frozen=True)
class Compiled(Backend):
    """PyTorch with the function compiled into one graph."""

    def native(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call the compiled function; its graph is kept whole, its code left to PyTorch."""
        torch = import_module("torch")
        torch.compiler.reset()
        compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
        return compiled(*(self._move(a) for a in args), **options)


@dataclasses.dataclass(frozen=True)
class Outside(Backend):
    """A library that the suite does not run on, taken through the standard alone."""

    def array(self, values: Any, dtype: Any = None) -> Any:
        """Move a NumPy array to the library by its own asarray."""
        return import_module(self.module).asarray(np.asarray(values, dtype))

    def numpy(self, array: Any) -> np.ndarray:
        """Move an array of the library to NumPy."""
        for method in ("todense", "unwrap_numpy"):
            if hasattr(array, method):
                return np.asarray(getattr(array, method)())
        return np.asarray(array)


NAMES = ("numpy", "cupy", "torch", "torch-cuda", "jax", "jax.jit", "dask", "strict-minimal")
LIBRARIES: list[Backend] = [
    *(b for b in BACKENDS if b.name in NAMES),
    Compiled("torch.compile", "torch"),
    Outside("mlx", "mlx.core"),
    Outside("ndonnx", "ndonnx"),
    Outside("sparse", "sparse"),
]


def gradient(backend: Backend, function: Callable[..., Any], args: tuple[Any, ...]) -> np.ndarray:
    """Return the derivative of the result's sum in the first argument."""
    if backend.module == "torch":
        leaf, *rest = (backend.array(a) for a in args)
        leaf.requires_grad_()
        if isinstance(backend, Compiled):
            torch = import_module("torch")
            torch.compiler.reset()
            function = torch.compile(function, fullgraph=True, backend="aot_eager")
        function(leaf, *rest).sum().backward()
        return backend.numpy(leaf.grad)
    if backend.module == "jax":
        jax = import_module("jax")
        slope = jax.grad(lambda *a: function(*a).sum())
        slope = jax.jit(slope) if backend.jit else slope
        return backend.numpy(slope(*(backend.array(a) for a in args)))
    raise NotImplementedError("has no derivatives")


def differences(function: Callable[..., Any], args: tuple[Any, ...]) -> np.ndarray:
    """Return the same by central differences of order 4 in NumPy float64."""
    x, *rest = args
    slope, step = np.empty_like(x), 2e-4
    for place in np.ndindex(*x.shape):
        values = []
        for k in (-2, -1, 1, 2):
            moved = x.copy()
            moved[place] += k * step
            values.append(float(np.sum(function(moved, *rest))))
        slope[place] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return slope
