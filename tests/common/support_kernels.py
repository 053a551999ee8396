"""The table of kernels in docs/support.md, made from the names that the adapters' modules have.

A reduction without a kernel runs as the core's generic form, on the arrays where they are.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import dice_semimetric
from dice_semimetric._lib import seam

START, END = "<!-- kernels: make support -->", "<!-- end of kernels -->"

#: How an adapter's functions are made.
MADE = {
    "dice_semimetric_numba.kernels": "Numba",
    "dice_semimetric._numpy.reductions": "NumPy",
    "dice_semimetric_cupy.kernels": "CUDA",
    "dice_semimetric_torch._sums.triton": "Triton",
    "dice_semimetric_torch._sums.triton_counts": "Triton",
    "dice_semimetric_torch._sums.triton_fusion": "Triton",
    "dice_semimetric_torch.kernels": "PyTorch",
    "dice_semimetric_jax.kernels": "XLA",
    "dice_semimetric_dask.kernels": "chunks",
}
_HOST = seam.OWN["numpy"]
_TRITON = tuple(name for name, made in MADE.items() if made == "Triton")
#: One whose gradient is a kernel too goes by another name in the module of its kernels.
_FORWARD = {"dice_semimetric_torch._sums.triton": {"forward": "overlap_sums"}}


class Memory(NamedTuple):
    """A library's arrays in some memory, and the modules that are asked, the first one first."""

    name: str
    modules: tuple[str, ...]
    without: tuple[str, ...] = ()  #: modules whose functions these decline here
    record: tuple[str, bool] | None = None  #: on a GPU: the backend that ran, with CuPy or without


COLUMNS = [
    Memory("NumPy", _HOST),
    Memory("PyTorch, host", (*_HOST, "dice_semimetric_torch.kernels"), _TRITON[1:]),
    Memory(
        "PyTorch, GPU with CuPy",
        ("dice_semimetric_cupy.kernels", *_TRITON, "dice_semimetric_torch.kernels"),
        record=("torch-cuda", True),
    ),
    Memory(
        "PyTorch, GPU",
        (*_TRITON, "dice_semimetric_torch.kernels"),
        record=("torch-cuda", False),
    ),
    Memory("CuPy", ("dice_semimetric_cupy.kernels",), record=("cupy", True)),
    Memory("JAX, host", (*_HOST, "dice_semimetric_jax.kernels")),
    Memory("JAX, jit", ("dice_semimetric_jax.kernels",)),
    Memory("Dask", ("dice_semimetric_dask.kernels",)),
]


def reductions() -> list[str]:
    """Return the core's reductions that an adapter may replace."""
    root = Path(dice_semimetric.__file__).parent
    texts = (path.read_text(encoding="utf-8") for path in sorted(root.rglob("*.py")))
    return sorted(name for t in texts for name in re.findall(r"^@accelerated\ndef (\w+)", t, re.M))


def table(ran: set[tuple[str, bool]]) -> str:
    """Return the table as Markdown: a row for each reduction, given what ran on a GPU."""
    lines = ["| | " + " | ".join(column.name for column in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for name in reductions():
        cells = [_cell(name, column, ran) for column in COLUMNS]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(name: str, memory: Memory, ran: set[tuple[str, bool]]) -> str:
    made = next((MADE[m] for m in _modules(name, memory)), "generic")
    return made if memory.record is None or memory.record in ran else f"{made}, not run"


def _modules(name: str, memory: Memory) -> Iterator[str]:
    """Yield the modules that have a function for the reduction."""
    elsewhere = any(name in _functions(module) for module in memory.without)
    for module in memory.modules:
        declined = elsewhere and module == memory.modules[-1]
        if name in _functions(module) and not declined:
            yield module


def _functions(module: str) -> set[str]:
    known = _FORWARD.get(module, {})
    return {known.get(name, name) for name in vars(import_module(module))}
