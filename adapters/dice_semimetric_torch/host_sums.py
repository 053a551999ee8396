"""The four sums of `Overlap` and their gradient on a host, each in one pass, by Numba.

For float32 in memory order, the common case of training on a CPU; anything else is left to the
blocks of `_sums`. The first step compiles the kernels, which takes seconds; they are kept on disk.
"""

import numpy as np
import torch
from torch import Tensor

from . import _sums, host_kernels
from ._reader import Options
from .host_call import Call, Part, eligible

__all__ = ["backward", "eligible", "forward"]


def forward(pred: Tensor, target: Tensor, mask: Tensor | None, options: Options) -> Tensor:
    """Return the sums, of shape (4, B, C)."""
    call = Call(pred, target, mask, options)
    images, classes = pred.shape[:2]

    def sums(part: Part) -> tuple[bool, np.ndarray]:
        found = np.zeros((part.images[1] - part.images[0], 4, classes))
        return host_kernels.sums_forward(*call.arrays, *call.place(part), found), found

    total, wrong = np.zeros((images, 4, classes)), False
    for part, (bad, found) in call.map(sums):
        total[slice(*part.images)] += found
        wrong |= bad
    if wrong and options.checked:  # it finds the entry, and words the error
        return _sums.forward(pred, target, mask, options)
    return torch.from_numpy(total).permute(1, 0, 2).to(options.dtype).contiguous()


def backward(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Tensor | None,
    options: Options,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of pred and target from that of the sums; None where not needed."""
    if needs != (True, False):
        return _sums.backward(gradient, pred, target, mask, options, needs)
    call = Call(pred, target, mask, options)
    upstream = gradient.to(torch.float32).permute(1, 0, 2).contiguous().numpy()
    out = call.empty()
    call.map(
        lambda part: host_kernels.sums_backward(upstream, *call.arrays, *call.place(part), out)
    )
    return torch.from_numpy(out.reshape(pred.shape)), None
