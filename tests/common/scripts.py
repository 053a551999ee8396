"""Examples: run as a user runs them, without a window, or load their functions alone."""

import contextlib
import functools
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt

EXAMPLES = Path(__file__).parents[2] / "examples"


@functools.cache
def run(name: str, *options: str) -> dict[str, Any]:
    """Return the names that ``python examples/NAME.py OPTIONS`` has at its end."""
    plt.switch_backend("agg")
    argv, sys.argv = sys.argv, [f"{name}.py", *options]
    try:
        with one_thread():
            return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    finally:
        sys.argv = argv
        plt.close("all")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: tests run side by side, and its threads wait by spinning."""
    try:
        import torch
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load(name: str) -> SimpleNamespace:
    """Return what ``import NAME`` would, for an example whose run is guarded."""
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name))
