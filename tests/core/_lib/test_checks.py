"""Rounding beyond 0 and 1 acts as if it were not there; what lies farther is refused, in full."""

import inspect
from typing import Any

import numpy as np
import pytest
from backends import Backend
from public_calls import CALLS

import dice_semimetric as ds

RNG = np.random.default_rng(5)
HARD = RNG.integers(0, 3, (2, 12))
ONE_HOT = np.moveaxis(np.eye(3)[HARD], -1, 1)
OTHER = np.roll(ONE_HOT, 1, axis=2)
ROWS = np.eye(3)[RNG.integers(0, 3, 9)]
SOFT = {"pred": ONE_HOT, "target": OTHER, "prob": ONE_HOT, "label": OTHER, "key_prob": ROWS}
#: They take rows in place of batches.
OF_ROWS = ("kernel_calibration_error", "kernel_regression", "select_bandwidth")
OPTIONS: dict[str, dict[str, Any]] = {
    "smooth_labels": {"epsilon": 0.1},
    "calibrate_teacher": {"rng": 0},
    "binarized_dice": {"thresholds": (0.5, 1.0)},
    "region_loss": {"form": "sdl", "log": True},
    "calibration_bins": {"kind": "classwise", "n_bins": 3},
}


def soft_call(name: str, off: float, dtype: str) -> tuple[Any, dict[str, Any]]:
    """Return a call on soft arrays of 0 and 1, each off by that much, outwards."""
    call, given = CALLS[name]
    arrays = {p: SOFT[p] for p in inspect.signature(call).parameters if p in SOFT and p in given}
    if name in OF_ROWS:
        arrays = dict.fromkeys(arrays, ROWS)
    arrays = {p: np.where(a > 0, 1 + off, 0 - off).astype(dtype) for p, a in arrays.items()}
    return call, {k: v for k, v in given.items() if k != "num_classes"} | arrays | OPTIONS.get(
        name, {}
    ) | ({"key_label": np.arange(9) % 3} if "key_label" in given else {})


SOFT_NAMES = [
    name
    for name, (call, given) in CALLS.items()
    if {"pred", "prob"} & set(given) and not name.startswith("KernelCalibrator.predict")
] + ["smooth_labels"]


@pytest.mark.parametrize("name", SOFT_NAMES)
@pytest.mark.parametrize(("dtype", "off"), [("float32", 9e-7), ("float64", 9e-7)])
def test_rounding_changes_nothing(backend: Backend, name: str, dtype: str, off: float) -> None:
    if not backend.checks_values:
        pytest.skip("values are not looked at here")
    results = []
    for distance in (0.0, off):
        call, given = soft_call(name, distance, dtype)
        if name == "KernelCalibrator.fit":
            call = ds.KernelCalibrator().fit
        arrays = {k: backend.array(v) if isinstance(v, np.ndarray) else v for k, v in given.items()}
        with backend.flags():
            found = call(**arrays)
            if name == "KernelCalibrator.fit":
                found = found.predict_proba(arrays["prob"])
        results.append(found)
    first, second = (str(r) for r in results)
    assert first == second


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounding_of_half_precision_is_its_own(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 3, 4, dtype=getattr(torch, dtype))
    above = x * (1 + 2 * torch.finfo(x.dtype).eps)
    for function in (ds.dml1, ds.binarized_dice, ds.region_loss, ds.region_score):
        assert float(function(above, x)) == float(function(x, x))
    if dtype == "float16":
        for function in (ds.dml1, ds.binarized_dice, ds.region_loss, ds.region_score):
            assert function(above.numpy(), x.numpy()) == function(x.numpy(), x.numpy())


@pytest.mark.parametrize("name", SOFT_NAMES)
@pytest.mark.parametrize(("value", "words"), [(1.0000012, "1.0000012"), (-1.1e-6, "-1.1e-06")])
def test_what_lies_farther_is_refused_in_full(name: str, value: float, words: str) -> None:
    call, given = soft_call(name, 0.0, "float64")
    for argument in {"pred", "target", "prob", "key_prob"} & set(given):
        bad = given[argument].copy()
        bad[bad == (1 if value > 0 else 0)] = value
        with pytest.raises(ValueError, match=rf"^{argument} must lie in \[0, 1\].*{words}"):
            call(**given | {argument: bad})


@pytest.mark.parametrize("backend_name", ["numpy", "torch", "jax"])
def test_the_derivative_passes_through_rounding(backend_name: str) -> None:
    jax = pytest.importorskip("jax") if backend_name == "jax" else None
    torch = pytest.importorskip("torch")
    x = torch.tensor([1 + 5e-7, -5e-7, 0.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.5, 0.25, 0.5], dtype=torch.float64)
    ds.sdl(x, y).backward()
    assert (x.grad[:2] != 0).all()
    if jax is not None:
        found = jax.grad(lambda v: ds.sdl(v, jax.numpy.asarray(y.numpy())))(x.detach().numpy())
        assert (np.asarray(found)[:2] != 0).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([-3.0, 2.0], "values from -3 to 2; of logits take the softmax or sigmoid"),
        ([0.0, 255.0], "values from 0 to 255; divide by 255"),
        ([0.0, 3.0], "values from 0 to 3; of labels take one_hot"),
        ([0.0, np.nan], "NaN"),
    ],
)
def test_what_to_do(values: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=rf"pred must lie in \[0, 1\], got {words}$|{words}"):
        ds.dml1(np.array(values), np.array([0.0, 1.0]))
