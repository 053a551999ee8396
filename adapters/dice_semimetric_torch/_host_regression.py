"""The kernel's sums over keys and their derivative on a host, compiled by Numba."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from dice_semimetric_numba import regression
from torch import Tensor

from dice_semimetric._lib.threads import threads


class HostSums(torch.autograd.Function):
    """`dice_semimetric.kernel.density.kernel_sums`; it keeps one number for each pixel."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, bias: Tensor, value: Tensor, skip_self: bool
    ) -> tuple[Tensor, Tensor]:
        given = query, key, bias, value
        with threads(torch.get_num_threads()):
            found = regression.kernel_sums(*_arrays(given), skip_self=skip_self)
        mean, log_total = (torch.from_numpy(array) for array in found)
        ctx.save_for_backward(*given, mean, log_total)
        ctx.skip_self = skip_self
        return mean, log_total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        with threads(torch.get_num_threads()):
            found = regression.kernel_sums_gradient(
                *_arrays(ctx.saved_tensors), *_arrays(upstream), skip_self=ctx.skip_self
            )
        *wide, of_value = (torch.from_numpy(array) for array in found)
        return *wide, of_value.to(ctx.saved_tensors[3].dtype), None


def _arrays(tensors: Iterable[Tensor]) -> list[np.ndarray[Any, Any]]:
    """Return views of the tensors' memory."""
    return [tensor.detach().resolve_neg().numpy() for tensor in tensors]
