"""NumPy's own calibration bins: volumes of many blocks in any memory order."""

import numpy as np
import pytest

import dice_semimetric as ds


def test_memory_order_and_many_blocks(rng) -> None:
    prob = rng.random((70, 60, 50)).astype(np.float32)
    label = rng.random(prob.shape) < prob
    edges = (np.arange(11) / 10).astype(np.float32)
    views = [(prob, label), (np.asfortranarray(prob), label), (prob[::-1, ::2], label[::-1, ::2])]
    for p, y in views:
        bins = ds.calibration_bins(p, y, kind="binary")
        place = np.digitize(p, edges[1:-1])
        for k in range(10):
            assert bins.count[k] == np.sum(place == k)
            assert bins.correct[k] == np.sum(y[place == k])
            assert bins.confidence[k] == pytest.approx(p[place == k].sum(dtype=float), rel=1e-6)
