"""Where labels meet: the boundary rule in any number of dimensions, and smoothing just there."""

from collections.abc import Callable

import array_api_compat as compat

from ._lib.checks import value_range
from ._lib.namespace import constant, is_integer, namespace, position, result_dtype, size
from ._lib.options import require_integer, require_label
from ._lib.seam import accelerated, whole
from ._lib.special import widen
from ._lib.typing import Array, DType, Namespace
from .labels import mix_uniform, one_hot, require_fraction, spread


@whole
def label_boundary(
    label: Array, *, width: int = 3, ignore_index: int | None = None, batch_axes: int = 1
) -> Array:
    """Return where the k x k window around a pixel, cut at the image border, holds another label.

    Parameters
    ----------
    label : Array
        Integer labels (B, *spatial), any number of spatial axes: the window is k x k x ... .
    width : int, optional
        The odd side k of the window. At k = 3 a boundary is one pixel wide on either side, with
        diagonal neighbours; at k = 1 there is none.
    ignore_index : int, optional
        The label of pixels that do not count: they are no boundary and make none.
    batch_axes : int, optional
        The number of leading axes that windows do not extend along; 0 for a map without a batch.

    Returns
    -------
    Array
        Boolean, of the shape of ``label``, in its library and on its device.

    Raises
    ------
    TypeError
        If ``label`` is no array or not of an integer dtype.
    ValueError
        If ``width`` is not odd and at least 1, or ``batch_axes`` does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import label_boundary
    >>> label_boundary(np.array([[0, 0, 0, 5, 5, 5]]))
    array([[False, False,  True,  True, False, False]])
    """
    xp = namespace(label=label)
    if not is_integer(xp, label):
        raise TypeError(f"label must be of an integer dtype, got {label.dtype}")
    width = require_width(width)
    batch_axes = require_integer("batch_axes", batch_axes, least=0, most=label.ndim)
    ignore_index = require_label("ignore_index", ignore_index)
    label = widen(xp, label, ignore_index)
    return window_differs(label, reach=width // 2, ignore_index=ignore_index, batch_axes=batch_axes)


@accelerated
def window_differs(label: Array, *, reach: int, ignore_index: int | None, batch_axes: int) -> Array:
    """Return where a window that reaches so far to either side holds another label."""
    xp = namespace(label=label)
    if compat.is_numpy_namespace(xp):
        label = _in_bytes(label, ignore_index)
    low = high = label
    kept = None if ignore_index is None else label != ignore_index
    if kept is not None:  # an ignored pixel is neither the largest nor the smallest of a window
        info = xp.iinfo(label.dtype)
        low = xp.where(kept, label, xp.full_like(label, info.max))
        high = xp.where(kept, label, xp.full_like(label, info.min))
    for axis in range(batch_axes, label.ndim):
        low = _window(xp, xp.minimum, low, axis, reach)
        high = _window(xp, xp.maximum, high, axis, reach)
    return low != high if kept is None else kept & (low != high)


def _in_bytes(label: Array, ignore_index: int | None) -> Array:
    """Return NumPy's labels as bytes if they fit: windows of them take a fraction of the time."""
    if size(label) == 0 or label.dtype.itemsize == 1:
        return label
    low, high = (int(end) for end in value_range(label))
    fits = low >= 0 and high <= 255 and (ignore_index is None or 0 <= ignore_index <= 255)
    return label.astype("uint8") if fits else label


@whole
def smooth_boundary(
    label: Array,
    num_classes: int,
    *,
    epsilon: float,
    width: int = 3,
    axis: int = 1,
    dtype: DType | None = None,
    ignore_index: int | None = None,
) -> Array:
    """Return boundary label smoothing: (1 - epsilon) y + epsilon / C at boundaries, else y.

    Parameters
    ----------
    label : Array
        Integer labels (B, *spatial) from 0 to C - 1.
    num_classes : int
        The number of classes C, as for `one_hot`.
    epsilon : float
        The share of the uniform distribution at a boundary pixel, from 0 to 1.
    width : int, optional
        The odd side k of the window that makes a boundary, as for `label_boundary`.
    axis : int, optional
        The position of the class axis in the result: that many leading axes of ``label`` are
        batch axes, which windows do not extend along.
    dtype : dtype, optional
        The floating dtype of the result; None is the library's default, at least
        float32.
    ignore_index : int, optional
        The label of pixels that do not count: 0 in every class, and no boundary to others.

    Returns
    -------
    Array
        (B, C, *spatial), in the library and on the device of ``label``.

    Raises
    ------
    TypeError
        If ``label`` is no array or not of an integer dtype.
    ValueError
        If an option is out of its range, or a checked label is; see `value_checks`.

    See Also
    --------
    label_boundary : Which pixels are smoothed.
    smooth_labels : Smooths them all.

    References
    ----------
    .. [1] Wang et al., "Jaccard Metric Losses: Optimizing the Jaccard Index with Soft Labels",
       NeurIPS 2023, boundary label smoothing.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import smooth_boundary
    >>> smooth_boundary(np.array([[0, 0, 1, 1]]), 2, epsilon=0.5)[0, 1]
    array([0.  , 0.25, 0.75, 1.  ])
    """
    xp = namespace(label=label)
    epsilon = require_fraction("epsilon", epsilon)
    out = result_dtype(xp, label, dtype)
    hard = one_hot(label, num_classes, axis=axis, dtype=out, ignore_index=ignore_index)
    axis = position(axis, hard.ndim)
    edge = label_boundary(label, width=width, ignore_index=ignore_index, batch_axes=axis)
    values = mix_uniform(constant(xp, (0, 1), out, label), epsilon, num_classes)
    soft = spread(label, values, num_classes=num_classes, axis=axis, ignore_index=ignore_index)
    return xp.where(xp.expand_dims(edge, axis=axis), soft, hard)


def require_width(width: int) -> int:
    """Return the side of a window, or raise unless it is odd and at least 1."""
    number = require_integer("width", width, least=1)
    if number % 2 == 0:
        raise ValueError(f"width must be odd and at least 1, got {number}")
    return number


def _window(
    xp: Namespace, combine: Callable[[Array, Array], Array], x: Array, axis: int, reach: int
) -> Array:
    """Combine each entry with those up to ``reach`` away along an axis, by doubling shifts."""
    length = x.shape[axis]
    reach = min(reach, length - 1)

    def part(start: int, stop: int) -> Array:
        return x[(slice(None),) * axis + (slice(start, stop), ...)]

    for forward in (True, False):
        span = 1  # how many entries have been combined, this one included
        while span <= reach:
            step = min(span, reach + 1 - span)
            both = combine(part(step, length), part(0, length - step))
            border = part(length - step, length) if forward else part(0, step)
            x = xp.concat([both, border] if forward else [border, both], axis=axis)
            span += step
    return x
