"""No CUDA kernel reads past the end of an array: behind it lies memory that must not be touched."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dice_semimetric_cupy._device")

SCRIPT = """
import ctypes, mmap, sys
import numpy as np
from dice_semimetric._lib.seam import Pixels
from dice_semimetric_cupy import kernels
from emulation import Emulated

PAGE = mmap.PAGESIZE
kept, libc = [], ctypes.CDLL(None, use_errno=True)


def guarded(values):
    '''Copy values so that the page behind them cannot be read.'''
    values = np.ascontiguousarray(values)
    pages = -(-values.nbytes // PAGE) + 1
    memory = mmap.mmap(-1, pages * PAGE)
    raw = np.frombuffer(memory, np.uint8)
    end = raw.ctypes.data + (pages - 1) * PAGE
    assert libc.mprotect(ctypes.c_void_p(end), PAGE, 0) == 0
    found = raw[(pages - 1) * PAGE - values.nbytes : (pages - 1) * PAGE]
    found[...] = values.reshape(-1).view(np.uint8)
    kept.append(memory)
    return found.view(values.dtype).reshape(values.shape)


device = Emulated()
kernels.device = lambda: device
rng = np.random.default_rng(0)
if len(sys.argv) > 1:  # does the guard work at all?
    print(np.lib.stride_tricks.as_strided(guarded(np.zeros(7)), (8,), (8,))[7])
for size in (1, 5, 255, 4097, 5000):
    x, y = (guarded(rng.random(size, np.float32)) for _ in range(2))
    m = guarded(rng.random(size) < 0.5)
    options = dict(axis=(0,), dtype=np.dtype("float32"), checked=False)
    kernels.overlap_sums(Pixels(x, y, m, **options))
    kernels.threshold_sums(Pixels(x, y, m, **options), (0.2, 0.5))
    edges = guarded(np.linspace(0, 1, 11, dtype=np.float32))
    kernels.bin_sums(Pixels(x, y, m, **options), edges, "binary")
    z = guarded(rng.random((2, 3, size), np.float32))
    label = guarded(rng.integers(0, 3, (2, size)).astype(np.uint8))
    options["axis"] = (2,)
    kernels.overlap_sums(Pixels(z, label, **options, activation="softmax"))
    options["axis"] = (0, 2)
    kernels.bin_sums(Pixels(z, label, **options, ignore_index=1), edges, "top_label")
    kernels.rater_counts(guarded(rng.integers(0, 2, (3, size)).astype(np.uint8)))
    kernels.most_frequent(label, 3)
    query, key = guarded(rng.random((2, size))), guarded(rng.random((size % 100 + 1, 2)))
    value = guarded(rng.random((2, key.shape[0]), np.float32))
    kernels.kernel_sums(query, key, guarded(rng.random(key.shape[0])), value, skip_self=False)
print("within bounds")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    here = Path(__file__).parents[1] / "common"
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is guarded by Linux's mprotect")
def test_no_kernel_reads_past_the_end() -> None:
    from emulation import Emulated

    Emulated()  # skips without a compiler
    done = run()
    assert done.stdout.strip() == "within bounds", (done.returncode, done.stderr)
    assert run("beyond").returncode < 0
