"""Keys: how many of each class are drawn, on every library the same."""

import numpy as np
import pytest
from backends import Backend
from hypothesis import given
from hypothesis import strategies as st

from dice_semimetric import (
    sample_keys,
)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
def test_balanced_draws_a_quota_of_each_class(labels: list, n_keys: int, seed: int) -> None:
    label = np.array(labels)
    keys = sample_keys(label, n_keys, rng=np.random.default_rng(seed))
    assert len(set(keys.tolist())) == keys.size
    present = np.unique(label)
    quota = -(-n_keys // present.size)
    for c in present:
        assert (label[keys] == c).sum() == min(quota, (label == c).sum())


def test_every_library_draws_the_same_keys(backend: Backend, rng: np.random.Generator) -> None:
    label = rng.integers(0, 3, (4, 5, 6))
    for sampling in ("balanced", "proportional"):
        expected = sample_keys(label, 20, rng=np.random.default_rng(3), sampling=sampling)
        got = backend.run(sample_keys, label, 20, rng=np.random.default_rng(3), sampling=sampling)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("sampling", ["balanced", "proportional"])
def test_ignored_pixels_are_never_keys(rng: np.random.Generator, sampling: str) -> None:
    label = rng.choice(np.array([0, 1, 255], "uint8"), 200)
    keys = sample_keys(label, 500, rng=rng, sampling=sampling, ignore_index=255)
    np.testing.assert_array_equal(np.sort(keys), np.flatnonzero(label != 255))
    none = sample_keys(label[:1] * 0 + 255, 5, rng=rng, sampling=sampling, ignore_index=255)
    assert none.shape == (0,)


def test_proportional_keys_follow_the_classes(rng: np.random.Generator) -> None:
    label = (np.arange(10_000) < 1000).astype(int)
    keys = sample_keys(label, 2000, rng=rng, sampling="proportional")
    assert keys.size == 2000
    assert 0.08 < label[keys].mean() < 0.12


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"n_keys": 0}, ValueError, "n_keys must be at least 1, got 0"),
        ({"n_keys": 1.5}, TypeError, "n_keys must be an integer, got 1.5"),
        ({"rng": "0"}, TypeError, "rng must be None, an integer.*write rng=0"),
        ({"sampling": "all"}, ValueError, "sampling must be one of"),
        ({"label": np.zeros(3)}, TypeError, "label must be of an integer dtype"),
    ],
)
def test_bad_draws(change: dict, error: type[Exception], words: str) -> None:
    options = {"label": np.array([0, 1]), "n_keys": 2, "rng": np.random.default_rng(0)} | change
    with pytest.raises(error, match=words):
        sample_keys(**options)
