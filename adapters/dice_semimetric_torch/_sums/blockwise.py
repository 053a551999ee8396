"""The four sums of `Overlap` and their gradient in closed form, block by block.

With x the probabilities of the logits z, y the target and g the gradient that arrives at each
sum, the gradient of x is

    G = g_pred + g_difference sign(x - y) + g_product y

and that of z is G itself, x (1 - x) G for a sigmoid, and x (G - sum over classes of x G) for a
softmax. Only the inputs are kept from the forward pass; x is computed again.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import array_api_compat.torch as xp
import torch
from torch import Tensor

from dice_semimetric._lib.blocks import Place
from dice_semimetric._lib.checks import require_known_labels, require_unit_interval
from dice_semimetric._lib.seam import Pixels

from .memory import first_with_room
from .reader import Gradients, Mask, Needs, Options, Reader, sum_over_classes, wide
from .threads import map_blocks

#: The factors by which blocks are made smaller, one after another, where memory is short.
_CUTS = (1, 4, 16, 64, 256)


def forward(pred: Tensor, target: Tensor, mask: Mask, options: Options) -> Tensor:
    """Return the sums, of shape (4, *kept axes)."""
    return first_with_room([partial(_forward, pred, target, mask, options, cut) for cut in _CUTS])


def _forward(pred: Tensor, target: Tensor, mask: Mask, options: Options, cut: int) -> Tensor:
    reader = Reader(pred, target, mask, options, cut)
    blocks = reader.blocks
    total = torch.zeros((4, *blocks.kept_shape), dtype=wide(pred), device=pred.device)
    places = list(blocks)
    try:
        sums = map_blocks(lambda: partial(_block_sums, reader.fork()), places, host=_on_host(pred))
    except ValueError:
        if reader.labels:  # they come first, wherever one is wrong, as on every library
            require_known_labels(Pixels(pred, target, mask, **options._asdict()))
        raise
    for place, block in zip(places, sums, strict=True):
        part = total[(slice(None), *place[: blocks.kept])]
        part += block.reshape(part.shape)
    if options.checked and bool(total[0].isnan().any()):  # probabilities were checked by block
        raise ValueError(
            f"pred must hold finite logits, got some whose {options.activation} is NaN"
        )
    return total


def _block_sums(reader: Reader, place: Place) -> Tensor:
    """Return the sums over the pixels of a block."""
    x, y, hidden = reader.read(place)
    if hidden is not None:
        x.masked_fill_(hidden, 0)
        y.masked_fill_(hidden, 0)
    if reader.options.checked:
        x, y = _checked(x, y, reader)
    return torch.stack(_pair_sums(x, y, reader))


def _pair_sums(x: Tensor, y: Tensor, reader: Reader) -> list[Tensor]:
    """Return the four sums over the pixels of a block."""
    work = reader.scratch.empty("work", x.shape)
    sum_x, sum_y = x.sum(-1), y.sum(-1)
    difference = torch.sub(x, y, out=work).abs_().sum(-1)
    if reader.labels:  # |x - y| = x + y - 2 x y where y is 0 or 1
        product = (sum_x + sum_y - difference) / 2
    else:
        product = torch.mul(x, y, out=work).sum(-1)
    return [sum_x, sum_y, difference, product]


def _checked(x: Tensor, y: Tensor, reader: Reader) -> tuple[Tensor, Tensor]:
    """Return what should be probabilities, rounding beyond 0 and 1 taken off, or raise."""
    if reader.options.activation is None:
        x = require_unit_interval(xp, x, "pred", dtype=reader.dtypes[0])
    if not reader.labels:
        y = require_unit_interval(xp, y, "target", dtype=reader.dtypes[1])
    return x, y


def backward(
    gradient: Tensor, pred: Tensor, target: Tensor, mask: Mask, options: Options, needs: Needs
) -> Gradients:
    """Return the gradients of pred and target from that of the sums; None where not needed."""
    checked, options = options.checked, options._replace(checked=False)
    arguments = (gradient, pred, target, mask, options, needs, checked)
    return first_with_room([partial(_backward, *arguments, cut) for cut in _CUTS])


def _backward(
    gradient: Tensor,
    pred: Tensor,
    target: Tensor,
    mask: Mask,
    options: Options,
    needs: Needs,
    checked: bool,
    cut: int,
) -> Gradients:
    reader = Reader(pred, target, mask, options, cut)
    blocks = reader.blocks
    results = [
        _Result(tensor, reader) if need else None
        for tensor, need in zip((pred, target), needs, strict=True)
    ]
    with_product = not _on_host(pred) or bool(gradient[3].any())

    def start() -> Callable[[Place], None]:
        return partial(_block_gradients, reader.fork(), results, gradient, with_product, checked)

    map_blocks(start, blocks, host=_on_host(pred))
    tensors = [None if result is None else result.tensor for result in results]
    return tensors[0], tensors[1]


def _block_gradients(
    reader: Reader,
    results: list["_Result | None"],
    gradient: Tensor,
    with_product: bool,
    checked: bool,
    place: Place,
) -> None:
    """Write the gradients of a block; values that were checked are those that were summed."""
    x, y, hidden = reader.read(place)
    if checked:
        x, y = _checked(x, y, reader)
    part = gradient[(slice(None), *place[: reader.blocks.kept])].reshape(4, *x.shape[:2], 1)
    g = _Gradient(part[0], part[1], part[2], part[3] if with_product else None)
    of_pred, of_target = results
    if of_target is not None:
        of_target.write(reader, place, _slope(y, x, g.target, g, hidden, reader))
    if of_pred is not None:
        if reader.labels and reader.options.activation is not None:
            slope = _label_slope(y, g, hidden, reader)
        else:
            slope = _slope(x, y, g.pred, g, hidden, reader)
        of_pred.write_through(reader, place, x, slope)


def _on_host(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu"


class _Gradient(NamedTuple):
    """The gradient that arrives at each sum, for a block; no product where it is 0 throughout."""

    pred: Tensor
    target: Tensor
    difference: Tensor
    product: Tensor | None


def _slope(
    one: Tensor, other: Tensor, own: Tensor, g: _Gradient, hidden: Tensor | None, reader: Reader
) -> Tensor:
    """Return the gradient of ``one``, given the gradient ``own`` of its sum."""
    slope = torch.sub(one, other, out=reader.scratch.empty("slope", one.shape)).sign_()
    slope.mul_(g.difference).add_(own)  # addcmul broadcasts slowly
    if g.product is not None:
        slope.addcmul_(other, g.product)
    return slope if hidden is None else slope.masked_fill_(hidden, 0)


def _label_slope(y: Tensor, g: _Gradient, hidden: Tensor | None, reader: Reader) -> Tensor:
    """Return the gradient of x beside one-hot y: the sign is 1 - 2 y.

    It is not so at x = y, but there the activation is flat.
    """
    step = -2 * g.difference if g.product is None else g.product - 2 * g.difference
    slope = reader.scratch.empty("slope", y.shape)
    torch.mul(y, step, out=slope).add_(g.pred + g.difference)  # addcmul broadcasts slowly
    return slope if hidden is None else slope.masked_fill_(hidden, 0)


class _Result:
    """The gradient of an input, written block by block in the input's memory order."""

    def __init__(self, like: Tensor, reader: Reader) -> None:
        self.tensor, self._view = reader.blocks.empty_like(like)

    def write(self, reader: Reader, place: Place, values: Tensor) -> None:
        """Store the gradient of a block."""
        block = reader.blocks.block(self._view, place)
        block.copy_(values.view(block.shape))

    def write_through(self, reader: Reader, place: Place, x: Tensor, slope: Tensor) -> None:
        """Store the gradient of a block of logits from that of their probabilities x."""
        if reader.options.activation is None:
            self.write(reader, place, slope)
            return
        out = reader.blocks.matrix(self._view, place)
        block = reader.blocks.block(self._view, place)
        direct = out.dtype == x.dtype and out.data_ptr() == block.data_ptr()
        # one-hot labels have had their use: their memory serves once more
        work = reader.scratch.empty("target" if reader.labels else "work", x.shape)
        if not direct:
            out = reader.scratch.empty("slope", x.shape)
        if reader.options.activation == "sigmoid":
            torch.mul(torch.addcmul(x, x, x, value=-1, out=work), slope, out=out)
        else:
            torch.mul(x, slope, out=work)
            row = sum_over_classes(work, reader.scratch.empty("row", (x.shape[0], x.shape[2])))
            torch.addcmul(work, x, row[:, None], value=-1, out=out)
        if not direct:
            self.write(reader, place, out)
