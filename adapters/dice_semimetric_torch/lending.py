"""Tensors, lent to the kernels for the memory they lie in: NumPy's on a host, CuPy's on a GPU.

Nothing is copied and nothing waits for the GPU: CuPy works on PyTorch's current stream, and takes
what memory it needs from PyTorch's pool.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.dlpack import from_dlpack

from dice_semimetric._lib.threads import threads
from dice_semimetric._lib.warning import warn_caller

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (
    *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
)
#: The dtypes that kernels read.
DTYPES = frozenset((*FLOATS, *INTEGERS))


def lending(tensor: Tensor) -> Any:
    """Return the context in which tensors are lent and given back, or NotImplemented.

    In it the kernels take PyTorch's threads, or its stream and memory.
    """
    if not _lends(tensor):
        return NotImplemented
    return _stream(tensor.device) if on_gpu(tensor) else threads(torch.get_num_threads())


def lend(tensor: Tensor) -> Any:
    """Return a tensor as NumPy's array, or as CuPy's on a GPU, or NotImplemented."""
    if not _lends(tensor):
        return NotImplemented
    gpu, values = on_gpu(tensor), tensor.detach()
    if tensor.dtype == torch.bfloat16:
        brain = _bfloat16(gpu)
        return (
            NotImplemented if brain is None else _array(values.view(torch.int16), gpu).view(brain)
        )
    if gpu and tensor.dtype == torch.bool:
        return _array(values.view(torch.uint8), gpu).view(bool)
    return _array(values, gpu)


def give_back(array: Any, like: Tensor) -> Tensor:
    """Return a result as a tensor."""
    if not on_gpu(like):
        return torch.from_numpy(np.asarray(array))
    if array.dtype == bool:
        return from_dlpack(array.view("uint8")).view(torch.bool)
    return from_dlpack(array)


def _lends(tensor: Tensor) -> bool:
    """Return whether kernels of another library read the tensor where it lies."""
    gpu = on_gpu(tensor)
    if recorded(tensor) or not (gpu or tensor.device.type == "cpu") or tensor.is_neg():
        return False
    if tensor.dtype not in DTYPES:
        return False
    return not gpu or (cupy() is not None and tensor.numel() > 0)


def recorded(tensor: Tensor) -> bool:
    """Return whether PyTorch records, transforms or only follows what is done with a tensor."""
    return (
        type(tensor) not in (Tensor, torch.nn.Parameter)
        or torch.compiler.is_compiling()
        or (tensor.requires_grad and torch.is_grad_enabled())
        or torch._C._is_tracing()
        or torch._C._functorch.peek_interpreter_stack() is not None  # which wraps any result
        or forward_ad._current_level >= 0
    )


def on_gpu(tensor: Tensor) -> bool:
    """Return whether a tensor lies in the memory of an NVIDIA GPU."""
    return tensor.device.type == "cuda" and torch.version.hip is None


def _array(values: Tensor, gpu: bool) -> Any:
    return cupy().from_dlpack(values) if gpu else values.numpy()


@contextmanager
def _stream(device: torch.device) -> Iterator[None]:
    """Let CuPy work where PyTorch does: on its GPU, on its stream, in its memory."""
    cuda = cupy().cuda
    stream = torch.cuda.current_stream(device).cuda_stream

    def allocate(size: int) -> Any:
        try:
            memory = torch.empty(size, dtype=torch.uint8, device=device)
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        owned = cuda.UnownedMemory(memory.data_ptr(), size, memory, device.index)
        return cuda.MemoryPointer(owned, 0)

    with (
        cuda.Device(device.index),
        cuda.ExternalStream(stream, device.index),
        cuda.using_allocator(allocate),
    ):
        yield


@functools.cache
def cupy() -> Any:
    """Return CuPy if it is installed and works, which is tried once: it imports without either."""
    try:
        found = import_module("cupy")
        found.ones(1).sum()  # compiles and launches a kernel
    except Exception as error:  # a broken CuPy must not take PyTorch's sums down
        if getattr(error, "name", None) != "cupy":
            warn_caller(
                "tensors on a GPU are summed without CuPy, which does not work here: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
            )
        return None
    return found


@functools.cache
def _bfloat16(gpu: bool) -> Any:
    """Return NumPy's dtype of that name, which another package has, if the arrays can be of it."""
    try:
        brain = np.dtype(import_module("ml_dtypes").bfloat16)
        (cupy() if gpu else np).empty(1, "int16").view(brain)
    except Exception:  # CuPy before 14
        return None
    return brain
