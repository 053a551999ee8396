"""The networks, by name: small ones, and those of the paper's Table 3.

The paper's are segmentation_models_pytorch's on timm's encoders, as in the paper, where both can be
imported (they need torchvision), and otherwise MONAI's encoders and U-Net decoder with a
MobileNetV2 and a DeepLabV3+ of our own. ``network.origin`` names which, and the weights that it
starts from.
"""

import warnings
from importlib import import_module
from typing import Any

from monai.networks.nets import UNet
from torch import Tensor, nn
from torch.nn.functional import pad

from .decoders import DeepLabV3Plus, UNetOn
from .encoders import CHANNELS, build_encoder
from .weights import load_imagenet, load_installed, no_weights

#: Decoder and encoder of each network.
NETWORKS = {
    "unet-resnet50": ("unet", "resnet50"),
    "unet-resnet18": ("unet", "resnet18"),
    "unet-efficientnet-b0": ("unet", "efficientnet-b0"),
    "unet-mobilenet-v2": ("unet", "mobilenet-v2"),
    "deeplabv3plus-resnet18": ("deeplabv3plus", "resnet18"),
}
#: Not of the paper, which has no weights that a package brings.
LITE = {"unet-lite0-imagenet": ("unet", "efficientnet-lite0")}
#: What timm calls the encoders; "tu-" is segmentation_models_pytorch's mark for timm.
TIMM = {
    "resnet50": "tu-resnet50",
    "resnet18": "tu-resnet18",
    "efficientnet-b0": "tu-efficientnet_b0",
    "mobilenet-v2": "tu-mobilenetv2_100",
}
STRIDE = 32  # of the encoders
SMALL = {"unet-small": (8, 16, 32), "unet": (16, 32, 64), "unet-wide": (32, 64, 128)}
MULTIPLE = 4  # what the sides of an image must be a multiple of: each level halves them


def build_model(name: str, in_channels: int, *, pretrained: bool = True) -> nn.Module:
    """Return a 2-D network from (B, in_channels, H, W) to the logits (B, 1, H, W) of foreground.

    With ``pretrained`` the encoders start from ImageNet's weights. If they cannot be loaded, there
    is a warning for the paper's encoders, and an ImportError for what is named after the weights.
    """
    if name in SMALL:
        shape = {"channels": SMALL[name], "strides": (2, 2), "num_res_units": 2}
        return UNet(2, in_channels, out_channels=1, norm="batch", **shape)
    known = NETWORKS | LITE
    if name not in known:
        raise ValueError(f"model must be one of {', '.join([*SMALL, *known])}, got {name!r}")
    decoder, encoder = known[name]
    library = None if name in LITE else _segmentation_models()
    if library is not None:
        return _from_library(library, decoder, encoder, in_channels, pretrained)
    features = build_encoder(encoder, in_channels)
    load = load_installed if name in LITE else load_imagenet
    loaded = pretrained and load(features, encoder, in_channels)
    channels = CHANNELS[encoder]
    if decoder == "unet":
        network: nn.Module = UNetOn(features, channels, in_channels)
    else:
        network = DeepLabV3Plus(features, channels)
    note = ", not the paper's EfficientNet-B0" if name in LITE else ""
    return AnySize(network, f"MONAI, {_start(loaded)}{note}")


class AnySize(nn.Module):
    """A network for images of any size, and for batches of one image in training.

    An image is padded with its outermost pixels to multiples of 32. In training a lone image is
    seen twice, since batch normalisation needs two values of each channel: their mean and variance
    are those of the one.
    """

    def __init__(self, network: nn.Module, origin: str) -> None:
        super().__init__()
        self.network, self.origin = network, origin

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W)."""
        height, width = image.shape[-2:]
        padded = pad(image, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        lone = self.training and len(image) == 1
        logits: Tensor = self.network(padded.repeat(2, 1, 1, 1) if lone else padded)
        return logits[: len(image), :, :height, :width]


def _segmentation_models() -> Any:
    """Return the library if it and what it stands on can be imported."""
    try:
        import_module("timm")
        return import_module("segmentation_models_pytorch")
    except ImportError:
        return None


def _from_library(
    library: Any, decoder: str, encoder: str, in_channels: int, pretrained: bool
) -> AnySize:
    kind = library.Unet if decoder == "unet" else library.DeepLabV3Plus
    given = {"encoder_name": TIMM[encoder], "in_channels": in_channels, "classes": 1}
    if pretrained:
        try:
            network = kind(encoder_weights="imagenet", **given)
            return AnySize(network, f"segmentation_models_pytorch, {_start(True)}")
        except Exception as error:  # whatever timm's hub raises without a network
            warnings.warn(no_weights(encoder, error), stacklevel=3)
    network = kind(encoder_weights=None, **given)
    return AnySize(network, f"segmentation_models_pytorch, {_start(False)}")


def _start(loaded: bool) -> str:
    return "ImageNet weights" if loaded else "random weights"
