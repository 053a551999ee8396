"""Where arrays lie, and whether their values can be read now."""

import sys
from typing import Any

import array_api_compat as compat

from .typing import Array


def device(array: Array) -> Any:
    """Return the array's device, or None where there is no single one.

    So it is for tracers, Dask and JAX arrays that are sharded: JAX itself joins shardings.
    """
    if compat.is_dask_array(array) or is_jax_tracer(array):
        return None
    if compat.is_jax_array(array) and len(array.sharding.device_set) > 1:
        return None
    return compat.device(array)


def is_jax_tracer(array: Array) -> bool:
    """Return whether the array stands for a value that JAX does not know yet."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(array, jax.core.Tracer)


def is_eager(*arrays: Array | None) -> bool:
    """Return whether the arrays' values can be read now: nothing is lazy or being traced."""
    given = [array for array in arrays if array is not None]
    if not all(map(_is_known, given)):
        return False
    if any(map(compat.is_jax_array, given)):  # what a jitted function closes over is no tracer
        return not is_jax_tracer(sys.modules["jax"].numpy.add(0, 0))
    return True


def _is_known(array: Array) -> bool:
    if compat.is_dask_array(array) or is_jax_tracer(array):
        return False
    if compat.is_torch_array(array):
        torch = sys.modules["torch"]
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False
        fake = type(array) is not torch.Tensor and is_torch_fake(array)
        return not (fake or torch._C._functorch.is_functorch_wrapped_tensor(array) or array.is_meta)
    return True


def is_torch_fake(array: Array) -> bool:
    """Return whether it is a PyTorch tensor of a shape and device, without values."""
    return any(cls.__name__ == "FakeTensor" for cls in type(array).__mro__)


def on_host(array: Array) -> bool:
    """Return whether reading a value costs no synchronisation with an accelerator."""
    if compat.is_torch_array(array) or compat.is_jax_array(array):
        place: Any = array.device
        kind = getattr(place, "type", None) or getattr(place, "platform", None)
        if kind is None:  # a JAX sharding: all its devices are of one kind
            kind = next(iter(place.device_set)).platform
        return bool(kind == "cpu")
    return not compat.is_cupy_array(array)
