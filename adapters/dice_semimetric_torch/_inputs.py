"""Whether what a loss or metric is called with are tensors that it can read."""

from typing import Any

from torch import Tensor

from dice_semimetric._lib.checks import no_class_axis
from dice_semimetric._lib.namespace import require_dense
from dice_semimetric._lib.options import type_name


def require_tensors(mask: Tensor | None = None, **tensors: Any) -> None:
    """Raise unless the arguments are tensors in plain memory; the mask may be None."""
    for name, tensor in (tensors | {"mask": mask}).items():
        if tensor is None and name == "mask":
            continue
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor, got {_got(name, tensor)}")
        require_dense(name, tensor)


def require_classes(name: str, tensor: Tensor) -> None:
    """Raise ValueError for a tensor that lacks the axis of the classes."""
    if tensor.ndim < 2:
        raise ValueError(no_class_axis(name, tensor))


def plain(tensor: Any) -> Any:
    """Return a tensor of a library's class, such as MONAI's, as PyTorch's own; else what is given.

    A class that takes operations over where PyTorch dispatches them need not hold values.
    """
    own = type(tensor) is Tensor or not isinstance(tensor, Tensor)
    if own or type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        return tensor
    return tensor.as_subclass(Tensor)


def _got(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        several = f"a {type(value).__name__} of {len(value)}"
        if name == "pred":
            return f"{several}; of outputs of deep supervision give the finest, {name}[0]"
        shapes = [tuple(v.shape) for v in value if isinstance(v, Tensor)]
        if len(set(shapes)) > 1:
            several += f" of shapes {', '.join(map(str, shapes))}"
            remedy = "masks of raters must have one shape"
        else:
            remedy = f"of raters' masks write dice_semimetric.uniform_average(torch.stack({name}))"
        return f"{several}; for deep supervision input must be a list too, {remedy}"
    if hasattr(value, "__array__"):
        return f"{type_name(value)}; write torch.from_numpy({name})"
    if isinstance(value, dict):
        keys = ", ".join(map(repr, value))
        return f"a dict; give one of its entries: {keys}"
    return "None" if value is None else type_name(value)
