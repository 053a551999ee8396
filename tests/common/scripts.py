"""Run an example as a user does, without a window, and return what it leaves behind."""

import functools
import runpy
import sys
from pathlib import Path
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
