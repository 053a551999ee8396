"""Encoders with five feature maps each, at 1/2 to 1/32 of the image's size, and ImageNet weights.

ResNet and EfficientNet are MONAI's; MobileNetV2 is written here. Parameters have the names that the
published ImageNet weights have (torchvision's; for EfficientNet lukemelas/EfficientNet-PyTorch's).
"""

import os
import warnings
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets.efficientnet import EfficientNetBNFeatures
from monai.networks.nets.resnet import ResNet, ResNetFeatures, get_inplanes
from torch import Tensor, nn

#: Channels of the five feature maps.
CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "efficientnet-b0": (16, 24, 40, 112, 320),
    "mobilenet-v2": (16, 24, 32, 96, 1280),
}
#: The name of the first convolution's weight, which depends on the image's channels.
FIRST = {
    "resnet18": "conv1.weight",
    "resnet50": "conv1.weight",
    "efficientnet-b0": "_conv_stem.weight",
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


def build_encoder(name: str, in_channels: int) -> nn.Module:
    """Return an encoder with random weights, from (B, in_channels, H, W) to five feature maps."""
    if name == "resnet18":
        return ResNetEncoder("basic", [2, 2, 2, 2], in_channels)
    if name == "resnet50":
        return ResNetEncoder("bottleneck", [3, 4, 6, 3], in_channels)
    if name == "mobilenet-v2":
        return MobileNetV2Encoder(in_channels)
    encoder = EfficientNetBNFeatures(
        name, pretrained=False, spatial_dims=2, in_channels=in_channels, num_classes=1
    )
    for unused in ("_conv_head", "_bn1", "_fc"):  # parameters without a gradient stop DDP
        setattr(encoder, unused, nn.Identity())
    return encoder


class ResNetEncoder(ResNetFeatures):
    """MONAI's ResNet with projections as shortcuts, as in torchvision, whose weights fit."""

    def __init__(self, block: str, layers: list[int], in_channels: int) -> None:
        ResNet.__init__(
            self,
            block=block,
            layers=layers,
            block_inplanes=get_inplanes(),
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            shortcut_type="B",
            feed_forward=False,
            bias_downsample=False,
        )


def dilate_last_stage(encoder: ResNetEncoder) -> None:
    """Keep the last feature map at 1/16 of the image's size, with holes in its kernels instead."""
    for layer in encoder.layer4.modules():
        if isinstance(layer, nn.Conv2d):
            layer.stride = (1, 1)
            if layer.kernel_size == (3, 3):
                layer.dilation = layer.padding = (2, 2)


class MobileNetV2Encoder(nn.Module):
    """MobileNetV2 (Sandler et al., CVPR 2018, Table 2) up to its last convolution."""

    # Expansion, channels, blocks and stride of each stage; the stem has 32 channels and stride 2.
    STAGES = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    LAST = 1280
    TAPS = (1, 3, 6, 13, 18)  # layers after which the size is halved next, or that are the last

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        channels = 32
        layers: list[nn.Module] = [convolution(in_channels, channels, 3, stride=2)]
        for expansion, out, blocks, stride in self.STAGES:
            for number in range(blocks):
                step = stride if number == 0 else 1
                layers.append(InvertedResidual(channels, out, step, expansion))
                channels = out
        layers.append(convolution(channels, self.LAST, 1))
        self.features = nn.Sequential(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the five feature maps."""
        found = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.TAPS:
                found.append(x)
        return found


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow without activation; add the input where it fits."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        widen = [convolution(channels, wide, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widen,
            convolution(wide, wide, 3, stride=stride, groups=wide),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out, H / stride, W / stride)."""
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


def convolution(
    channels: int, out: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Return a convolution that keeps the size but for its stride, batch normalisation, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    )


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
