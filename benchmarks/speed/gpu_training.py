"""A training step of a U-Net in half precision: what the loss adds to it, beside MONAI's."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .gpu_cases import TINY, GpuCase, Sizes

_CLASSES = 4


def training(device: str, sizes: Sizes) -> Iterator[GpuCase]:
    """Yield a step with each loss on the same network, image and labels."""
    from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss
    from monai.losses import DiceCELoss, DiceLoss

    side, batch = (16, 1) if sizes is TINY else (128, 2)
    options: dict[str, Any] = {"softmax": True, "to_onehot_y": True}
    pairs = {
        "Dice": (DiceSemimetricLoss(**options), DiceLoss(**options)),
        "Dice and cross-entropy": (
            DiceSemimetricCELoss(**options, lambda_dice=1.0, lambda_ce=1.0),
            DiceCELoss(**options),
        ),
    }
    image = torch.randn((batch, 1, side, side, side), device=device)
    label = torch.randint(0, _CLASSES, image.shape, device=device)
    for name, (ours, theirs) in pairs.items():
        yield GpuCase(
            f"training step, {name}, {batch} x {side}^3",
            {
                "ours": _step(ours, image, label),
                "MONAI": _step(theirs, image, label),
                "no loss": _step(lambda x, _: x.float().mean(), image, label),
            },
            4 * _CLASSES * image.numel(),
            4 * _CLASSES * image.numel(),
            same=False,
        )


def _step(
    loss: Callable[[Tensor, Tensor], Tensor], image: Tensor, label: Tensor
) -> Callable[[], Tensor]:
    """Return a step of a network of its own, which starts from the same weights."""
    from monai.networks.nets import UNet

    torch.manual_seed(0)
    wide = (8, 16) if image.shape[-1] < 32 else (32, 64, 128, 256)
    net = UNet(3, 1, _CLASSES, channels=wide, strides=(2,) * (len(wide) - 1)).to(image.device)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-2)

    def step() -> Tensor:
        optimiser.zero_grad()
        with torch.autocast(image.device.type, torch.bfloat16):
            logits = net(image)
        value = loss(logits.float(), label)
        value.backward()
        optimiser.step()
        return value.detach()

    return step
