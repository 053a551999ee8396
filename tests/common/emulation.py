"""A processor in the place of a GPU: the CUDA sources, compiled by g++, on NumPy arrays."""

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_cupy._device import Device, Kernel

_SHIM = Path(__file__).with_name("emulated.h")
_FLAGS = ("-std=c++17", "-O1", "-shared", "-fPIC", "-w")
_CHECKS = (
    "-fsanitize=alignment,bounds,shift,signed-integer-overflow",
    "-fsanitize-undefined-trap-on-error",
)


class Emulated(Device):
    """NumPy's arrays, and threads that take turns."""

    def __init__(self, *, reverse: bool = False, processors: int = 1) -> None:
        if shutil.which("g++") is None:
            pytest.skip("g++ is not installed")
        self.xp = np
        self.launches: list[tuple[Kernel, int]] = []
        self.arguments: list[np.ndarray] = []
        self._reverse = reverse
        self._processors = processors

    def of(self, array: Any) -> Any:
        self.used = array
        return nullcontext()

    @property
    def processors(self) -> int:
        return self._processors

    def room(self) -> str:
        return "0 of 8 bytes are free on GPU 0"

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return memory whose use without writing shows."""
        found = np.empty(shape, dtype)
        fill = {"f": np.nan, "b": True}.get(found.dtype.kind)
        found.fill(np.iinfo(found.dtype).min if fill is None else fill)
        return found

    def launch(self, kernel: Kernel, blocks: int, arguments: np.ndarray) -> None:
        assert blocks > 0
        self.launches.append((kernel, blocks))
        self.arguments.append(arguments)
        stuck = _compiled(kernel)(blocks, arguments.ctypes.data, self._reverse)
        assert not stuck, f"threads of {kernel.entry} wait for one another in vain"


def awkward(rng: np.random.Generator, shape: Any, dtype: Any = "float32") -> np.ndarray:
    """Draw probabilities with ties, exact zeros, ones and thresholds among them."""
    if np.dtype(dtype).kind in "bui":
        return rng.integers(0, 2, shape).astype(dtype)
    some = rng.random(shape)
    some = np.where(
        rng.random(shape) < 0.3, rng.choice([0, 1, *(k / 10 for k in range(1, 10))], shape), some
    )
    return some.astype(dtype)


@functools.cache
def _folder() -> Any:
    return tempfile.TemporaryDirectory(prefix="emulated")


@functools.cache
def _compiled(kernel: Kernel) -> Callable[..., int]:
    text = f'#include "{_SHIM}"\n{kernel.text()}\nEMULATE({kernel.entry})\n'
    stem = Path(_folder().name) / hashlib.sha256(text.encode()).hexdigest()[:16]
    stem.with_suffix(".cpp").write_text(text)
    command = ["g++", *_FLAGS, *_CHECKS, "-o", f"{stem}.so", f"{stem}.cpp"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run: Callable[..., int] = ctypes.CDLL(f"{stem}.so").run
    run.argtypes = [ctypes.c_uint, ctypes.c_void_p, ctypes.c_int]  # type: ignore[attr-defined]
    return run
