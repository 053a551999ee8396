"""ImageNet weights of an encoder: from a local file, or from where they were published."""

import os
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .encoders import FIRST

#: A folder with <encoder>.pth, such as resnet50.pth, for machines without a network.
FOLDER = "DSM_WEIGHTS"
PUBLISHED = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "mobilenet-v2": "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
    "efficientnet-b0": "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/"
    "efficientnet-b0-355c32eb.pth",
}


def load_imagenet(encoder: nn.Module, name: str, in_channels: int) -> bool:
    """Give an encoder its ImageNet weights; return whether they could be had.

    If not, one warning gives the reason, and the encoder keeps its random weights. Weights of the
    classifier behind the encoder are left out.
    """
    try:
        state = _read(name)
        state[FIRST[name]] = for_channels(state[FIRST[name]], in_channels)
        wanted = encoder.state_dict()
        absent = [key for key in wanted if key not in state and "num_batches" not in key]
        if absent:
            raise ValueError(f"they lack {', '.join(absent[:3])}")
        encoder.load_state_dict({k: v for k, v in state.items() if k in wanted}, strict=False)
    except Exception as error:  # no file, no network, another network's file
        warnings.warn(no_weights(name, error), stacklevel=2)
        return False
    return True


def no_weights(name: str, error: Exception) -> str:
    """Return the warning that an encoder starts from random weights."""
    return (
        f"the ImageNet weights of {name} cannot be loaded ({error}); the encoder starts from "
        f"random weights, unlike the paper's; set {FOLDER} to a folder that holds {name}.pth"
    )


def for_channels(weight: Tensor, in_channels: int) -> Tensor:
    """Return the first convolution's weight (out, 3, k, k) for images of other channels.

    One channel gets the sum over red, green and blue; others repeat these, times 3 / in_channels.
    """
    if weight.shape[1] == in_channels:
        return weight
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    order = [channel % weight.shape[1] for channel in range(in_channels)]
    return weight[:, order] * (weight.shape[1] / in_channels)


def _read(name: str) -> dict[str, Any]:
    folder = os.environ.get(FOLDER)
    if folder is not None:
        path = Path(folder) / f"{name}.pth"
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    return torch.hub.load_state_dict_from_url(
        PUBLISHED[name], map_location="cpu", progress=False, check_hash=True, weights_only=True
    )
