"""The weights of the classes."""

from collections.abc import Sequence, Sized

import torch
from torch import Tensor

from dice_semimetric._lib.options import require_numbers

Weight = Sequence[float] | float | Tensor | None


def weight_tensor(weight: Weight) -> Tensor | None:
    """Return the weights of the classes, or one for all of them, or raise for what is no weight."""
    if weight is None:
        return None
    if isinstance(weight, Tensor):
        tensor = weight.to(torch.float32)
    else:
        numbers = require_numbers("weight", weight, least=0.0)
        given = numbers if isinstance(weight, Sized) else numbers[0]
        tensor = torch.tensor(given, dtype=torch.float32)
    if tensor.ndim > 1:
        raise ValueError(f"weight must hold a number for each class, got {tuple(tensor.shape)}")
    if not tensor.is_meta:
        require_numbers("weight", tensor.reshape(-1).tolist(), least=0.0)
    return tensor
