"""The choice of the module that takes the sums: compiled kernels where possible, else blocks.

On a GPU these are Triton's, on a host Numba's. Each is imported when a tensor first asks for it.
"""

import functools
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from dice_semimetric._lib.devices import is_torch_fake

from ..lending import on_gpu, recorded
from . import blockwise, host
from .reader import Mask, Options


def sums_module(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> ModuleType:
    """Return the module with the `forward` and `backward` to use.

    The gradient that `backward` takes is in the dtype of the options.
    """
    fast: ModuleType | None = None
    if pred.device.type == "cuda":
        fast = _triton(pred.device)
    elif pred.device.type == "cpu":
        fast = host
    if fast is not None and fast.eligible(pred, target, mask, options):
        return fast
    return blockwise


def gpu_module(name: str, *tensors: Tensor | None) -> ModuleType | None:
    """Return a module of kernels without a gradient if the tensors are on a GPU and need none."""
    given = [t for t in tensors if t is not None]
    if not all(on_gpu(t) for t in given) or any(recorded(t) or t.is_neg() for t in given):
        return None
    return None if _triton(given[0].device) is None else import_module(f".{name}", __package__)


def whole_module(device: torch.device) -> ModuleType | None:
    """Return the module with the `losses` to use of tensors on a device, or None."""
    if device.type == "cpu":
        return import_module(".whole_host", __package__)
    if device.type == "cuda" and _triton(device) is not None:
        return import_module(".whole_gpu", __package__)
    return None


def without_values(*tensors: Tensor | None) -> bool:
    """Return whether PyTorch only follows the operations: tracing, or on shapes without values."""
    if torch._C._is_tracing():
        return True
    given = [t for t in tensors if t is not None]
    return any(t.is_meta or (type(t) is not Tensor and is_torch_fake(t)) for t in given)


@functools.cache
def _triton(device: torch.device) -> ModuleType | None:
    """Return the module of kernels if Triton is installed and supports the GPU."""
    if torch.version.hip is None and torch.cuda.get_device_capability(device) < (7, 0):
        return None
    try:
        return import_module(".triton", __package__)
    except ImportError:
        return None
