"""Cut tensors into blocks that stay in the cache, each as images x classes x pixels."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from dice_semimetric._lib.blocks import Place, block_slices

#: Elements in a block. On a host its four buffers, 512 KiB each in float32, fit the L2 cache of
#: a core; an accelerator wants larger blocks, since each operation costs a launch.
HOST_BLOCK = 1 << 17
DEVICE_BLOCK = 1 << 22


class Blocks:
    """The blocks of tensors that broadcast to the first of them.

    With ``regional`` the kept axes are images and classes, and a block holds all classes of its
    pixels. Otherwise the kept axes are joined and stand in for the classes of one image. The
    summed axes are walked in memory order, as one axis where all strides allow it. ``cut`` makes
    blocks so many times smaller.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor | None],
        axis: Sequence[int],
        *,
        regional: bool,
        cut: int = 1,
    ) -> None:
        lead = tensors[0]
        assert lead is not None
        strides = lead.stride()
        kept = [a for a in range(lead.ndim) if a not in axis]
        self._order = (*kept, *sorted(axis, key=strides.__getitem__, reverse=True))
        self._shape = tuple(lead.shape[a] for a in self._order)
        self._regional = regional
        self._cut = cut
        self.kept = len(kept)
        self.kept_shape = self._shape[: self.kept]
        views = [None if t is None else self.view(t) for t in tensors]
        flat = [None if v is None else self._flat(v) for v in views]
        self._merged = all(
            f is not None for f, t in zip(flat, tensors, strict=True) if t is not None
        )
        self.views = flat if self._merged else views

    def __iter__(self) -> Iterator[Place]:
        """Yield the place of each block among the axes of the views."""
        shape = self._shape
        if self._merged:
            shape = (*self.kept_shape, math.prod(shape[self.kept :]))
        lead = self.views[0]
        host = lead is not None and lead.device.type == "cpu"
        size = max(1, (HOST_BLOCK if host else DEVICE_BLOCK) // self._cut)
        return block_slices(shape, whole=(1,) if self._regional else (), size=size)

    def view(self, tensor: Tensor) -> Tensor:
        """Return a tensor with kept axes first, broadcast but for images and classes."""
        full = tensor[(None,) * (len(self._order) - tensor.ndim)].permute(self._order)
        single = self.kept if self._regional else 0
        return full.expand(*full.shape[:single], *self._shape[single:])

    def empty_like(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        """Return memory of the shape of a tensor, in its order if possible, and the view of it."""
        result = torch.empty_like(tensor)
        view = self.view(result)
        if not self._merged:
            return result, view
        flat = self._flat(view)
        if flat is None:
            view = torch.empty(self._shape, dtype=tensor.dtype, device=tensor.device)
            flat = view.flatten(self.kept)
            result = view.permute([self._order.index(a) for a in range(tensor.ndim)])
        return result, flat

    def _flat(self, view: Tensor) -> Tensor | None:
        """Return the view with its summed axes as one, or None where that took a copy."""
        shape = (*view.shape[: self.kept], math.prod(view.shape[self.kept :]))
        try:
            return view.view(shape)
        except RuntimeError:
            return None

    @staticmethod
    def block(view: Tensor, place: Place) -> Tensor:
        """Return a block in its own shape; an axis of one entry serves all blocks."""
        for axis, (part, length) in enumerate(zip(place, view.shape, strict=True)):
            if length != 1 and part.stop - part.start != length:
                view = view.narrow(axis, part.start, part.stop - part.start)
        return view

    def matrix(self, view: Tensor, place: Place) -> Tensor:
        """Return a block as images x classes x pixels: a view where the strides allow it."""
        block = self.block(view, place)
        if self._regional and block.ndim == 3:
            return block
        kept, summed = block.shape[: self.kept], block.shape[self.kept :]
        rows = kept if self._regional else (1, math.prod(kept))
        return block.reshape(*rows, math.prod(summed))
