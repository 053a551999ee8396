"""The seam: adapters are found, fast paths are used, broken ones are not, and nothing leaks in."""

import contextlib
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

import dice_semimetric
from dice_semimetric import overlap
from dice_semimetric._lib import seam
from dice_semimetric.overlap import overlap_sums


class _Entry:
    """An entry point of an adapter."""

    value = "third_party.kernels"

    def __init__(self, module: object) -> None:
        self._module = module

    def load(self) -> object:
        if isinstance(self._module, Exception):
            raise self._module
        return self._module


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch):
    """Announce a module of kernels for array-api-strict."""
    strict = pytest.importorskip("array_api_strict")

    def announce(module: object) -> object:
        monkeypatch.setattr(seam, "entry_points", lambda **_: [_Entry(module)])
        forget()
        return strict.asarray(np.array([0.25, 0.5]))

    yield announce
    forget()


def forget() -> None:
    """Let the seam look for adapters anew."""
    seam._loaded.clear()


def test_an_adapter_runs_a_function_whole(adapter) -> None:
    calls = []

    def run(function, args, kwargs):
        calls.append((function.__name__, kwargs))
        return NotImplemented if kwargs else "found"

    x = adapter(types.SimpleNamespace(run=run))
    assert overlap(x, x) == "found"
    assert float(overlap(x, target=x).target) == 0.75  # it declined
    assert calls == [("overlap", {}), ("overlap", {"target": x})]


def test_an_adapter_replaces_a_reduction(adapter) -> None:
    calls = []

    def overlap_sums(pixels):
        calls.append(pixels)
        pred = pixels.pred
        return pred[0], pred[1], pred[0], pred[1]

    x = adapter(types.SimpleNamespace(overlap_sums=overlap_sums))
    assert float(overlap(x, x).target) == 0.5
    assert calls[0].axis == (0,)


def test_an_adapter_may_decline(adapter) -> None:
    x = adapter(types.SimpleNamespace(overlap_sums=lambda *a, **o: NotImplemented))
    assert float(overlap(x, x).target) == 0.75


def test_an_adapter_may_lack_a_reduction(adapter) -> None:
    x = adapter(types.SimpleNamespace())
    assert float(overlap(x, x).target) == 0.75


def test_a_broken_adapter_is_named_once_and_left_out(adapter) -> None:
    x = adapter(ImportError("no such library"))
    with pytest.warns(RuntimeWarning, match=r"third_party.kernels.*strict.*no such library"):
        assert float(overlap(x, x).target) == 0.75
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        overlap(x, x)


class _Lender(types.SimpleNamespace):
    """An adapter that lends its arrays to NumPy's, but not those that hold 0.75."""

    def lend(self, array):
        host = np.asarray(array)
        return NotImplemented if (host == 0.75).any() else host

    def lending(self, array):
        self.lent = array
        return contextlib.nullcontext()

    def give_back(self, array, like):
        import array_api_strict

        return array_api_strict.asarray(np.asarray(array))


def test_an_adapter_may_lend_its_arrays_to_another_library_s(adapter) -> None:
    lender = _Lender()
    x = adapter(lender)
    calls = []
    fast = seam.adapters("numpy")[-1].overlap_sums

    def seen(pixels):
        calls.append(pixels)
        return fast(pixels)

    seam._loaded["numpy"] = (types.SimpleNamespace(overlap_sums=seen),)
    found = overlap(x, x).target
    assert type(found) is type(x)
    assert float(found) == 0.75
    assert lender.lent is x
    assert type(calls[0].pred) is np.ndarray
    assert calls[0].dtype == np.float64


@pytest.mark.parametrize(
    ("values", "library"), [([0.25, 0.5], "numpy"), ([0.25, 0.75], "array_api_strict")]
)
def test_what_no_adapter_takes_is_reduced_by_numpy_if_it_is_lent(adapter, values, library) -> None:
    import array_api_strict

    adapter(_Lender())
    seen = []

    @seam.accelerated
    def least_and_most(array, *, scale):
        xp = array.__array_namespace__()
        seen.append(xp.__name__)
        return xp.min(array) * scale, xp.max(array) * scale

    x = array_api_strict.asarray(np.array(values))
    low, high = least_and_most(x, scale=2.0)
    assert seen == [library]
    assert type(low) is type(high) is type(x)
    assert (float(low), float(high)) == (2 * values[0], 2 * values[1])


def test_numpy_reduces_no_dtype_that_it_does_not_know(adapter) -> None:
    brain = pytest.importorskip("ml_dtypes").bfloat16
    lender = _Lender()
    lender.lend = lambda array: np.asarray(array).astype(brain)
    x = adapter(lender)

    @seam.accelerated
    def own(array):
        return array

    assert own(x) is x


def test_what_is_not_lent_stays_where_it_is(adapter) -> None:
    import array_api_strict

    adapter(_Lender())
    seam._loaded["numpy"] = ()
    x = array_api_strict.asarray(np.array([0.75, 0.0]))
    assert float(overlap(x, x).target) == 0.75


def test_numpy_never_sees_the_generic_reduction(rng) -> None:
    x, y = rng.random((2, 3, 5))
    fast = seam.adapters("numpy")[-1].overlap_sums
    pixels = seam.Pixels(x, y, axis=(1,), dtype=x.dtype, checked=True)
    generic = overlap_sums.__wrapped__
    assert not hasattr(generic, "__wrapped__")  # what an adapter's tests compare it with
    slow = generic(pixels)
    np.testing.assert_allclose(np.stack(fast(pixels)), np.stack(slow))


def test_the_core_imports_no_framework() -> None:
    code = (
        "import sys, numpy as np, dice_semimetric as ds\n"
        "x = np.full((2, 3, 4), 0.5)\n"
        "ds.region_loss(x, x); ds.dml1(x, x)\n"
        "bad = {'torch', 'jax', 'cupy', 'dask', 'numba', 'nibabel', 'matplotlib', 'scipy'}\n"
        "bad &= set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_everything_public_is_exported_and_sorted() -> None:
    assert sorted(dice_semimetric.__all__) == list(dice_semimetric.__all__)
    for name in dice_semimetric.__all__:
        assert getattr(dice_semimetric, name).__doc__
