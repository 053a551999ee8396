"""CuPy's bins of confidence: the CUDA sources, run on a processor, against the core's own."""

from typing import Any

import numpy as np
import pytest

from dice_semimetric._lib.seam import Pixels
from dice_semimetric.bins import bin_sums as accelerated

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy import kernels
from emulation import Emulated

generic = accelerated.__wrapped__


@pytest.fixture(params=[False, True], ids=["forward", "reverse"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Emulated:
    """A processor in the place of the GPU, its threads in either order."""
    found = Emulated(reverse=request.param)
    monkeypatch.setattr(kernels, "device", lambda: found)
    return found


def pixels(prob: Any, label: Any, mask: Any, kind: str, **options: Any) -> Pixels:
    """Return the arrays as `calibration_bins` hands them over."""
    binary = kind == "binary"
    axis = tuple(a for a in range(prob.ndim) if binary or a != 1)
    mask = mask if binary or mask is None else mask[:, None]
    return Pixels(prob, label, mask, axis=axis, **options)


def check(
    prob: Any, label: Any, mask: Any = None, *, edges: Any, kind: str, **options: Any
) -> None:
    """Compare with the generic reduction in float64."""
    dtype = np.dtype("float64" if prob.dtype == np.float64 else "float32")
    edges = np.asarray(edges, dtype)
    got = kernels.bin_sums(pixels(prob, label, mask, kind, dtype=dtype, **options), edges, kind)
    assert got is not NotImplemented
    exact = pixels(prob.astype(dtype), label, mask, kind, dtype=dtype, **options)
    want = generic(exact, edges, kind)
    np.testing.assert_array_equal(got[0], want[0])
    for one, other in zip(got[1:], want[1:], strict=True):
        assert one.dtype == float
        np.testing.assert_allclose(
            one, other, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6
        )


def draw(rng: Any, shape: Any, dtype: Any = "float32") -> Any:
    """Draw probabilities with ties, exact edges, zeros and ones among them."""
    some = np.where(
        rng.random(shape) < 0.3, rng.choice(np.arange(11) / 10, shape), rng.random(shape)
    )
    return some.astype(dtype)


EDGES = {
    "uniform": np.arange(11) / 10,
    "one": [0.0, 1.0],
    "close": [0.0, 0.5, 0.5, 0.501, 0.502, 0.503, 1.0],
    "many": np.linspace(0, 1, 61),
}


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_pairs(device: Emulated, rng: Any, edges: Any, dtype: str) -> None:
    prob = draw(rng, (3, 1031), dtype)
    check(prob, draw(rng, prob.shape, dtype), edges=edges, kind="binary")
    check(
        prob,
        rng.random(prob.shape) < prob,
        rng.random(prob.shape) < 0.7,
        edges=edges,
        kind="binary",
    )


def test_integer_labels_of_pairs(device: Emulated, rng: Any) -> None:
    prob, label = draw(rng, (4, 300)), rng.integers(0, 2, (4, 300)).astype(np.uint8)
    label[0] = 255
    check(prob, label, edges=EDGES["uniform"], kind="binary", ignore_index=255)


@pytest.mark.parametrize("kind", ["top_label", "classwise"])
@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("order", ["C", "F", "stepped"])
def test_images(device: Emulated, rng: Any, kind: str, soft: bool, order: str) -> None:
    prob = draw(rng, (2, 3, 13, 22))
    label: Any = draw(rng, prob.shape) if soft else rng.integers(0, 4, (2, 13, 22))
    mask = rng.random((2, 13, 22)) < 0.8
    if order == "F":
        prob, label, mask = (np.asfortranarray(a) for a in (prob, label, mask))
    elif order == "stepped":
        prob, label, mask = (a[..., ::2] for a in (prob, label, mask))
    edges = EDGES["uniform"]
    check(prob, label, mask, edges=edges, kind=kind, ignore_index=None if soft else 3)
    if kind == "classwise":
        check(prob, label, edges=np.stack([edges, edges**2, edges**3]), kind=kind)


@pytest.mark.parametrize("soft", [True, False])
def test_the_background_that_one_class_leaves(device: Emulated, rng: Any, soft: bool) -> None:
    prob = draw(rng, (2, 1, 13, 22))
    label: Any = draw(rng, prob.shape) if soft else rng.integers(0, 2, (2, 13, 22))
    mask = rng.random((2, 13, 22)) < 0.8
    check(prob, label, mask, edges=EDGES["uniform"], kind="top_label")


def test_what_lies_outside_goes_into_the_outermost_bins(device: Emulated) -> None:
    prob = np.float32([-1, 0, 1, 2, 1e30, -1e30] * 30)
    check(prob, np.ones_like(prob), edges=[0.2, 0.4, 0.6, 0.8], kind="binary")


def test_what_is_left_to_the_core(device: Emulated, rng: Any) -> None:
    prob, label = draw(rng, (2, 1, 200)), rng.integers(0, 2, (2, 200))
    few, many = (np.linspace(0, 1, n, dtype="f4") for n in (11, 2000))
    for edges, kind, checked in (
        (few, "classwise", False),
        (many, "binary", False),
        (few, "binary", True),
    ):
        if kind == "binary":
            prob, label = prob.reshape(-1), label.reshape(-1)
        some = pixels(prob, label, None, kind, checked=checked, dtype=prob.dtype)
        got = kernels.bin_sums(some, edges, kind)
        assert got is NotImplemented
    assert device.launches == []
