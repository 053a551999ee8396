"""Samples of a prepared data set as the cases that a network trains on."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")


from benchmarks.paper.datasets import Prepared, PreparedCase
from benchmarks.paper.samples import Samples, load_samples


def test_samples_are_the_tumour_at_the_asked_size(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 3, size=(5, 8, 8)).astype(np.uint8)
    image = rng.normal(size=(5, 1, 8, 8)).astype(np.float32)
    data = Prepared("ct", [PreparedCase("a", "a", "", 5, image, labels)], classes=2)
    got = Samples(data, [0], size=16)
    assert len(got) == 5
    assert got.names == ["a"] * 5
    for number in range(5):
        np.testing.assert_array_equal(got[number].raters[0, ::2, ::2], labels[number] == 2)
        assert got[number].image.shape == (1, 16, 16)
    assert isinstance(load_samples(data, [0]), list)
