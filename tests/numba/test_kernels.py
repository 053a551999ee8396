"""What the seam finds: compiled kernels, or NumPy's blocks and a warning where there are none."""

import os
import subprocess
import sys

import pytest

SCORES = """
import warnings
import numpy as np
import dice_semimetric as d

rng = np.random.default_rng(0)
x, y = rng.random((2, 768, 768)), rng.random((2, 768, 768))
raters = rng.random((3, 768, 768)) > 0.5
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = [
        float(d.dml1(x, y)),
        float(d.binarized_dice(x, y)),
        float(d.expected_calibration_error(x, y > 0.5, kind="binary")),
        float(d.uniform_average(raters).mean()),
        d.rater_agreement(raters).both.sum(),
    ]
texts = {str(w.message) for w in caught}
"""
EXACT = """
both = np.stack([raters[i] & raters[j] for i in range(3) for j in range(3)])
size = x.sum() + y.sum()
dice = []
for t in np.arange(1, 10) / 10:
    a, b = x >= t, y >= t
    dice.append(2 * (a & b).sum() / (a.sum() + b.sum()))
inner = np.searchsorted(np.arange(1, 10) / 10, x, side="right")
gaps = [abs(((y > 0.5) - x)[inner == k].sum()) for k in range(10)]
expected = [
    1 - (size - abs(x - y).sum()) / size,
    np.mean(dice),
    sum(gaps) / x.size,
    raters.mean(),
    both.sum(),
]
np.testing.assert_allclose(found, expected, 1e-9)
"""


def run(code, **environment):
    whole = {**os.environ, **environment}
    subprocess.run([sys.executable, "-c", code], check=True, env=whole, timeout=300)


@pytest.mark.parametrize(
    ("before", "environment", "cause"),
    [
        ("", {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT"),
        ("import sys; sys.modules['numba'] = None", {}, "numba"),
        ("import sys; sys.modules['llvmlite'] = None", {}, "llvmlite"),
    ],
)
def test_without_a_compiler_numpy_sums_and_says_so_once(before, environment, cause) -> None:
    said = f"assert len(caught) == 1 and {cause!r} in texts.pop(), caught"
    run("\n".join((before, SCORES, EXACT, said)), **environment)


def test_with_a_compiler_nothing_is_said() -> None:
    run("\n".join((SCORES, EXACT, "assert not texts, texts")))


def test_kernels_that_cannot_be_kept_on_disk_are_compiled_all_the_same() -> None:
    told = "assert not texts, texts; from dice_semimetric_numba import kernels as k"
    there = "assert k.compiled('sums') and k.compiled('fusion')"
    locators = {"NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}
    run("\n".join((SCORES, EXACT, told, there)), **locators)


def test_small_arrays_load_no_compiler() -> None:
    small = SCORES.replace("768, 768", "8, 8")
    run("\n".join((small, "import sys; assert 'numba' not in sys.modules")))
