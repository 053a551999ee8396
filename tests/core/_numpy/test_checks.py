"""NumPy's own look at values: one bad value among many."""

import numpy as np
import pytest

import dice_semimetric as ds


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, -0.01, 1.01, np.inf, -np.inf])
def test_one_bad_value_among_many_is_found(rng, dtype, value) -> None:
    x = rng.random(70_000).astype(dtype)
    y = x.copy()
    x[66_000] = value
    for call in (ds.dice_score, ds.binarized_dice):
        with pytest.raises(ValueError, match="pred must lie in"):
            call(x, y)
        with pytest.raises(ValueError, match="target must lie in"):
            call(y, x)
    y[5] = -0.0
    y[6] = 1 + np.finfo("float32" if dtype == "float16" else dtype).eps  # rounding is forgiven
    assert ds.dice_score(y, y) == 1
