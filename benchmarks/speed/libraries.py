"""The array libraries that are timed: how an array gets there and when a result is there."""

import dataclasses
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import jax
import numpy as np
import torch

from .timing import Call

Function = Callable[..., Any]
NUMPY = "NumPy"


def _plain(function: Function, arrays: tuple[Any, ...]) -> Call:
    return lambda: function(*arrays)


def _ready(function: Function, arrays: tuple[Any, ...]) -> Call:
    return lambda: jax.block_until_ready(function(*arrays))


def _jitted(function: Function, arrays: tuple[Any, ...]) -> Call:
    return _ready(jax.jit(function), arrays)


def _computed(function: Function, arrays: tuple[Any, ...]) -> Call:
    """Build the graph and compute it, as a user does who has chunks in memory."""
    return lambda: dask.compute(*leaves(function(*arrays)))


def _chunked(array: np.ndarray) -> Any:
    """Cut the longest axis in four."""
    longest = int(np.argmax(array.shape))
    chunks = [n if axis != longest else -(-n // 4) for axis, n in enumerate(array.shape)]
    return da.from_array(array, chunks=tuple(chunks))


#: name -> how a NumPy array is moved to the library without a copy where it can be, and how a
#: call of a function on such arrays waits until its result is there
LIBRARIES: dict[str, tuple[Callable[[np.ndarray], Any], Callable[..., Call]]] = {
    NUMPY: (lambda array: array, _plain),
    "torch": (torch.from_numpy, _plain),
    "JAX": (jax.numpy.asarray, _ready),
    "JAX jit": (jax.numpy.asarray, _jitted),
    "Dask": (_chunked, _computed),
}
EVERY = tuple(LIBRARIES)
EAGER = (NUMPY, "torch", "JAX")  # where the function depends on values


def on(library: str, function: Function, arrays: tuple[np.ndarray, ...]) -> Call:
    """Return a call of the function on the library's arrays."""
    move, waiting = LIBRARIES[library]
    return waiting(function, tuple(move(array) for array in arrays))


def leaves(value: Any) -> list[Any]:
    """Return the arrays that tuples and dataclasses hold, one after the other."""
    if isinstance(value, tuple | list):
        return [leaf for item in value for leaf in leaves(item)]
    if dataclasses.is_dataclass(value):
        fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
        return [leaf for item in fields for leaf in leaves(item)]
    return [value]


def number(leaf: Any) -> np.ndarray:
    """Return a result as an array of float64, in which results are compared."""
    if isinstance(leaf, torch.Tensor):
        leaf = leaf.detach().double().numpy()
    return np.asarray(leaf, np.float64)


def numbers(value: Any) -> list[np.ndarray]:
    """Return every array of a result as one of float64."""
    return [number(leaf) for leaf in leaves(value)]


def hold_to(threads: int) -> None:
    """Hold the libraries that can be told to so many threads; the others see the cores allowed."""
    torch.set_num_threads(threads)
    dask.config.set(scheduler="threads", num_workers=threads)
