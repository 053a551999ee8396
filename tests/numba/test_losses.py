"""The compiled sums, cross-entropy and gradients against PyTorch in float64."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

import torch.nn.functional as F
from dice_semimetric_numba import losses as sums

from dice_semimetric._lib.seam import Pixels

ACTIVATIONS = {"softmax": lambda z: z.softmax(1), "sigmoid": torch.sigmoid, None: lambda z: z}


def draw(shape, activation, hard, mask, dtype):
    """Return a prediction, a target and a mask."""
    rng = np.random.default_rng(3)
    images, classes, *spatial = shape
    pred = rng.normal(0, 3, shape) if activation else rng.random(shape)
    labels = rng.integers(0, max(classes, 2), (images, *spatial))
    shapes = {"pixel": (images, 1, *spatial), "class": shape}
    kept = None if mask is None else rng.random(shapes[mask]) < 0.7
    return pred.astype(dtype), labels if hard else rng.random(shape).astype(np.float32), kept


class Reference:
    """The same by PyTorch's operations and its derivatives, in float64."""

    def __init__(self, pred, target, mask, activation) -> None:
        self.logits = torch.from_numpy(pred).double().requires_grad_()
        self.x = ACTIVATIONS[activation](self.logits)
        y = torch.from_numpy(target)
        if self.x.ndim > y.ndim:
            classes = self.x.shape[1]
            numbers = torch.arange(classes) + (classes == 1)
            y = (y[..., None] == numbers).movedim(-1, 1)
        self.y = y.double().requires_grad_()
        keep = torch.ones_like(self.x, dtype=torch.bool)
        self.keep = keep if mask is None else torch.from_numpy(mask).expand(pred.shape)
        self.shown = torch.where(self.keep, self.y, 0)
        self.axes = tuple(range(2, pred.ndim))

    def sums(self):
        x, y = torch.where(self.keep, self.x, 0), self.shown
        return torch.stack([t.sum(self.axes) for t in (x, y, (x - y).abs(), x * y)])

    def entropy(self, activation, weight, hard):
        weight = torch.from_numpy(weight).double().view(-1, *(1,) * len(self.axes))
        if activation == "softmax":
            mass = self.shown * weight
            count = mass.sum() if hard else self.keep.any(1).sum()
            return -(self.logits.log_softmax(1) * mass).sum(), count
        terms = F.binary_cross_entropy_with_logits(
            self.logits, self.y, pos_weight=weight, reduction="none"
        )
        return torch.where(self.keep, terms, 0).sum(), self.keep.sum()


CASES = list(
    itertools.product(
        ["softmax", "sigmoid", None],
        [True, False],
        [None, "pixel", "class"],
        [np.float32, np.float64, np.float16],
    )
)
SHAPES = [(2, 3, 7, 9), (1, 1, 40, 60), (2, 5, 80, 50)]


def pixels_of(pred, target, mask, activation) -> Pixels:
    dtype = np.float64 if pred.dtype == np.float64 else np.float32
    axis = tuple(range(2, pred.ndim))
    return Pixels(pred, target, mask, axis=axis, dtype=dtype, activation=activation)


def tolerance(dtype):
    """Return how far a gradient in that dtype may be from the exact one."""
    return {"rtol": 2e-3, "atol": 1e-3} if dtype == np.float16 else {"rtol": 1e-4, "atol": 3e-6}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("activation", "hard", "mask", "dtype"), CASES)
def test_sums_and_their_gradients(shape, activation, hard, mask, dtype) -> None:
    arrays = draw(shape, activation, hard, mask, dtype)
    pixels, exact = pixels_of(*arrays, activation), Reference(*arrays, activation)
    total, wrong = sums.sums(sums.pairs_of(pixels))
    assert not wrong
    table = exact.sums()
    np.testing.assert_allclose(total, table.detach(), rtol=2e-6, atol=1e-5)
    upstream = np.random.default_rng(4).normal(size=table.shape)
    slopes = torch.autograd.grad(table, (exact.logits, exact.y), torch.from_numpy(upstream))
    of_pred = np.empty_like(arrays[0])
    of_target = None if hard else np.empty_like(arrays[1])
    sums.gradients(sums.pairs_of(pixels, of_pred, of_target), upstream)
    np.testing.assert_allclose(of_pred, slopes[0], **tolerance(dtype))
    if of_target is not None:
        np.testing.assert_allclose(of_target, slopes[1], **tolerance(np.float32))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("activation", "hard", "mask", "dtype"), [c for c in CASES if c[0]])
def test_cross_entropy_and_its_gradient_go_along(shape, activation, hard, mask, dtype) -> None:
    arrays = draw(shape, activation, hard, mask, dtype)
    pixels, exact = pixels_of(*arrays, activation), Reference(*arrays, activation)
    weight = np.random.default_rng(6).random(shape[1]).astype(pixels.dtype)
    total, entropy, wrong = sums.sums_with_entropy(sums.pairs_of(pixels), weight)
    assert not wrong
    table, (value, count) = exact.sums(), exact.entropy(activation, weight, hard)
    np.testing.assert_allclose(total, table.detach(), rtol=2e-6, atol=1e-5)
    np.testing.assert_allclose(entropy, [value.item(), count.item()], rtol=1e-6, atol=1e-5)
    upstream = np.random.default_rng(4).normal(size=table.shape)
    loss = (table * torch.from_numpy(upstream)).sum() + 1.7 * value
    (slope,) = torch.autograd.grad(loss, exact.logits)
    of_pred = np.empty_like(arrays[0])
    sums.gradients(sums.pairs_of(pixels, of_pred), upstream, 1.7 * np.append(weight, 1))
    np.testing.assert_allclose(of_pred, slope, **tolerance(dtype))


@pytest.mark.parametrize("layout", ["last", "fortran", "slice", "backwards", "expanded"])
def test_any_layout_is_read_and_written(layout) -> None:
    pred, target, _ = draw((2, 3, 12, 10), "softmax", False, None, np.float32)
    lay = {
        "last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1),
        "fortran": np.asfortranarray,
        "slice": lambda a: np.repeat(a, 2, 3)[..., ::2],
        "backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
        "expanded": lambda a: np.broadcast_to(a[:1], a.shape),
    }[layout]
    if layout == "expanded":
        pred, target = np.repeat(pred[:1], 2, 0), np.repeat(target[:1], 2, 0)
    upstream = np.random.default_rng(4).normal(size=(4, 2, 3))
    plain, found = np.empty_like(pred), lay(np.zeros_like(pred))
    found = np.zeros_like(pred) if layout == "expanded" else found
    sums.gradients(sums.pairs_of(pixels_of(pred, target, None, "softmax"), plain), upstream)
    read_only = lay(pred)
    read_only.flags.writeable = False
    pixels = pixels_of(read_only, lay(target), None, "softmax")
    sums.gradients(sums.pairs_of(pixels, found), upstream)
    np.testing.assert_allclose(found, plain, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_classes_that_lie_together_are_as_those_that_lie_apart(
    classes, activation, hard, dtype
) -> None:
    pred, target, _ = draw((2, classes, 61, 73), activation, hard, None, dtype)
    apart = [pixels_of(pred, target, None, activation), np.zeros_like(pred)]
    last = [np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1) for a in (pred, target) if a.ndim == 4]
    near = [pixels_of(last[0], target if hard else last[1], None, activation)]
    near.append(np.moveaxis(np.zeros((2, 61, 73, classes), dtype), -1, 1))
    upstream = np.random.default_rng(4).normal(size=(4, 2, classes))
    for pixels, of_pred in (apart, near):
        sums.gradients(sums.pairs_of(pixels, of_pred), upstream)
    np.testing.assert_allclose(near[1], apart[1], rtol=1e-6, atol=1e-7)
    one, other = (sums.sums(sums.pairs_of(pixels))[0] for pixels, _ in (apart, near))
    np.testing.assert_allclose(one, other, rtol=1e-6)
    if activation:
        weight = np.ones(classes)
        one, other = (sums.sums_with_entropy(sums.pairs_of(p), weight)[1] for p, _ in (apart, near))
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_what_does_not_count_may_be_anything(activation) -> None:
    pred, target, mask = draw((2, 3, 9, 9), activation, False, "pixel", np.float32)
    weight = np.ones(3, np.float32)
    clean = sums.sums_with_entropy(sums.pairs_of(pixels_of(pred, target, mask, activation)), weight)
    hidden = ~np.broadcast_to(mask, pred.shape)
    pred[hidden], target[hidden] = np.nan, np.inf
    pixels = pixels_of(pred, target, mask, activation)
    for one, other in zip(
        sums.sums_with_entropy(sums.pairs_of(pixels), weight), clean, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    of_pred = np.empty_like(pred)
    sums.gradients(sums.pairs_of(pixels, of_pred), np.ones((4, 2, 3)), np.ones(4))
    assert np.isfinite(of_pred).all()
    assert not of_pred[hidden].any()


def test_rounding_beyond_zero_and_one_is_taken_off_where_values_are_checked() -> None:
    pred, target, mask = draw((2, 3, 40, 50), "softmax", False, "pixel", np.float32)
    off = np.where(target > 0.5, np.float32(1 + 2e-7), np.float32(-2e-7))
    near = off.clip(0, 1)
    given, meant = (sums.pairs_of(pixels_of(pred, t, mask, "softmax")) for t in (off, near))
    weight = np.ones(3)
    for found, expected in (
        (sums.sums(given, checked=True), sums.sums(meant)),
        (
            sums.sums_with_entropy(given.clipped(), weight),
            sums.sums_with_entropy(meant, weight),
        ),
    ):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    slopes = np.empty_like(pred), np.empty_like(pred)
    for pixels, of_pred in zip((off, near), slopes, strict=True):
        pairs = sums.pairs_of(pixels_of(pred, pixels, mask, "softmax"), of_pred)
        pairs = pairs.clipped() if pixels is off else pairs
        sums.gradients(pairs, np.ones((4, 2, 3)), np.ones(4))
    np.testing.assert_array_equal(*slopes)
    total, wrong = sums.sums(given)
    assert wrong
    assert (total != sums.sums(meant)[0]).any()


def test_a_class_that_is_ruled_out_costs_nothing() -> None:
    pred, target, _ = draw((1, 3, 5, 5), "softmax", True, None, np.float32)
    pred[:, 2], target = -np.inf, target.clip(0, 1)
    pixels = pixels_of(pred, target, None, "softmax")
    _, entropy, wrong = sums.sums_with_entropy(sums.pairs_of(pixels), np.ones(3, np.float32))
    exact = F.cross_entropy(torch.from_numpy(pred), torch.from_numpy(target), reduction="sum")
    assert not wrong
    np.testing.assert_allclose(entropy[0], exact, rtol=1e-6)
