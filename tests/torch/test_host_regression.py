"""The compiled regression under autograd, and PyTorch's own operations where it is absent."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from dice_semimetric_torch import kernel_attention

from dice_semimetric import kernel_calibration_error, kernel_regression
from dice_semimetric.kernel.density import kernel_sums


def tensors(n: int, m: int, num_classes: int, dtype: torch.dtype = torch.float64) -> list:
    torch.manual_seed(3)
    shapes = ((num_classes, n), (m, num_classes), (m,), (num_classes, m))
    wide = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    return [t.requires_grad_() for t in (*wide[:3], wide[3].to(dtype))]


def outcome(function: object, arrays: list, skip_self: bool) -> list:
    found = function(*arrays, skip_self=skip_self)
    total = sum((f.double() ** 2).sum() for f in found)
    return [*found, *torch.autograd.grad(total, arrays)]


@pytest.mark.parametrize("skip_self", [False, True])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_sums_and_derivatives_are_the_core_s(monkeypatch, compiled, dtype, skip_self) -> None:
    if not compiled:
        monkeypatch.setattr(kernel_attention, "regression", lambda: None)
    arrays = tensors(150, 150, 3, dtype)
    found = outcome(kernel_attention.kernel_sums, arrays, skip_self)
    assert ("HostSums" in type(found[0].grad_fn).__name__) == compiled
    tolerance = 1e-10 if dtype == torch.float64 else 2e-5
    expected = outcome(kernel_sums.__wrapped__, arrays, skip_self)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_gradcheck() -> None:
    arrays = tensors(6, 5, 3)
    assert torch.autograd.gradcheck(
        lambda *given: kernel_attention.kernel_sums(*given, skip_self=False), arrays
    )


def test_more_keys_than_a_tile_holds() -> None:
    arrays = tensors(20, 3000, 2)
    found = outcome(kernel_attention.kernel_sums, arrays, False)
    for a, b in zip(found, outcome(kernel_sums.__wrapped__, arrays, False), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_what_needs_no_gradient_is_as_in_numpy(num_threads: int) -> None:
    rng = np.random.default_rng(0)
    prob, keys = (rng.dirichlet([1, 1, 1], n).astype("float32") for n in (20_000, 100))
    label = rng.integers(0, 3, 100)
    expected = kernel_regression(prob, keys, label, bandwidth=1e-3)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(num_threads)
        found = kernel_regression(*map(torch.tensor, (prob, keys, label)), bandwidth=1e-3)
        learns = torch.tensor(prob, requires_grad=True)
        same = kernel_regression(learns, torch.tensor(keys), torch.tensor(label), bandwidth=1e-3)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(same.detach(), found, rtol=0, atol=0)


def test_tensors_that_share_memory_in_an_odd_way() -> None:
    rows = torch.rand(300, 3, dtype=torch.complex128).imag.softmax(1)
    wide = torch.randn(600, 3, dtype=torch.complex128).conj().imag[::2].softmax(1)
    for prob in (rows, wide):
        label = torch.arange(300) % 3
        leaf = prob.detach().clone().requires_grad_()
        value = kernel_calibration_error(leaf, label, bandwidth=1e-2)
        value.backward()
        plain = kernel_calibration_error(prob.detach(), label, bandwidth=1e-2)
        torch.testing.assert_close(value.detach(), plain)
        assert bool(torch.isfinite(leaf.grad).all())
