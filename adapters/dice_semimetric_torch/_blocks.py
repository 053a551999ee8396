"""Cut tensors into blocks that stay in the cache, each as images x classes x pixels."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dice_semimetric._blocks import Place, block_slices

#: Elements in a block: three buffers of float32 fit the L2 cache of two cores. An accelerator
#: wants fewer, larger blocks, since each operation costs a launch.
HOST_BLOCK = 1 << 17
DEVICE_BLOCK = 1 << 22


class Blocks:
    """The blocks of a tensor and of what lies beside it.

    With ``regional`` the kept axes are images and classes, and a block holds all classes of its
    pixels. Otherwise the kept axes are joined and stand in for the classes of one image.
    """

    def __init__(self, lead: Tensor, axis: Sequence[int], *, regional: bool) -> None:
        kept = [a for a in range(lead.ndim) if a not in axis]
        strides = lead.stride()
        summed = sorted(axis, key=strides.__getitem__, reverse=True)  # walk in memory order
        self._order = (*kept, *summed)
        self._shape = tuple(lead.shape[a] for a in self._order)
        self._regional = regional
        self._size = HOST_BLOCK if lead.device.type == "cpu" else DEVICE_BLOCK
        self.kept = len(kept)
        self.kept_shape = self._shape[: self.kept]

    def __iter__(self) -> Iterator[Place]:
        """Yield the place of each block among the permuted axes."""
        return block_slices(self._shape, whole=(1,) if self._regional else (), size=self._size)

    def view(self, tensor: Tensor) -> Tensor:
        """Return the tensor with kept axes first, broadcast but for images and classes."""
        full = tensor[(None,) * (len(self._order) - tensor.ndim)].permute(self._order)
        single = self.kept if self._regional else 0
        return full.expand(*full.shape[:single], *self._shape[single:])

    def block(self, view: Tensor, place: Place) -> Tensor:
        """Return a block in its own shape; an axis of one entry serves all blocks."""
        return view[tuple(slice(None) if view.shape[a] == 1 else s for a, s in enumerate(place))]

    def matrix(self, view: Tensor, place: Place) -> Tensor:
        """Return a block as images x classes x pixels: a view where the strides allow it."""
        block = self.block(view, place)
        kept, summed = block.shape[: self.kept], block.shape[self.kept :]
        rows = kept if self._regional else (1, math.prod(kept))
        return block.reshape(*rows, math.prod(summed))


class Scratch:
    """Memory that the blocks share."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype, self._device = dtype, device
        self._held: dict[str, Tensor] = {}

    def empty(self, name: str, shape: Sequence[int]) -> Tensor:
        """Return memory of that shape, as the last block left it."""
        count = math.prod(shape)
        held = self._held.get(name)
        if held is None or held.numel() < count:
            held = torch.empty(count, dtype=self.dtype, device=self._device)
            self._held[name] = held
        return held[:count].view(shape)

    def copy(self, name: str, block: Tensor) -> Tensor:
        """Return a copy in this memory's dtype."""
        return self.empty(name, block.shape).copy_(block)
