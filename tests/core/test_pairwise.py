"""The losses of all pairs of masks, beside those of each pair alone."""

import numpy as np
import pytest

from dice_semimetric import overlap, overlap_loss, pairwise_loss, value_checks

RNG = np.random.default_rng(5)
QUERIES, TARGETS = RNG.random((5, 7, 9)), RNG.random((3, 7, 9))
FORMS = ["dml1", "dml2", "jml1", "jml2", "sdl", "sjl"]


def loop(pred, target, **options) -> np.ndarray:
    """Return the loss of each pair in float64."""
    pred, target = (np.asarray(a).astype(float) for a in (pred, target))
    rows = [[overlap_loss(overlap(x, y), **options) for y in target] for x in pred]
    return np.asarray(rows, float).reshape(len(pred), len(target))


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(
    "options",
    [*({"form": f} for f in FORMS), {"form": "ctl", "alpha": 0.3, "beta": 0.7}, {"smooth": 1.0}],
)
def test_it_is_the_loop(hard, options) -> None:
    target = TARGETS > 0.5 if hard else TARGETS
    np.testing.assert_allclose(
        pairwise_loss(QUERIES, target, **options), loop(QUERIES, target, **options), rtol=1e-12
    )


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32", "float16"])
@pytest.mark.parametrize("pred_dtype", ["float16", "float32"])
def test_dtypes(dtype, pred_dtype) -> None:
    pred, target = QUERIES.astype(pred_dtype), (TARGETS > 0.5).astype(dtype)
    found = pairwise_loss(pred, target)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, loop(pred, target), rtol=1e-5)


def test_batches_masks_and_nan() -> None:
    pred, target = RNG.random((2, 5, 7, 9)), RNG.random((2, 3, 7, 9))
    mask = RNG.random((2, 7, 9)) < 0.5
    expected = [loop(x[:, m], y[:, m]) for x, y, m in zip(pred, target, mask, strict=True)]
    pred, target = (np.where(mask[:, None], a, np.nan) for a in (pred, target))
    found = pairwise_loss(pred, target, batch_axes=1, mask=mask)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    one = pairwise_loss(pred[0], target[0], mask=mask[0])
    np.testing.assert_allclose(one, expected[0], rtol=1e-12)


def test_strides_and_logits() -> None:
    logits = RNG.normal(size=(30, 41, 4)).astype("float32").T[:, ::-1]
    target = (RNG.random((30, 41, 3)) < 0.5).T[:, ::-1]
    prob = 1 / (1 + np.exp(-logits.astype(float)))
    found = pairwise_loss(logits, target, activation="sigmoid")
    np.testing.assert_allclose(found, loop(prob, target), rtol=1e-5)


def test_more_pixels_than_a_block() -> None:
    pred, target = RNG.random((2, 150_000)), RNG.random((3, 150_000))
    for y in (target, target > 0.5):
        np.testing.assert_allclose(pairwise_loss(pred, y), loop(pred, y), rtol=1e-12)


@pytest.mark.parametrize(("queries", "targets", "pixels"), [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_nothing(queries, targets, pixels) -> None:
    for dtype in (float, bool):
        found = pairwise_loss(np.ones((queries, pixels)), np.ones((targets, pixels), dtype))
        assert found.shape == (queries, targets)
        assert not found.any()


def test_empty_masks_and_equal_ones() -> None:
    masks = np.array([[0.0, 0.0, 0.0], [0.5, 1.0, 0.0]])
    np.testing.assert_array_equal(pairwise_loss(masks, masks), [[0, 1], [1, 0]])


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"must have shapes \(Q, \*spatial\) and"):
        pairwise_loss(QUERIES, TARGETS[:, :5])
    with pytest.raises(ValueError, match="activation must be one of"):
        pairwise_loss(QUERIES, TARGETS, activation="softmax")
    with pytest.raises(TypeError, match="pred must be of a floating dtype"):
        pairwise_loss(QUERIES > 0.5, TARGETS)
    with pytest.raises(ValueError, match=r"target must lie in \[0, 1\]"):
        pairwise_loss(QUERIES, TARGETS + 1)
    with value_checks("never"):
        pairwise_loss(QUERIES, TARGETS + 1)


def test_gradients_in_torch() -> None:
    torch = pytest.importorskip("torch")
    for target in (torch.tensor(TARGETS), torch.tensor(TARGETS) > 0.5):
        pred = torch.tensor(QUERIES, requires_grad=True)
        weight = torch.rand(5, 3, dtype=torch.float64)
        (found,) = torch.autograd.grad((pairwise_loss(pred, target) * weight).sum(), pred)
        pairs = [overlap_loss(overlap(x, y.double())) for x in pred for y in target]
        value = (torch.stack(pairs).reshape(5, 3) * weight).sum()
        torch.testing.assert_close(found, torch.autograd.grad(value, pred)[0])


def test_a_nan_that_does_not_count_has_no_gradient() -> None:
    torch = pytest.importorskip("torch")
    pred = torch.tensor([[0.0, 1.0, float("nan")]], dtype=torch.float64, requires_grad=True)
    target, mask = torch.tensor([[0, 1, 0]]), torch.tensor([True, True, False])
    pairwise_loss(pred, target, activation="sigmoid", mask=mask).sum().backward()
    cut = pred.detach()[:, :2].requires_grad_()
    pairwise_loss(cut, target[:, :2], activation="sigmoid").sum().backward()
    torch.testing.assert_close(pred.grad[:, :2], cut.grad)
    assert float(pred.grad[0, 2]) == 0
