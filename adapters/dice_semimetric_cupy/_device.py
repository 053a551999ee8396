"""Compile and launch a kernel on the GPU that CuPy has chosen."""

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from dice_semimetric._lib.typing import Array, DType, Namespace

#: The types that the sources know, by NumPy's names.
C_TYPES: Mapping[str, str] = {
    "bool": "unsigned char",
    "uint8": "unsigned char",
    "int8": "signed char",
    "uint16": "unsigned short",
    "int16": "short",
    "uint32": "unsigned int",
    "int32": "int",
    "uint64": "unsigned long long",
    "int64": "long long",
    "float16": "Half",
    "bfloat16": "Bfloat16",
    "float32": "float",
    "float64": "double",
}
#: Those that thresholds are rounded to. To NumPy, bfloat16 is no floating dtype.
FLOATING = ("float16", "bfloat16", "float32", "float64")
#: The most axes that an array may have once neighbouring ones are joined.
DIMS = 6


@dataclass(frozen=True)
class Kernel:
    """A function of a source file, made special by macros.

    Attributes
    ----------
    entry : str
        The name of the function.
    sources : tuple of str
        The files that make up its source, in this order.
    threads : int
        The threads of a block.
    macros : tuple of (str, str)
        What the source leaves open: types and switches.
    """

    entry: str
    sources: tuple[str, ...]
    threads: int
    macros: tuple[tuple[str, str], ...]

    def text(self) -> str:
        """Return the whole source."""
        macros = {**dict(self.macros), "THREADS": self.threads, "DIMS": DIMS}
        head = [f"#define {name} {value}" for name, value in macros.items()]
        return "\n".join([*head, *(_read(name) for name in self.sources)])


@functools.cache
def _read(name: str) -> str:
    return files(__package__).joinpath("sources", name).read_text(encoding="utf-8")


class Device:
    """The GPU. The tests put a processor in its place that runs the same sources."""

    def __init__(self) -> None:
        import cupy

        self.xp: Namespace = cupy

    def of(self, array: Array) -> AbstractContextManager[Any]:
        """Return the context in which the array's GPU is the one that is used."""
        place: AbstractContextManager[Any] = array.device
        return place

    @property
    def processors(self) -> int:
        """The number of multiprocessors."""
        return int(self.xp.cuda.Device().attributes["MultiProcessorCount"])

    def address(self, array: Array) -> int:
        """Return where the first element lies."""
        return int(array.data.ptr)

    def room(self) -> str:
        """Return how much memory is free, for a person to read."""
        free, total = self.xp.cuda.Device().mem_info
        pooled = self.xp.get_default_memory_pool().free_bytes()
        return f"{free + pooled} of {total} bytes are free on GPU {self.xp.cuda.Device().id}"

    def empty(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """Return memory that holds anything."""
        return self.xp.empty(shape, dtype)

    def launch(self, kernel: Kernel, blocks: int, arguments: np.ndarray[Any, Any]) -> None:
        """Run the kernel on the current stream, without waiting for it.

        The arguments are one structure, passed by value.
        """
        _compiled(kernel)((blocks,), (kernel.threads,), (arguments,))


@functools.cache
def _compiled(kernel: Kernel) -> Callable[..., None]:
    """Return CuPy's kernel, which compiles for each GPU at first use and keeps that on disk."""
    import cupy

    return cupy.RawKernel(kernel.text(), kernel.entry, options=("-std=c++17",))  # type: ignore[no-any-return]


@functools.cache
def device() -> Device:
    """Return the GPU."""
    return Device()
