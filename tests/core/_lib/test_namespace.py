"""Libraries that fall short of the standard: the error names the function and the library."""

import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from public_calls import ARRAYS, CALLS, parameters, plain

import dice_semimetric as ds

X = np.full((2, 3, 4), 0.5)


class Thin(types.ModuleType):
    """An array library, NumPy underneath, that lacks some functions of the standard."""

    def __init__(self, *absent: str) -> None:
        super().__init__("thinlib")
        self.absent = absent

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in self.absent:
            raise AttributeError(f"module 'thinlib' has no attribute '{name}'")
        found = getattr(np, name)
        return self._wrapped(found) if callable(found) and not isinstance(found, type) else found

    def __array_namespace_info__(self) -> Any:
        return np.__array_namespace_info__()

    def _wrapped(self, function: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            options.pop("device", None)
            result = function(*_plain(args), **options)
            return (
                ThinArray(result, self) if isinstance(result, np.ndarray | np.generic) else result
            )

        return call


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_plain(v) for v in value)
    return value.values if isinstance(value, ThinArray) else value


class ThinArray:
    """An array of it, which refuses to become NumPy's behind the user's back."""

    device = "cpu"

    def __init__(self, values: Any, library: Thin) -> None:
        self.values, self.library = np.asarray(values), library

    dtype = property(lambda self: self.values.dtype)
    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)
    size = property(lambda self: self.values.size)

    def __array_namespace__(self, api_version: str | None = None) -> Thin:
        return self.library

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a silent transfer to NumPy")

    def to_device(self, device: Any, /, stream: Any = None) -> Self:
        return self

    def __float__(self) -> float:
        return float(self.values)

    def __getitem__(self, key: Any) -> "ThinArray":
        return ThinArray(self.values[key], self.library)


def _operator(name: str) -> Any:
    def method(self: ThinArray, *others: Any) -> ThinArray:
        return ThinArray(getattr(self.values, name)(*_plain(others)), self.library)

    return method


OPERATORS = "add radd sub rsub mul rmul truediv neg gt lt ge le eq ne and or invert"
for _name in OPERATORS.split():
    setattr(ThinArray, f"__{_name}__", _operator(f"__{_name}__"))


def arrays(*absent: str) -> tuple[ThinArray, ThinArray]:
    library = Thin(*absent)
    return ThinArray(X, library), ThinArray(X, library)


def test_a_library_nobody_has_heard_of_runs() -> None:
    x, y = arrays()
    for function in (ds.dml1, ds.dice_score, ds.binarized_dice, ds.region_loss):
        result = function(x, y)
        assert isinstance(result, ThinArray)
        assert float(result) == float(function(X, X))


@pytest.mark.parametrize(
    ("absent", "function"),
    [
        ("sum", ds.dml1),
        ("where", ds.dml1),
        ("abs", ds.jml2),
        ("count_nonzero", ds.binarized_dice),
        ("exp", lambda x, y: ds.region_loss(x, y, activation="softmax")),
    ],
)
def test_what_it_lacks_is_named(absent: str, function: Any) -> None:
    with pytest.raises(AttributeError, match=f"'thinlib' has no attribute '{absent}'"):
        function(*arrays(absent))


@pytest.mark.parametrize("bad", [[[0.5]], "mask.nii", 0.5, None, object(), memoryview(b"0")])
def test_what_is_no_array_is_named(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="target"):
        ds.dml1(X, bad)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match=r"pred must be an array.*pandas.*DataFrame"):
        ds.dml1(pandas.DataFrame(X[0]), X[0])


TRACED = [
    ("alpha", lambda x, v: ds.ctl(x, x, alpha=v, beta=0.5)),
    ("beta", lambda x, v: ds.region_loss(x, x, form="ctl", alpha=0.5, beta=v)),
    ("gamma", lambda x, v: ds.region_loss(x, x, gamma=v)),
    ("smooth", lambda x, v: ds.dml1(x, x, smooth=v)),
    ("smooth", lambda x, v: ds.dml1(x, x, smooth=(0.0, v))),
    ("thresholds", lambda x, v: ds.binarized_dice(x, x, thresholds=(v,))),
    ("epsilon", lambda x, v: ds.smooth_labels(x, epsilon=v)),
    ("axis", lambda x, v: ds.dml1(x, x, axis=v)),
    ("num_classes", lambda x, v: ds.one_hot((x > 0).astype(int), v)),
    ("classes", lambda x, v: ds.region_loss(x, x, classes=(v,))),
]


@pytest.mark.parametrize(("name", "call"), TRACED, ids=[name for name, _ in TRACED])
def test_a_tracer_where_a_number_is_needed_is_named(name: str, call: Any) -> None:
    jax = pytest.importorskip("jax")
    x = jax.numpy.asarray(X)
    with pytest.raises((TypeError, ValueError), match=rf"{name} must .*(Trace|JitTracer)"):
        jax.jit(call)(x, 0.5)


WITHOUT_FLOAT64 = """
import warnings
warnings.simplefilter("error")
import jax, jax.numpy as jnp, numpy as np
assert not jax.config.jax_enable_x64
import dice_semimetric as ds
rng = np.random.default_rng(0)
z = jnp.asarray(rng.normal(size=(2, 3, 40)), "float32")
label = jnp.asarray(rng.integers(0, 3, (2, 40)), "int32")
raters = jnp.asarray(rng.random((5, 2, 40)) < 0.5)
soft = jax.nn.softmax(z, axis=1)
results = [
    ds.dml1(soft, soft),
    ds.overlap(soft > 0.5, soft > 0.5).pred,
    ds.region_loss(z, label, activation="softmax", classes=(1, 2), weight=(1.0, 2.0, 3.0)),
    jax.jit(jax.grad(lambda z: ds.region_loss(z, label, activation="softmax")))(z),
    ds.dice_score(soft, soft), ds.binarized_dice(soft, soft),
    ds.region_score(soft, label, score="bdice", classes=(0, 2)),
    ds.one_hot(label, 3), ds.smooth_labels(label, 3, epsilon=0.1),
    ds.smooth_boundary(label, 3, epsilon=0.1),
    ds.uniform_average(raters), ds.dice_weighted_average(raters),
    ds.expected_calibration_error(soft, label),
]
for k, result in enumerate(results):
    assert isinstance(result, jax.Array) and result.dtype == "float32", (k, result.dtype)
ds.majority_vote(raters), ds.label_boundary(label), ds.threshold_counts(soft, soft, axis=())
"""


def test_jax_without_float64_is_silent_and_stays_in_float32() -> None:
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FLOAT64],
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},  # compilation is most of it
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def bad_arrays(array: np.ndarray) -> Iterator[tuple[Any, str]]:
    """Yield what looks like the array and is none, and what the error says of it."""
    yield np.ma.masked_array(array, mask=array > 0), r"masked array.*mask=~np\.ma\.getmaskarray"
    yield array.astype(np.complex128), "complex128; write abs"
    yield array.astype(object), r"object; write .*astype\('float64'\)"
    yield array.astype("datetime64[s]"), "datetime64"
    yield array.astype("timedelta64[s]"), "timedelta64"
    yield array.astype(str), "got <U"
    yield array.astype([("value", float)]), "got .*value"
    if np.dtype(np.longdouble).itemsize > 8:
        yield array.astype(np.longdouble), r"float\d+; write .*astype\('float64'\)"
    if array.ndim == 2:
        yield np.matrix(array), r"got numpy\.matrix; write np\.asarray"
    dask = pytest.importorskip("dask.array")
    masked = dask.ma.masked_equal(dask.from_array(array), 0)
    yield masked, r"masked array.*mask=~dask\.array\.ma\.getmaskarray"
    if array.ndim == 2:
        sparse = pytest.importorskip("scipy.sparse")
        blocks = dask.from_array(array).map_blocks(sparse.csr_array)
        yield blocks, r"have blocks of NumPy or CuPy arrays, got blocks of scipy.*block\.toarray"


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, p)
        for name, (call, given) in CALLS.items()
        for p in parameters(call)
        if isinstance(given.get(p), np.ndarray) or p in ARRAYS
    ],
)
@pytest.mark.filterwarnings("ignore:.*matrix subclass")
def test_what_is_no_array_of_real_numbers_is_refused(name: str, argument: str) -> None:
    call, given = CALLS[name]
    for bad, words in bad_arrays(given.get(argument, ARRAYS.get(argument))):
        with pytest.raises(TypeError, match=rf"^{argument} must .*{words}"):
            call(**given | {argument: bad})


@pytest.mark.parametrize(
    "name", ["dml1", "region_loss", "calibration_bins", "staple", "kernel_regression"]
)
def test_arrays_on_disk_and_of_the_other_byte_order_are_arrays(name: str, tmp_path: Path) -> None:
    call, given = CALLS[name]
    arrays = {key: value for key, value in given.items() if isinstance(value, np.ndarray)}
    for key, value in arrays.items():
        np.save(tmp_path / f"{key}.npy", value)
    on_disk = {key: np.load(tmp_path / f"{key}.npy", mmap_mode="r") for key in arrays}
    swapped = {key: value.astype(value.dtype.newbyteorder()) for key, value in arrays.items()}
    expected = plain(call(**given))
    assert plain(call(**given | on_disk)) == expected
    assert plain(call(**given | swapped)) == expected


def test_dask_arrays_of_objects_are_refused() -> None:
    dask = pytest.importorskip("dask.array")
    x = dask.from_array(np.array([0.5, 1.0], dtype=object), -1)
    with pytest.raises(TypeError, match=r"^pred must .*object; write pred\.astype\('float64'\)"):
        ds.dml1(x, x)
