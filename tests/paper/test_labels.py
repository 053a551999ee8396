"""What several raters' masks become in training."""

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")


from benchmarks.paper.config import LABELS, Config
from benchmarks.paper.crops import training_label


def test_labels(rng: np.random.Generator) -> None:
    raters = rng.random((5, 6, 7)) < 0.5
    majority = (raters.sum(axis=0) > 2).astype(float)
    dice = np.array([1 - reference.loss("sdl", r, majority) for r in raters])
    expected = {
        "uniform": raters.mean(axis=0),
        "majority": majority,
        "weighted": np.tensordot(dice / dice.sum(), raters, axes=1),
        "ls": 0.8 * majority + 0.1,
    }
    for kind in LABELS:
        label = training_label(raters, Config(labels=kind, smoothing=0.2), rng)
        assert label.dtype == np.float32
        if kind == "random":
            assert any(np.array_equal(label, r) for r in raters)
        else:
            np.testing.assert_allclose(label, expected[kind], atol=1e-6)
