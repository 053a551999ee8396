"""A process that keeps its memory, and a command that imports no more than it needs."""

import platform
import subprocess
import sys

import pytest

CODE = """
import ctypes, resource
import numpy as np
from dice_semimetric_study.runs.memory import keep_memory
assert keep_memory()
def touched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.zeros(3 << 20, np.uint8)[:] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
touched()
assert touched() < 100, touched()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by glibc only")
def test_memory_that_was_freed_is_used_again_without_new_pages() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TEXTS = {
    "--help": 0,
    "--version": 0,
    "evaluate --help": 0,
    "calibrate --help": 0,
    "completion bash": 0,
    "evaluate --treshold 1": 2,
    "": 2,
}
SLOW = {"dice_semimetric", "numpy", "scipy", "array_api_compat", "nibabel", "tqdm", "matplotlib"}
SLOW |= {"isal", "deflate", "jinja2", "PIL", "dask", "distributed", "numba", "torch", "jax", "cupy"}


@pytest.mark.parametrize("line", TEXTS)
def test_a_text_needs_nothing_slow(line: str) -> None:
    argv = [sys.executable, "-X", "importtime", "-m", "dice_semimetric_study", *line.split()]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == TEXTS[line]
    lines = [text for text in done.stderr.splitlines() if text.startswith("import time:")]
    names = {text.split("|")[-1].strip().split(".")[0] for text in lines}
    assert "argparse" in names
    assert not names & SLOW


def test_the_command_imports_no_plots_before_there_are_any() -> None:
    code = (
        "import sys; from dice_semimetric_study.cli import main; main(['--help']);"
        "sys.exit({'matplotlib', 'pandas'} & set(sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
