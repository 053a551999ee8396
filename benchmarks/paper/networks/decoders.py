"""From an encoder's feature maps to logits: MONAI's U-Net decoder, and DeepLabV3+."""

from collections.abc import Sequence

import torch
from monai.networks.nets.flexible_unet import SegmentationHead, UNetDecoder
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .encoders import ResNetEncoder, dilate_last_stage


class UNetOn(nn.Module):
    """A U-Net whose contracting path is an encoder (MONAI's FlexibleUNet for any encoder)."""

    WIDTHS = (256, 128, 64, 32, 16)

    def __init__(self, encoder: nn.Module, channels: Sequence[int], in_channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = UNetDecoder(
            spatial_dims=2,
            encoder_channels=(in_channels, *channels),
            decoder_channels=self.WIDTHS,
            act=("relu", {"inplace": True}),
            norm="batch",
            dropout=0.0,
            bias=False,
            upsample="nontrainable",
            pre_conv="default",
            interp_mode="nearest",
            align_corners=None,
            is_pad=False,
        )
        self.head = SegmentationHead(spatial_dims=2, in_channels=self.WIDTHS[-1], out_channels=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W); the sides must be multiples of 32."""
        logits: Tensor = self.head(self.decoder(self.encoder(x), 4))
        return logits


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ (Chen et al., ECCV 2018) on a ResNet, with features at 1/16 of the size."""

    WIDTH, LOW = 256, 48
    RATES = (6, 12, 18)  # the publication's at 1/16

    def __init__(self, encoder: ResNetEncoder, channels: Sequence[int]) -> None:
        super().__init__()
        dilate_last_stage(encoder)
        self.encoder = encoder
        width = self.WIDTH
        self.branches = nn.ModuleList(
            [
                _filter(channels[4], width),
                *(_separable(channels[4], width, rate) for rate in self.RATES),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), _filter(channels[4], width)),
            ]
        )
        self.join = nn.Sequential(_filter(width * len(self.branches), width), nn.Dropout(0.5))
        self.low = _filter(channels[1], self.LOW)
        self.refine = nn.Sequential(
            _separable(width + self.LOW, width), _separable(width, width), nn.Conv2d(width, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W); the sides must be multiples of 32."""
        features = self.encoder(x)
        low, deep = features[1], features[4]
        seen = [_stretch(branch(deep), deep) for branch in self.branches]
        joined = self.join(torch.cat(seen, dim=1))
        logits = self.refine(torch.cat([_stretch(joined, low), self.low(low)], dim=1))
        return _stretch(logits, x)


def _filter(channels: int, out: int) -> nn.Sequential:
    mix = nn.Conv2d(channels, out, 1, bias=False)
    return nn.Sequential(mix, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def _separable(channels: int, out: int, rate: int = 1) -> nn.Sequential:
    """Return a 3 x 3 filter of each channel with holes, and a mixture of the channels."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate, groups=channels, bias=False),
        *_filter(channels, out),
    )


def _stretch(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
