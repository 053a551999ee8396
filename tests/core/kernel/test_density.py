"""Sums over keys: their addition, and PyTorch's own with its derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dice_semimetric.kernel.density import KernelRegression, kernel_sums


@given(st.integers(1, 29), st.integers(0, 2**32 - 1))
def test_sums_over_two_sets_of_keys_add_up(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_kernel, value = rng.normal(size=(30, 4)) * 300, rng.random((2, 30))

    def over(part: slice) -> KernelRegression:
        peak = log_kernel[part].max(axis=0)
        kernel = np.exp(log_kernel[part] - peak)
        return KernelRegression(peak, kernel.sum(axis=0), value[:, part] @ kernel)

    both, whole = over(slice(0, cut)) + over(slice(cut, 30)), over(slice(0, 30))
    np.testing.assert_allclose(both.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(both.log_total, whole.log_total, rtol=1e-12)


@pytest.mark.parametrize("skip_self", [False, True])
def test_torch_sums_and_their_derivatives_are_the_core_s(
    rng: np.random.Generator, skip_self: bool
) -> None:
    torch = pytest.importorskip("torch")
    kernel_attention = pytest.importorskip("dice_semimetric_torch.kernel_attention")
    shapes = ((3, 40), (40, 3), (40,), (2, 40))
    arrays = [torch.tensor(rng.normal(size=s), requires_grad=True) for s in shapes]

    def outcome(function: object) -> list:
        found = function(*arrays, skip_self=skip_self)
        total = sum((f**2).sum() for f in found)
        return [*found, *torch.autograd.grad(total, arrays)]

    for got, expected in zip(
        outcome(kernel_attention.kernel_sums), outcome(kernel_sums.__wrapped__), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)
