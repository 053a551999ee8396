"""The kernel's sums over keys in PyTorch: attention with exponents in float64.

``scaled_dot_product_attention`` is the same computation, but in float32 its scores are off by 0.03
where they reach 5e5, and in float64 it is slower on a CPU and holds n x m on a GPU. Here a tile of
scores is formed in float64, shifted by each pixel's largest, and rounded to the dtype of the
result before the exponential. The tiles are written over one another, and formed anew in the
backward pass. On a host Numba does both passes, where it is installed.
"""

from collections.abc import Iterator
from typing import Any

import torch
from dice_semimetric_numba.kernels import regression
from torch import Tensor

from dice_semimetric._lib.devices import is_eager
from dice_semimetric.kernel.density import KEYS, block_length, lowest_exponent

from ._inputs import plain


def kernel_sums(query: Tensor, key: Tensor, bias: Tensor, value: Tensor, *, skip_self: bool) -> Any:
    """Return what `dice_semimetric.kernel.density.kernel_sums` does, differentiable once.

    One tile holds all keys; larger sets, and what cannot be looked at, are left to the core. What
    needs no gradient on a host was lent to NumPy's kernels before it came here.
    """
    arrays = (query, key, bias, value)
    if query.shape[1] == 0 or not is_eager(*arrays):
        return NotImplemented
    query, key, bias, value = (plain(a) for a in arrays)
    learns = torch.is_grad_enabled() and any(a.requires_grad for a in arrays)
    if learns and query.device.type == "cpu" and regression() is not None:
        from ._host_regression import HostSums

        return HostSums.apply(query, key, bias, value, skip_self)  # type: ignore[no-untyped-call]
    if key.shape[0] > KEYS:
        return NotImplemented
    if learns:
        return _KernelSums.apply(query, key, bias, value, skip_self)  # type: ignore[no-untyped-call]
    return _forward(query, key, bias, value, skip_self)


def _forward(
    query: Tensor, key: Tensor, bias: Tensor, value: Tensor, skip_self: bool
) -> tuple[Tensor, Tensor]:
    n, dtype = query.shape[1], value.dtype
    value_and_one = torch.cat([value, value.new_ones(1, value.shape[1])])
    sums = value.new_empty(value_and_one.shape[0], n)
    peak = query.new_empty(n)
    lowest = lowest_exponent(torch, dtype)
    scratch = None
    for columns, score in _scores(query, key, bias, skip_self):
        top = peak[columns]
        torch.amax(score, dim=0, out=top)
        score.sub_(top)
        if scratch is None or scratch.shape != score.shape:
            scratch = torch.empty_like(score, dtype=dtype)
        scratch.copy_(score).clamp_(min=lowest).exp_()
        torch.mm(value_and_one, scratch, out=sums[:, columns])
    return sums[:-1] / sums[-1], peak + sums[-1].log()


def _scores(
    query: Tensor, key: Tensor, bias: Tensor, skip_self: bool
) -> Iterator[tuple[slice, Tensor]]:
    """Yield ln k of all keys at a block of pixels, each in the memory of the last."""
    n, m = query.shape[1], key.shape[0]
    step = block_length(query, m)
    left = torch.cat([key, bias[:, None]], dim=1)
    memory = query.new_empty(m * min(step, n))
    for start in range(0, n, step):
        columns = slice(start, min(start + step, n))
        block = query[:, columns]
        right = torch.cat([block, block.new_ones(1, block.shape[1])])
        score = memory[: m * block.shape[1]].view(m, block.shape[1])
        torch.mm(left, right, out=score)
        if skip_self:
            score[columns].fill_diagonal_(torch.finfo(score.dtype).min / 4)
        yield columns, score


class _KernelSums(torch.autograd.Function):
    """The derivative in closed form; it keeps one number for each pixel and nothing for pairs."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, bias: Tensor, value: Tensor, skip_self: bool
    ) -> tuple[Tensor, Tensor]:
        mean, log_total = _forward(query, key, bias, value, skip_self)
        ctx.save_for_backward(query, key, bias, value, mean, log_total)
        ctx.skip_self = skip_self
        return mean, log_total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_log: Tensor) -> tuple[Tensor | None, ...]:
        query, key, bias, value, mean, log_total = ctx.saved_tensors
        wide = query.dtype
        grad, mean, values = (t.to(wide) for t in (grad, mean, value))
        constant = grad_log - (grad * mean).sum(dim=0)
        out = [torch.zeros_like(t, dtype=wide) for t in (query, key, bias, value)]
        lowest = lowest_exponent(torch, wide)
        for columns, score in _scores(query, key, bias, ctx.skip_self):
            g = grad[:, columns]
            weight = (score - log_total[columns]).clamp_(min=lowest).exp_()
            out[3] += g @ weight.T
            weight *= values.T @ g + constant[columns]
            out[0][:, columns] = key.T @ weight
            out[1] += weight @ query[:, columns].T
            out[2] += weight.sum(dim=1)
        return out[0], out[1], out[2], out[3].to(value.dtype), None
