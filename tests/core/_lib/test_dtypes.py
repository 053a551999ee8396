"""The dtype option: one of the library's own, and the error says which to write."""

from typing import Any

import numpy as np
import pytest
from backends import Backend

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
