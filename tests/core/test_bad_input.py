"""What the core says of input it cannot take: the argument, what was expected, what came."""

import numpy as np
import pytest
from backends import Backend, frozen

from dice_semimetric import (
    Overlap,
    calibration_bins,
    dml1,
    overlap,
    region_loss,
    region_overlap,
    value_checks,
)

X = frozen(np.full((2, 3, 4), 0.5))
LABEL = frozen(np.zeros((2, 4), np.int64))


@pytest.mark.parametrize("bad", [[0.5, 0.5], 0.5, "x", {"a": 1}])
def test_no_array(bad) -> None:
    with pytest.raises(TypeError, match="target must be an array of a library"):
        dml1(X, bad)


def test_two_libraries() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"one array library, got pred: numpy.*target: torch"):
        dml1(X, torch.ones(2, 3, 4))


def test_two_devices() -> None:
    strict = pytest.importorskip("array_api_strict")
    there = strict.asarray(X, device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"one device, got pred: .*CPU.*target: .*device1"):
        dml1(strict.asarray(X), there)


def test_two_devices_of_torch() -> None:
    torch = pytest.importorskip("torch")
    x = torch.full((2, 3, 4), 0.5)
    with pytest.raises(ValueError, match="one device, got pred: cpu, target: meta"):
        region_loss(x, x.to("meta"))


def test_two_shapes(every_backend: Backend) -> None:
    with pytest.raises(ValueError, match=r"one shape, got \(2, 3, 4\) and \(2, 3\)"):
        every_backend.run(dml1, X, X[..., 0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.1, 1.1])
@pytest.mark.parametrize("which", ["pred", "target"])
def test_value_outside_the_unit_interval(every_backend: Backend, value: float, which: str) -> None:
    bad = X.copy()
    bad[1, 2, 3] = value
    pred, target = args = (bad, X) if which == "pred" else (X, bad)
    message = rf"{which} must lie in \[0, 1\], got"
    if every_backend.checks_values:
        with pytest.raises(ValueError, match=message):
            every_backend.run(overlap, *args)
    else:
        assert_sums(every_backend.run(overlap, *args), pred, target)
    with value_checks("never"):
        assert_sums(every_backend.run(overlap, *args), pred, target)
    if every_backend.eager:
        with value_checks("always"), pytest.raises(ValueError, match=message):
            every_backend.run(overlap, *args)


def assert_sums(result: Overlap, x: np.ndarray, y: np.ndarray) -> None:
    """Assert that bad values are summed as they are."""
    for field, values in (("pred", x), ("target", y), ("difference", abs(x - y))):
        np.testing.assert_allclose(getattr(result, field), values.sum(), rtol=1e-12)
    np.testing.assert_allclose(result.product, (x * y).sum(), rtol=1e-12)


def test_rounding_beyond_one_is_no_error(every_backend: Backend, dtype) -> None:
    x = np.full((5,), np.nextafter(np.array(1, dtype), np.array(2, dtype)))
    result = every_backend.run(overlap, x, x)
    assert result.difference == 0
    np.testing.assert_allclose([result.pred, result.target, result.product], 5, rtol=1e-6)


def test_the_sigmoid_of_an_infinite_logit_is_one() -> None:
    logits = np.zeros((2, 3, 4))
    logits[0, 0, 0] = np.inf
    sure = 1 / (1 + np.exp(-logits))
    assert region_loss(logits, LABEL, activation="sigmoid") == region_loss(sure, LABEL)


@pytest.mark.parametrize(
    ("value", "activation"), [(np.nan, "softmax"), (np.inf, "softmax"), (np.nan, "sigmoid")]
)
def test_nan_logits(value: float, activation) -> None:
    logits = np.zeros((2, 3, 4))
    logits[0, 0, 0] = value
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match=f"finite logits, got some whose {activation} is NaN"),
    ):
        region_loss(logits, LABEL, activation=activation)


@pytest.mark.parametrize("bad", [-1, 3, 255])
def test_label_out_of_range(every_backend: Backend, bad: int) -> None:
    label = LABEL.copy()
    label[0, 1] = bad
    if every_backend.checks_values:
        with pytest.raises(ValueError, match=rf"labels from 0 to 2, got values from .*{abs(bad)}"):
            every_backend.run(region_overlap, X, label)
        with pytest.raises(ValueError, match=r"labels from 0 to 2 or be ignore_index=7"):
            every_backend.run(region_overlap, X, label, ignore_index=7)
    else:  # of no class
        for options in ({}, {"ignore_index": 7}):
            result = every_backend.run(region_overlap, X, label, **options)
            np.testing.assert_array_equal(result.target, [[3, 0, 0], [4, 0, 0]])
            np.testing.assert_array_equal(result.pred, np.full((2, 3), 2.0))
    ignored = every_backend.run(region_overlap, X, label, ignore_index=bad)
    np.testing.assert_array_equal(ignored.target, [[3, 0, 0], [4, 0, 0]])
    np.testing.assert_array_equal(ignored.pred, [[1.5] * 3, [2.0] * 3])


@pytest.mark.parametrize("pixels", [40_000, 100_000])  # for blocks, and for compiled kernels
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_wrong_labels_are_told_of_all_pixels(
    every_backend: Backend, pixels: int, dtype: str
) -> None:
    """They come before a wrong probability, and the mask hides none."""
    if not every_backend.checks_values:
        pytest.skip("values are not looked at here")
    prob = np.full((2, 3, pixels), 1 / 3, np.float32)
    label = np.zeros((2, pixels), dtype)
    label[0, 1], label[1, -2], label[1, -1] = 3, 200, 7
    shown = np.ones((2, pixels), bool)
    shown[1, -2:] = False
    first = prob.copy()
    first[0, 0, 0] = 2
    for function, name in ((region_overlap, "target"), (calibration_bins, "label")):
        for pred, options in ((prob, {}), (first, {}), (prob, {"mask": shown})):
            with pytest.raises(ValueError, match=rf"^{name} must hold .* 0 to 2, got .* 0 to 200$"):
                every_backend.run(function, pred, label, **options)
        with pytest.raises(ValueError, match=r"or be ignore_index=200, got values from 0 to 7$"):
            every_backend.run(function, prob, label, ignore_index=200, mask=shown)
        known = np.where(label > 0, 200, label).astype(dtype)
        every_backend.run(function, prob, known, ignore_index=200, mask=shown)
    marks = np.where(label > 3, 2, 0).astype(dtype)
    with pytest.raises(ValueError, match=r"^label must hold .* from 0 to 1, got .* from 0 to 2$"):
        every_backend.run(calibration_bins, first[:, 0], marks, kind="binary")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (X[:, :2], r"got shape \(2, 2, 4\)"),
        (LABEL > 0, r"got shape \(2, 4\) and dtype .*bool"),
        (LABEL.astype(float), r"got shape \(2, 4\) and dtype .*float64"),
        (LABEL[:1], r"got shape \(1, 4\)"),
    ],
)
def test_neither_labels_nor_soft(every_backend: Backend, target, message: str) -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(2, 4\) or soft labels of.*" + message):
        every_backend.run(region_loss, X, target)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"form": "dice"}, ValueError, "form must be one of 'dml1'.*got 'dice'"),
        ({"per": "pixel"}, ValueError, "per must be one of"),
        ({"reduction": "avg"}, ValueError, "reduction must be one of"),
        ({"activation": "tanh"}, ValueError, "activation must be one of"),
        ({"classes": "some"}, ValueError, "classes must be one of 'all', 'present'"),
        ({"classes": [3]}, ValueError, "classes must be from 0 to 2, got 3"),
        ({"classes": []}, ValueError, "at least one number"),
        ({"weight": [1.0]}, ValueError, "each of the 3 classes, got shape"),
        ({"alpha": 0.3}, ValueError, "alpha and beta are for"),
        ({"form": "ctl", "alpha": -1.0}, ValueError, "alpha must be at least 0, got -1"),
        ({"gamma": 0.0}, ValueError, "gamma must be above 0"),
        ({"smooth": -1.0}, ValueError, "smooth must be at least 0"),
        ({"focal_exponent": "other"}, ValueError, "focal_exponent must be one of"),
        ({"mask": np.ones((2, 4))}, TypeError, "mask must be of dtype bool, got .*float64"),
        ({"mask": np.ones((5, 4), bool)}, ValueError, r"mask must broadcast to shape \(2, 3, 4\)"),
        ({"ignore_index": 0}, ValueError, "ignore_index is for integer targets; use mask"),
    ],
)
def test_options(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        region_loss(X, X, **options)


@pytest.mark.parametrize("axis", [3, -4, (0, 0), (0, -3), 1.5])
def test_axis(axis) -> None:
    with pytest.raises((ValueError, TypeError), match=r"axis|float"):
        dml1(X, X, axis=axis)


def test_integer_prediction_of_a_region() -> None:
    with pytest.raises(TypeError, match="pred must be of a floating dtype, got int64"):
        region_loss(X.astype(np.int64), LABEL)


def test_checks_mode() -> None:
    with pytest.raises(ValueError, match="mode must be one of"), value_checks("sometimes"):
        pass


def test_checks_never_break_a_jitted_function() -> None:
    jax = pytest.importorskip("jax")
    pred, target = jax.numpy.asarray(X * 3), jax.numpy.asarray(X)
    with value_checks("always"):
        assert float(jax.jit(dml1)(pred, target)) == 0.5


def test_a_dtype_that_numpy_only_carries_is_named() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = np.array([0.5, 0.25], bfloat16)
    with pytest.raises(TypeError, match=r"got bfloat16; write pred\.astype"):
        dml1(x, x)
    with pytest.raises(TypeError, match=r"got bfloat16; write prob\.astype"):
        calibration_bins(x, x, kind="binary")
