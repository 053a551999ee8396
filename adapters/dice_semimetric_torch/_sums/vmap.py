"""A dimension of vmap, as more images where a block needs images and classes, else as an axis."""

from typing import Any, NamedTuple

from torch import Tensor

from .reader import Mask, Options


class Folded(NamedTuple):
    """Arguments that hold the mapped dimension, and how to take it out of a result."""

    arrays: tuple[Tensor, Tensor, Tensor | None]
    options: Options
    size: int
    regional: bool

    def open(self, result: Tensor, axis: int) -> Tensor:
        """Return a result with the mapped dimension at ``axis``."""
        if not self.regional:
            return result
        shape = result.shape
        return result.reshape(*shape[:axis], self.size, -1, *shape[axis + 1 :])

    def close(self, array: Tensor, dim: int | None, axis: int) -> Tensor:
        """Return an array with the mapped dimension moved into ``axis``."""
        array = _mapped(array, dim, self.size).movedim(0, axis)
        return array.flatten(axis, axis + 1) if self.regional else array


def fold(
    size: int, in_dims: Any, pred: Tensor, target: Tensor, mask: Mask, options: Options
) -> Folded:
    """Move the mapped dimension of the arguments of `overlap_sums` into their first axis."""
    one, two = _mapped(pred, in_dims[0], size), _mapped(target, in_dims[1], size)
    regional = two.ndim < one.ndim or options.activation == "softmax"
    three = None
    if mask is not None:
        three = _mapped(mask, in_dims[2], size)
        for _ in range(one.ndim - three.ndim):
            three = three.unsqueeze(1)
    if not regional:
        options = options._replace(axis=tuple(a + 1 for a in options.axis))
        return Folded((one, two, three), options, size, False)
    if three is not None:
        three = three.expand(-1, one.shape[1], *three.shape[2:]).flatten(0, 1)
    return Folded((one.flatten(0, 1), two.flatten(0, 1), three), options, size, True)


def _mapped(array: Tensor, dim: int | None, size: int) -> Tensor:
    return array.expand(size, *array.shape) if dim is None else array.movedim(dim, 0)
