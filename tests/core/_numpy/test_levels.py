"""NumPy's own threshold counts: volumes of many blocks against a comparison for each threshold."""

import numpy as np
import pytest
from backends import frozen

import dice_semimetric as ds
from dice_semimetric.thresholds import THRESHOLDS

LADDERS = [None, (0.5,), (0.9, 0.15, 1.0), *(np.arange(1, n) / n for n in (3, 11, 12, 15, 16))]


@pytest.mark.parametrize("thresholds", LADDERS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_large_volumes_in_any_memory_order(rng, thresholds, dtype) -> None:
    levels = np.array(THRESHOLDS if thresholds is None else thresholds).astype(dtype)
    zero, one = levels.dtype.type(0), levels.dtype.type(1)
    around = [levels, np.nextafter(levels, zero), np.nextafter(levels, one), [zero, one]]
    x, y = rng.choice(np.concatenate(around), (2, 2, 110, 100, 51))
    mask = rng.random((110, 100, 51)) < 0.9
    for array in (x, y, mask):
        frozen(array)
    for m, layouts in (
        (None, ((x, y), (np.asfortranarray(x), y))),
        (mask[::-1].copy(), ((x[:, ::-1], y[:, ::-1]),)),
    ):
        wanted = {field: [] for field in ("pred", "target", "both")}
        for t in levels:
            a, b = ((v >= t if m is None else (v >= t) & mask) for v in (x, y))
            for field, flags in (("pred", a), ("target", b), ("both", a & b)):
                wanted[field].append([np.count_nonzero(one) for one in flags])
        for a, b in layouts:
            each = ds.threshold_counts(a, b, thresholds=thresholds, axis=(1, 2, 3), mask=m)
            whole = ds.threshold_counts(a, b, thresholds=thresholds, mask=m)
            for field, counts in wanted.items():
                np.testing.assert_array_equal(getattr(each, field), counts)
                np.testing.assert_array_equal(getattr(whole, field), np.sum(counts, axis=1))


@pytest.mark.parametrize("size", [300, 800_000])
def test_hard_targets_reach_every_threshold_or_none(rng, size) -> None:
    x = rng.random((2, 2, size))
    label, mask = rng.integers(0, 2, (2, size)), rng.random((2, 1, size)) < 0.9
    hard = np.stack([label == 0, label == 1], axis=1)
    expected = ds.threshold_counts(x, hard.astype(float), axis=2, mask=mask)
    found = [
        ds.threshold_counts(x, hard, axis=2, mask=mask),
        ds.threshold_counts(x, hard.astype(np.uint8), axis=2, mask=mask),
    ]
    for got in found:
        for name in ("pred", "target", "both"):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    options = {"mask": mask[:, 0], "score": "bdice", "reduction": "none", "per": "image"}
    score = ds.region_score(x, label, **options)
    np.testing.assert_allclose(score, expected.binarized_dice(), rtol=1e-12)


def test_unchecked_values_are_compared_as_they_are() -> None:
    x = np.tile(np.array([np.nan, -np.inf, -3, 0.5, 26.0, np.inf], np.float32), 200_000)
    with ds.value_checks("never"):
        counts = ds.threshold_counts(x, x)
    np.testing.assert_array_equal(counts.both, [600_000] * 5 + [400_000] * 4)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_large_volumes_of_two_floating_dtypes(rng, dtype) -> None:
    """What is equally spaced in one dtype need not be so in the other."""
    x, hard = rng.random(1_050_000, np.float32), rng.random(1_050_000) < 0.5
    found = ds.threshold_counts(x, hard.astype(dtype))
    reached = [np.sum(x >= np.float32(t)) for t in THRESHOLDS]
    both = [np.sum((x >= np.float32(t)) & hard) for t in THRESHOLDS]
    np.testing.assert_array_equal(found.pred, reached)
    np.testing.assert_array_equal(found.target, np.sum(hard))
    np.testing.assert_array_equal(found.both, both)
