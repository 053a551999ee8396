"""The trainable calibration error against ten obvious lines."""

import numpy as np
import pytest
import reference
from backends import Backend, in_float32
from reference import tolerance

import dice_semimetric as ds

N_BINS = 5


def error_of_class(p: np.ndarray, y: np.ndarray) -> float:
    """Return the mean gap of the bins that hold something, pixel by pixel in float64."""
    edges = (np.arange(N_BINS + 1) / N_BINS).astype(p.dtype)
    place = np.array([sum(e <= x for e in edges[1:-1]) for x in p.ravel()], int)
    p, y = p.ravel().astype(float), y.ravel().astype(float)
    inside = [place == k for k in range(N_BINS) if (place == k).any()]
    return float(np.mean([abs(p[i].mean() - y[i].mean()) for i in inside])) if inside else 0.0


def table(prob: np.ndarray, label: np.ndarray, kept: np.ndarray, per: str) -> np.ndarray:
    """Return (C,) for the batch, else (B, C); all arguments have one shape."""
    rows = [slice(None)] if per == "batch" else [slice(b, b + 1) for b in range(len(prob))]
    found = [
        [
            error_of_class(*(a[r, c][kept[r, c]] for a in (prob, label)))
            for c in range(prob.shape[1])
        ]
        for r in rows
    ]
    return np.array(found[0] if per == "batch" else found)


@in_float32
@pytest.mark.parametrize("per", ["batch", "image", "class"])
@pytest.mark.parametrize("target", ["labels", "soft", "masks"])
@pytest.mark.parametrize("classes", [1, 3])
def test_values(backend: Backend, rng, dtype, per, target, classes) -> None:
    shape = (3, classes, 4, 5)
    prob = rng.random(shape).astype(dtype)
    mask = rng.random((3, 4, 5)) < 0.7
    kept = np.broadcast_to(mask[:, None], shape)
    options = {"mask": mask, "per": per, "n_bins": N_BINS}
    label = rng.random(shape).astype(dtype)
    soft = label
    if target == "masks":
        soft = label = rng.random(shape) < 0.5
    elif target == "labels":
        label = rng.integers(0, max(classes, 2), (3, 4, 5))
        soft = reference.one_hot(label, max(classes, 2))[:, -classes:]
        label[:, 0, 0] = 9
        kept = kept & (label != 9)[:, None]
        options["ignore_index"] = 9
    expected = table(prob, soft, kept, per)
    result = backend.run(ds.calibration_loss, prob, label, **options, reduction="none")
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected, **tolerance(dtype))
    result = backend.run(ds.calibration_loss, prob, label, **options)
    np.testing.assert_allclose(result, expected.mean(), **tolerance(dtype))


@pytest.mark.parametrize("labels", [False, True])
def test_a_mask_of_each_class(rng, labels) -> None:
    prob, kept = rng.random((2, 3, 8)), rng.random((2, 3, 8)) < 0.6
    label = rng.integers(0, 3, (2, 8))
    soft = reference.one_hot(label, 3)
    options = {"mask": kept, "n_bins": N_BINS, "reduction": "none"}
    result = ds.calibration_loss(prob, label if labels else soft, **options)
    np.testing.assert_allclose(result, table(prob, soft, kept, "batch"), rtol=1e-12)


def test_options_of_classes(rng) -> None:
    logits, label = rng.normal(size=(2, 3, 30)), rng.integers(0, 2, (2, 30))
    options = {"activation": "softmax", "n_bins": N_BINS}
    prob, every = reference.softmax(logits), np.ones((2, 3, 30), bool)
    expected = table(prob, reference.one_hot(label, 3), every, "batch")
    for classes, some in (("present", [0, 1]), ((2, 0), [2, 0]), ("all", [0, 1, 2])):
        found = ds.calibration_loss(logits, label, classes=classes, **options)
        assert float(found) == pytest.approx(expected[some].mean())
    found = ds.calibration_loss(logits, label, weight=(1.0, 2.0, 0.0), reduction="sum", **options)
    assert float(found) == pytest.approx(expected @ [1, 2, 0])


def test_nothing_that_counts_has_no_loss(backend: Backend) -> None:
    prob, label = np.full((2, 3, 4), 0.5), np.zeros((2, 4), int)
    assert backend.run(ds.calibration_loss, prob, label, mask=np.zeros((2, 4), bool)) == 0
    assert float(ds.calibration_loss(prob[:0], label[:0])) == 0
    assert float(ds.calibration_loss(prob[..., :0], label[..., :0])) == 0


def test_bad_input_is_named_as_it_was_given() -> None:
    logits, label = np.full((1, 2, 4), 3.0), np.zeros((1, 4), int)
    with pytest.raises(ValueError, match="pred must lie in"):
        ds.calibration_loss(logits, label)
    with pytest.raises(ValueError, match="pred must hold finite logits"):
        ds.calibration_loss(logits * np.nan, label, activation="softmax")
    with pytest.raises(ValueError, match="target must hold labels from 0 to 1"):
        ds.calibration_loss(logits, label + 2, activation="softmax")
    with pytest.raises(ValueError, match="norm must be one of"):
        ds.calibration_loss(logits, label, norm="l3")
