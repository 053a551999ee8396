"""Examples: run as a user runs them, without a window, or load their functions alone."""

import functools
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl

EXAMPLES = Path(__file__).parents[2] / "examples"


@functools.cache
def run(name: str, *options: str) -> dict[str, Any]:
    """Return the names that ``python examples/NAME.py OPTIONS`` has at its end."""
    mpl.use("agg")
    argv, sys.argv = sys.argv, [f"{name}.py", *options]
    try:
        return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    finally:
        sys.argv = argv
        sys.modules["matplotlib.pyplot"].close("all")


def load(name: str) -> SimpleNamespace:
    """Return what ``import NAME`` would, for an example whose run is guarded."""
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name))
