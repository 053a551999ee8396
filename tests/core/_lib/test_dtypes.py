"""Dtypes: the option is one of the library's own; of arrays, each that there is is right."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from backends import Backend, leaves
from public_calls import CALLS, parameters

import dice_semimetric as ds

LABEL = np.array([[0, 1]])


@pytest.mark.parametrize("bad", ["float32", float, object(), 32])
def test_what_is_no_dtype_is_named(backend: Backend, bad: Any) -> None:
    if backend.module in ("jax", "dask.array") and bad is float:
        pytest.skip("JAX and Dask take Python's own float as a dtype")
    with pytest.raises(TypeError, match=r"dtype must be a dtype of .*; write dtype=.*\.float32"):
        backend.run(ds.one_hot, LABEL, num_classes=2, dtype=bad)


def test_a_dtype_of_another_library_is_named() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"dtype of numpy, got torch\.float32; write dtype=numpy"):
        ds.one_hot(LABEL, 2, dtype=torch.float32)
    with pytest.raises(TypeError, match=r"dtype of torch, got numpy\.float32; write dtype=torch"):
        ds.one_hot(torch.tensor(LABEL), 2, dtype=np.float32)


def test_integers_of_masks_are_not_for_soft_labels() -> None:
    assert ds.one_hot(LABEL, 2, dtype=np.uint8).dtype == np.uint8
    with pytest.raises(
        TypeError, match=r"dtype must be a floating dtype of numpy, got numpy\.uint8"
    ):
        ds.smooth_labels(LABEL, 2, epsilon=0.1, dtype=np.uint8)


def called(name: str, change: Callable[[np.ndarray], Any]) -> list[np.ndarray]:
    """Return the arrays that a public function makes of changed arrays."""
    call, options = CALLS[name]
    seed = {"rng": 0} if "rng" in parameters(call) else {}
    given = {k: change(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    return [np.asarray(a) for a in leaves(call(**given | seed)) if hasattr(a, "dtype")]


OF_ARRAYS = [
    name
    for name, (_, options) in CALLS.items()
    if any(isinstance(v, np.ndarray) for v in options.values())
]
OF_INTEGERS = [
    name
    for name, (_, options) in CALLS.items()
    if any(isinstance(v, np.ndarray) and v.dtype.kind == "i" for v in options.values())
]


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("name", OF_INTEGERS)
def test_every_integer_dtype_counts_alike(name: str, library: str) -> None:
    convert = np.asarray if library == "numpy" else pytest.importorskip("torch").tensor
    expected = called(name, convert)
    for bits, sign in itertools.product((8, 16, 32, 64), ("int", "uint")):
        dtype = f"{sign}{bits}"
        got = called(
            name, lambda a, d=dtype: convert(a.astype(d) if a.dtype.kind == "i" else a.copy())
        )
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=dtype)
            assert one.dtype in (other.dtype, np.dtype(dtype))  # a mask keeps the raters' own


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_the_order_of_bytes_is_of_no_influence(name: str) -> None:
    expected = called(name, np.asarray)
    got = called(name, lambda a: a.astype(a.dtype.newbyteorder()))
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype.isnative
        assert one.dtype == other.dtype
