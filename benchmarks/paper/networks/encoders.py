"""Encoders with five feature maps each, at 1/2 to 1/32 of the image's size.

ResNet and EfficientNet are MONAI's; MobileNetV2 is written here.
"""

from monai.networks.nets.efficientnet import EfficientNet, EfficientNetBNFeatures
from monai.networks.nets.resnet import ResNet, ResNetFeatures, get_inplanes
from torch import Tensor, nn

#: Channels of the five feature maps.
CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "efficientnet-b0": (16, 24, 40, 112, 320),
    "efficientnet-lite0": (16, 24, 40, 112, 320),
    "mobilenet-v2": (16, 24, 32, 96, 1280),
}


def build_encoder(name: str, in_channels: int) -> nn.Module:
    """Return an encoder with random weights, from (B, in_channels, H, W) to five feature maps."""
    if name == "resnet18":
        return ResNetEncoder("basic", [2, 2, 2, 2], in_channels)
    if name == "resnet50":
        return ResNetEncoder("bottleneck", [3, 4, 6, 3], in_channels)
    if name == "mobilenet-v2":
        return MobileNetV2Encoder(in_channels)
    if name == "efficientnet-lite0":
        encoder: nn.Module = EfficientNetLite0(in_channels)
    else:
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


class EfficientNetLite0(EfficientNetBNFeatures):
    """EfficientNet-B0 without its squeezes and excitations, and with ReLU6 in place of swish."""

    # Blocks, kernel, stride, expansion, channels in and out of each stage, as MONAI writes them.
    STAGES = (
        "r1_k3_s11_e1_i32_o16",
        "r2_k3_s22_e6_i16_o24",
        "r2_k5_s22_e6_i24_o40",
        "r3_k3_s22_e6_i40_o80",
        "r3_k5_s11_e6_i80_o112",
        "r4_k5_s22_e6_i112_o192",
        "r1_k3_s11_e6_i192_o320",
    )

    def __init__(self, in_channels: int) -> None:
        EfficientNet.__init__(
            self,
            list(self.STAGES),
            spatial_dims=2,
            in_channels=in_channels,
            norm=("batch", {"eps": 1e-3, "momentum": 0.01}),
        )
        for module in self.modules():
            if hasattr(module, "_swish"):
                module._swish = nn.ReLU6(inplace=True)


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
