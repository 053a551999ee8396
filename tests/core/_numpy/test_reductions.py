"""NumPy's own sums: memory layouts, masks counted without a cast, sizes beyond a block."""

import numpy as np
import pytest
from backends import frozen

from dice_semimetric import overlap

FIELDS = ("pred", "target", "difference", "product")


@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed", "channels-last"])
def test_memory_layout_does_not_matter(rng: np.random.Generator, order: str) -> None:
    x, y = frozen((np.round(rng.random((2, 3, 70, 90, 40)) * 64) / 64).astype("float32"))
    layouts = {
        "C": np.ascontiguousarray,
        "F": np.asfortranarray,
        "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        "reversed": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
        "channels-last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    }
    result = overlap(layouts[order](x), y, axis=(1, 2, 3))
    for field, term in zip(FIELDS, (x, y, abs(x - y), x * y), strict=True):
        expected = term.astype(float).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(getattr(result, field), expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (), -1])
@pytest.mark.parametrize("masked", [None, (7, 1, 5), (7, 300, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_counts_masks_as_it_sums_their_floats(
    axis, masked, order, rng: np.random.Generator
) -> None:
    x, y = (np.asarray(rng.random((7, 300, 5)) < p, order=order) for p in (0.3, 0.6))
    mask = None if masked is None else rng.random(masked) < 0.5
    found = overlap(x, y, axis=axis, mask=mask)
    wanted = overlap(x.astype(float), y.astype(float), axis=axis, mask=mask)
    for field in ("pred", "target", "difference", "product"):
        np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field))
        assert getattr(found, field).dtype == np.float64


@pytest.mark.parametrize("shape", [(0,), (1,), (1 << 17,)])
def test_masks_of_any_size(shape) -> None:
    x = np.ones(shape, bool)
    found = overlap(x, ~x)
    assert (found.pred, found.target, found.difference, found.product) == (x.size, 0, x.size, 0)
