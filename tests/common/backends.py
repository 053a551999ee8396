"""The array libraries that the suite runs on, and the one list of what they cannot do.

A test hands NumPy arrays to `Backend.run`, which moves them to the library, calls the function,
asserts that the result is of that library and on that device, and gives NumPy arrays back.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest


class Unsupported(NamedTuple):
    """Why a function does not run on a backend, and the error with which it says so."""

    reason: str
    error: type[Exception]
    match: str


_DRAWN = Unsupported("the draw depends on values; draw the keys beforehand", TypeError, "eager")
_FITTED = Unsupported("what is fitted depends on values; fit eager arrays", TypeError, "eager")
_SORTED = Unsupported("Dask has no sort; give edges= instead", ValueError, r"cannot.*edges=")

# (function, backend) -> why it does not run there. `Backend.run` asserts that it raises.
UNSUPPORTED: dict[tuple[str, str], Unsupported] = {
    ('calibration_bins(strategy="quantile")', "dask"): _SORTED,
    **{
        (function, backend): reason
        for function, reason in (
            ("sample_keys", _DRAWN),
            ("calibrate_teacher", _DRAWN),
            ("KernelCalibrator", _FITTED),
            ("TemperatureScaling", _FITTED),
            ("VectorScaling", _FITTED),
            ("select_bandwidth", _FITTED),
        )
        for backend in ("jax.jit", "dask")
    },
}

# What has run so far: function -> backend -> "yes" or the reason why not.
RAN: dict[str, dict[str, str]] = {}


@dataclasses.dataclass(frozen=True)
class Backend:
    """An array library on one device, in one mode."""

    name: str
    module: str
    device: str | None = None
    jit: bool = False
    minimal: bool = False

    @property
    def eager(self) -> bool:
        """Whether values may be looked at, so that bad ones raise."""
        return not self.jit and self.name != "dask"

    @property
    def checks_values(self) -> bool:
        """Whether values are looked at unasked: not on a GPU, where a check synchronises."""
        return self.eager and self.name not in ("cupy", "torch-cuda")

    @property
    def sums(self) -> str:
        """The dtype of the floating sums of a statistic: JAX has no float64 unasked."""
        if self.module != "jax":
            return "float64"
        return str(import_module("jax").dtypes.canonicalize_dtype("float64"))

    def unavailable(self) -> str | None:
        """Return why the backend cannot run on this machine, or None."""
        try:
            module = import_module(self.module)
        except ImportError:
            return f"{self.module} is not installed"
        if self.module == "cupy" and not module.cuda.is_available():
            return "CuPy finds no GPU"
        if self.device == "cuda" and not module.cuda.is_available():
            return "PyTorch finds no GPU"
        return None

    def array(self, values: Any, dtype: Any = None) -> Any:
        """Move a NumPy array to the library."""
        values = np.asarray(values, dtype)
        if self.module == "dask.array":
            chunks = tuple(max(1, (n + 1) // 2) for n in values.shape)
            return import_module("dask.array").from_array(values, chunks=chunks)
        if self.module == "array_api_strict":
            strict = import_module("array_api_strict")
            return strict.asarray(values, device=strict.Device(self.device or "CPU_DEVICE"))
        if self.module == "torch":
            torch = import_module("torch")
            return torch.tensor(values, device=self.device or "cpu")
        if self.module == "jax":
            return import_module("jax.numpy").asarray(values)
        if self.module == "cupy":
            return import_module("cupy").asarray(values)
        return frozen(values.view())

    def numpy(self, array: Any) -> np.ndarray:
        """Assert that the array is of this library and device, and move it to NumPy."""
        self.assert_native(array)
        if self.module == "torch":
            torch = import_module("torch")
            array = array.detach().cpu()
            return (array.float() if array.dtype == torch.bfloat16 else array).numpy()
        if self.module == "cupy":
            return array.get()
        if self.module == "dask.array":
            return np.asarray(array.compute())
        if self.module == "array_api_strict":
            strict = import_module("array_api_strict")
            return np.asarray(array.to_device(strict.Device("CPU_DEVICE"))._array)
        return np.asarray(array)

    def assert_native(self, array: Any) -> None:
        """Assert the library and device of a result."""
        if self.module == "numpy":
            assert isinstance(array, np.ndarray | np.generic), type(array)
        elif self.module == "torch":
            assert isinstance(array, import_module("torch").Tensor), type(array)
            assert array.device.type == (self.device or "cpu")
        elif self.module == "jax":
            assert isinstance(array, import_module("jax").Array), type(array)
        elif self.module == "cupy":
            assert isinstance(array, import_module("cupy").ndarray), type(array)
        elif self.module == "dask.array":
            assert isinstance(array, import_module("dask.array").Array), type(array)
        else:
            strict = import_module("array_api_strict")
            assert array.device == strict.Device(self.device or "CPU_DEVICE")

    def run(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call the function on this library's arrays; arrays in the result come back as NumPy's.

        What `UNSUPPORTED` lists must raise the error that it names, and ends the test there.
        """
        name = getattr(function, "__name__", "")
        unsupported = UNSUPPORTED.get((name, self.name))
        if unsupported is not None:
            with self.flags(), pytest.raises(unsupported.error, match=unsupported.match):
                self.native(function, *args, **options)
            self.record(name, unsupported.reason)
            pytest.xfail(f"{self.name}: {unsupported.reason}")
        found: list[np.ndarray] = []

        def moved(array: Any) -> np.ndarray:
            found.append(self.numpy(array))
            return found[-1]

        with self.flags():
            result = _map_arrays(self.native(function, *args, **options), moved)
        assert found, f"{name} returned no array but {result!r}"
        return result

    def record(self, name: str, outcome: str) -> None:
        """Keep how the function did here, for the support table."""
        RAN.setdefault(name, {})[self.name] = outcome

    def native(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call the function on this library's arrays and return what it returns."""
        args = tuple(self._move(a) for a in args)
        options = {k: self._move(v) for k, v in options.items()}
        if self.jit:
            return _jitted(function, args, options)
        if self.module == "dask.array":
            with _no_compute():
                return function(*args, **options)
        return function(*args, **options)

    def flags(self) -> Any:
        """Return the context of array-api-strict at its strictest, if this backend asks for it."""
        if not self.minimal:
            return nullcontext()
        return import_module("array_api_strict").ArrayAPIStrictFlags(
            boolean_indexing=False, data_dependent_shapes=False
        )

    def _move(self, value: Any) -> Any:
        return self.array(value) if isinstance(value, np.ndarray) else value


BACKENDS = [
    Backend("numpy", "numpy"),
    Backend("strict", "array_api_strict"),
    Backend("strict-device1", "array_api_strict", device="device1"),
    Backend("strict-minimal", "array_api_strict", minimal=True),
    Backend("torch", "torch"),
    Backend("torch-cuda", "torch", device="cuda"),
    Backend("jax", "jax"),
    Backend("jax.jit", "jax", jit=True),
    Backend("dask", "dask.array"),
    Backend("cupy", "cupy"),
]

# Each question is asked once: numbers on these, Hypothesis on two, one call a function on all.
NUMBERS = ("numpy", "strict-minimal", "torch", "torch-cuda", "jax.jit", "dask", "cupy")
THEOREMS = ("numpy", "torch")
in_float32 = pytest.mark.parametrize("dtype", ["float32"])  # where the dtype is not the question


def available(library: str | Backend) -> Backend:
    """Return the library, given itself or by its name, or skip the test with the reason."""
    found = next(b for b in BACKENDS if library in (b, b.name))
    reason = found.unavailable()
    if reason is not None:
        pytest.skip(reason)
    return found


def frozen(array: np.ndarray) -> np.ndarray:
    """Make a NumPy array read-only, so that a function that writes into its input fails."""
    array.flags.writeable = False
    return array


def leaves(value: Any) -> list[Any]:
    """Return what tuples and dataclasses hold, one after the other: arrays, and their options.

    Names of options, such as that of a score, are no values.
    """
    if isinstance(value, str):
        return []
    if isinstance(value, tuple):
        return [a for v in value for a in leaves(v)]
    if dataclasses.is_dataclass(value):
        return [a for f in dataclasses.fields(value) for a in leaves(getattr(value, f.name))]
    return [value]


def numbers(value: Any) -> list[np.ndarray]:
    """Return what a result holds as arrays of NumPy, one after the other."""
    return [np.asarray(a) for a in leaves(value)]


def _map_arrays(value: Any, function: Callable[[Any], Any]) -> Any:
    """Apply the function to every array in tuples and dataclasses."""
    if isinstance(value, tuple):
        return tuple(_map_arrays(v, function) for v in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, _Slot):
        changed = {
            f.name: _map_arrays(getattr(value, f.name), function) for f in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)  # type: ignore[type-var]
    return function(value) if hasattr(value, "shape") else value


def _jitted(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call a function under jax.jit with its arrays traced and all else static."""
    jax = import_module("jax")
    named = dict(enumerate(args)) | options  # positions are whole numbers, options names
    traced = {k: v for k, v in named.items() if isinstance(v, jax.Array)}
    structure: list[Any] = []

    def flat(arrays: dict[Any, Any]) -> list[Any]:
        found: list[Any] = []
        given = named | arrays
        positional = [given.pop(i) for i in range(len(args))]
        result = function(*positional, **given)
        structure.append(_map_arrays(result, lambda a: _Slot(found.append(a), len(found) - 1)))
        return found

    leaves = jax.jit(lambda *arrays: flat(dict(zip(traced, arrays, strict=True))))(*traced.values())
    return _map_arrays(structure[0], lambda slot: leaves[slot.index])


@dataclasses.dataclass(frozen=True, eq=False)
class _Slot:
    """The place of an array in the flat output of a jitted function."""

    nothing: None
    index: int
    shape: tuple[()] = ()


@contextmanager
def _no_compute() -> Iterator[None]:
    """Fail if Dask computes anything while a function should stay lazy."""
    dask = import_module("dask")

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the function computed a Dask array")

    with dask.config.set(scheduler=refuse):
        yield
