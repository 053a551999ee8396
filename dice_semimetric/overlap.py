"""The Overlap statistic: the four sums that every regional loss and score is a formula on."""

from dataclasses import dataclass
from typing import ClassVar, Self

from ._lib.additive import Regional, exact, in_double
from ._lib.namespace import namespace, normalize_axis
from ._lib.pairs import pixels_of, pixels_of_batch, probabilities
from ._lib.seam import Pixels, accelerated, whole
from ._lib.special import absolute
from ._lib.typing import Activation, Array, Axis

Sums = tuple[Array, Array, Array, Array]


@dataclass(frozen=True)
class Overlap(Regional):
    """The sums over pixels of a prediction x and a target y: all that the regional losses need.

    Overlaps add up: ``a + b`` is the overlap of both sets of pixels, so blocks, images, cases and
    machines can be joined, and ``sum(overlaps)`` works. Sums are held in float64 where the device
    has it. JAX holds them so from the first addition on, outside of jitted functions.

    Parameters
    ----------
    pred : Array
        Sum of x.
    target : Array
        Sum of y.
    difference : Array
        Sum of ``|x - y|``.
    product : Array
        Sum of x * y.

    See Also
    --------
    overlap : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import overlap
    >>> one = overlap(np.array([0.5, 1.0]), np.array([0.5, 0.0]))
    >>> float((one + one).difference)
    2.0
    """

    _sums: ClassVar = ("pred", "target", "difference", "product")

    pred: Array
    target: Array
    difference: Array
    product: Array

    @exact
    def sum(self, axis: Axis = None) -> Self:
        """Return the overlap pooled over axes of the fields, such as the batch.

        Parameters
        ----------
        axis : int or tuple of int, optional
            The axes to pool over; None means all.

        Returns
        -------
        Overlap
            With fields that lack these axes.
        """
        xp = namespace(overlap=self.pred)
        axes = normalize_axis(axis, self.pred.ndim)
        return self._map(lambda a: xp.sum(a, axis=axes))


@whole
def overlap(pred: Array, target: Array, *, axis: Axis = None, mask: Array | None = None) -> Overlap:
    """Return the sums of x, y, ``|x - y|`` and x * y over pixels.

    Parameters
    ----------
    pred : Array
        Predicted probabilities x in [0, 1], of any shape.
    target : Array
        Labels y in [0, 1] of the same shape: soft labels in a floating dtype, hard masks in a
        boolean or integer one.
    axis : int or tuple of int, optional
        The axes that are summed over, the p pixels of the paper; None means all.
    mask : Array, optional
        Boolean, broadcast to the shape of ``pred``: the pixels that count. What the others hold,
        even NaN, has no influence.

    Returns
    -------
    Overlap
        Fields of the shape of ``pred`` without ``axis``, in the library and on the device of
        ``pred``, in float64 where the device has it, so that many of them can be added; else in
        float32. Half precision is never summed in.

    Raises
    ------
    TypeError
        If an argument is no array, or arrays are of two libraries, or ``mask`` is not boolean.
    ValueError
        If shapes or devices differ, or a checked value is NaN or outside [0, 1]; see
        `value_checks`.

    See Also
    --------
    region_overlap : The same for (B, C, *spatial), from logits and integer labels too.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (1)-(4).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import overlap
    >>> o = overlap(np.array([[0.5, 1.0], [0.0, 0.0]]), np.array([[0.5, 0.5], [0.0, 1.0]]), axis=1)
    >>> o.difference
    array([0.5, 1. ])
    """
    return overlap_of(pixels_of(pred, target, axis=axis, mask=mask))


@whole
def region_overlap(
    pred: Array,
    target: Array,
    *,
    activation: Activation = None,
    ignore_index: int | None = None,
    mask: Array | None = None,
) -> Overlap:
    """Return the overlap of every image and class of a batch.

    Parameters
    ----------
    pred : Array
        (B, C, *spatial), floating: probabilities, or logits if ``activation`` is given.
    target : Array
        Integer labels (B, *spatial) from 0 to C - 1; or, of the shape of ``pred``, soft labels in a
        floating dtype, or a mask of each class in an integer dtype or bool: 0 and 1, one-hot or
        overlapping. With C = 1 the mask of the foreground may lack the class axis.
    activation : {None, "softmax", "sigmoid"}, optional
        What makes probabilities of ``pred``; softmax runs over the class axis.
    ignore_index : int, optional
        The integer label of pixels that do not count; for any other target, use ``mask``.
    mask : Array, optional
        Boolean, (B, *spatial) or broadcast to the shape of ``pred``: the pixels that count.

    Returns
    -------
    Overlap
        Fields of shape (B, C); dtype as for `overlap`.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype.
    ValueError
        If shapes do not fit, or a checked value is out of range; see `value_checks`.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import region_overlap
    >>> pred = np.array([[[0.75, 0.5], [0.25, 0.5]]])
    >>> region_overlap(pred, np.array([[0, 1]])).product
    array([[0.75, 0.5 ]])
    """
    pixels = pixels_of_batch(
        pred, target, activation=activation, ignore_index=ignore_index, mask=mask
    )
    return overlap_of(pixels)


def overlap_of(pixels: Pixels) -> Overlap:
    """Return the overlap of what has been checked, in the widest dtype that the device has."""
    xp = namespace(pred=pixels.pred)
    return Overlap(*in_double(xp, overlap_sums(pixels)))


@accelerated
def overlap_sums(pixels: Pixels) -> Sums:
    """Return the four sums of `Overlap`: the reduction that an adapter replaces."""
    x, y = probabilities(pixels)
    xp = namespace(pred=x)
    terms = (x, y, absolute(xp, x - y), x * y)
    return tuple(xp.sum(term, axis=pixels.axis) for term in terms)
