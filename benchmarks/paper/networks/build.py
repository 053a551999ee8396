"""The networks, by name: small ones, and the paper's."""

from monai.networks.nets import UNet
from torch import nn

from .paper import NETWORKS, build_network

CHANNELS = {"unet-small": (8, 16, 32), "unet": (16, 32, 64), "unet-wide": (32, 64, 128)}
MULTIPLE = 4  # what the sides of an image must be a multiple of: each level halves them


def build_model(name: str, in_channels: int) -> nn.Module:
    """Return a 2-D network from (B, in_channels, H, W) to the logits (B, 1, H, W) of foreground."""
    if name in CHANNELS:
        return UNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=1,
            channels=CHANNELS[name],
            strides=(2, 2),
            num_res_units=2,
            norm="batch",
        )
    if name in NETWORKS:
        return build_network(name, in_channels)
    raise ValueError(f"model must be one of {', '.join([*CHANNELS, *NETWORKS])}, got {name!r}")
