"""The losses of every prediction with every target, for matching masks."""

import math
from typing import Any

from ._lib.additive import in_double
from ._lib.blocks import BLOCK
from ._lib.checks import checks_apply, require_unit_interval
from ._lib.devices import is_eager
from ._lib.namespace import (
    is_floating,
    namespace,
    require_floating,
    require_mask,
    sum_dtype,
)
from ._lib.native import quietly
from ._lib.options import require_choice, require_integer
from ._lib.seam import accelerated, whole
from ._lib.special import absolute, activate, positive_part
from ._lib.typing import Activation, Array, Namespace, Smooth
from .formulas import overlap_loss
from .overlap import Overlap


@whole
@quietly
def pairwise_loss(
    pred: Array,
    target: Array,
    *,
    form: str = "dml1",
    activation: Activation = None,
    batch_axes: int = 0,
    mask: Array | None = None,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 1.0,
    focal_exponent: str = "paper",
    log: bool = False,
    smooth: Smooth = 0.0,
) -> Array:
    """Return the loss of every predicted mask with every target mask.

    It is the matrix that a matching minimises, such as that of the queries of a mask classifier.
    The products of all pairs are one matrix product. For hard masks so are the differences, since
    ``|x - y| = x + y - 2 x y`` there; for soft ones they are summed pair by pair. No array of all
    pairs and pixels is made.

    Parameters
    ----------
    pred : Array
        (Q, *spatial), floating: probabilities, or logits if ``activation`` is given.
    target : Array
        (T, *spatial): soft masks in a floating dtype, hard ones in an integer one or bool.
    form : {"dml1", "dml2", "jml1", "jml2", "sdl", "sjl", "ctl", "stl", "cftl"}, optional
        The loss; see the functions of these names.
    activation : {None, "sigmoid"}, optional
        What makes probabilities of ``pred``.
    batch_axes : int, optional
        The number of axes before Q and T that both share: 1 for (B, Q, *spatial).
    mask : Array, optional
        Boolean, (*spatial) or (B, *spatial): the pixels that count. What the others hold, even
        NaN, has no influence.
    alpha, beta : float, optional
        Weights of false positives and false negatives, for ``ctl``, ``stl`` and ``cftl`` only.
    gamma : float, optional
        The focal term, for any form; 1 means none.
    focal_exponent : {"paper", "code"}, optional
        "paper" raises the loss to ``1 / gamma``, Eq. (33); "code" to ``gamma``.
    log : bool, optional
        Take ``-ln(1 - loss)``.
    smooth : float or tuple of float, optional
        Added to the numerator and the denominator of the score 1 - loss, as by `overlap_loss`.

    Returns
    -------
    Array
        (Q, T), or (B, Q, T), in the widest floating dtype given but at least float32.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes do not fit, an option is out of its range, or a checked value is; see
        `value_checks`.

    See Also
    --------
    overlap_loss : The formulas.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (1)-(4), (25)-(27), (33).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import pairwise_loss
    >>> queries = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    >>> pairwise_loss(queries, np.array([[1, 0, 0], [0, 1, 1]])).round(2)
    array([[0.  , 1.  ],
           [1.  , 0.33]])
    """
    xp = namespace(pred=pred, target=target, mask=mask)
    require_choice("activation", activation, (None, "sigmoid"))
    require_floating(xp, pred=pred)
    leading = require_integer("batch_axes", batch_axes, least=0)
    _require_shapes(pred, target, leading)
    dtype = sum_dtype(xp, pred, target)
    hard = not is_floating(xp, target)
    checked = checks_apply(pred, target, mask)
    x, y = (flat(xp, xp.astype(a, dtype, copy=False), leading) for a in (pred, target))
    if mask is not None:  # before the activation, whose slope of a NaN is NaN
        kept = flat_mask(xp, mask, pred, leading)
        x, y = xp.where(kept, x, xp.zeros_like(x)), xp.where(kept, y, xp.zeros_like(y))
    if activation is not None:
        x = activate(xp, x, activation)
        x = x if mask is None else xp.where(kept, x, xp.zeros_like(x))
    if checked:
        x = require_unit_interval(xp, x, "pred", activation=activation)
        y = require_unit_interval(xp, y, "target", dtype=target.dtype)
    table = pair_table(xp, x, y, hard)
    return overlap_loss(
        table,
        form=form,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        focal_exponent=focal_exponent,
        log=log,
        smooth=smooth,
        dtype=dtype,
    )


def _require_shapes(pred: Array, target: Array, leading: int) -> None:
    """Raise ValueError unless both share all axes but that of the masks."""
    shapes = [tuple(a.shape) for a in (pred, target)]
    others = [s[:leading] + s[leading + 1 :] for s in shapes]
    if min(map(len, shapes)) > leading and others[0] == others[1]:
        return
    first = "B, " * leading
    raise ValueError(
        f"pred and target must have shapes ({first}Q, *spatial) and ({first}T, *spatial), "
        f"got {shapes[0]} and {shapes[1]}; batch_axes={leading} axes come before Q and T"
    )


def flat(xp: Namespace, x: Array, leading: int) -> Array:
    """Return masks with their pixels along one axis, the last."""
    kept = tuple(x.shape[: leading + 1])
    return xp.reshape(x, (*kept, math.prod(x.shape[leading + 1 :])))


def flat_mask(xp: Namespace, mask: Array, pred: Array, leading: int) -> Array:
    """Return the pixels that count along the last axis, beside one of the masks."""
    shape = tuple(pred.shape[:leading]) + tuple(pred.shape[leading + 1 :])
    require_mask(xp, mask, shape)
    whole_mask = xp.expand_dims(xp.broadcast_to(mask, shape), axis=leading)
    return flat(xp, whole_mask, leading)


def pair_table(xp: Namespace, x: Array, y: Array, hard: bool) -> Overlap:
    """Return the overlap of every pair, blocks of pixels added up in double precision."""
    length = x.shape[-1]
    step = BLOCK if is_eager(x, y) else max(1, length)
    total: Any = None
    for start in range(0, max(1, length), step):
        place = (..., slice(start, min(start + step, length)))
        one, other = x[place], y[place]
        product = xp.matmul(one, xp.matrix_transpose(other))
        sums = (
            xp.expand_dims(xp.sum(one, axis=-1), axis=-1),
            xp.expand_dims(xp.sum(other, axis=-1), axis=-2),
        )
        if hard:
            difference = positive_part(xp, sums[0] + sums[1] - 2 * product)
        else:
            difference = pair_differences(one, other)
        sides = (xp.broadcast_to(s, product.shape) for s in sums)
        found = Overlap(*in_double(xp, (*sides, difference, product)))
        total = found if total is None else total + found
    found_table: Overlap = total
    return found_table


@accelerated
def pair_differences(x: Array, y: Array) -> Array:
    """Return the sums of ``|x - y|`` over the last axis of each row of x with each of y."""
    xp = namespace(x=x, y=y)
    rows = [xp.sum(absolute(xp, x - y[..., t : t + 1, :]), axis=-1) for t in range(y.shape[-2])]
    if not rows:
        return xp.zeros((*x.shape[:-1], 0), dtype=x.dtype)
    return xp.stack(rows, axis=-1)
