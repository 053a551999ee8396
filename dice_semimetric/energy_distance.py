"""How far samples of segmentations are from several raters, as two distributions."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ._lib.aggregate import class_indices
from ._lib.checks import checks_apply, require_label_map, require_unit_interval
from ._lib.namespace import is_floating, namespace, sum_dtype
from ._lib.native import quietly
from ._lib.options import require_choice, require_integer, require_switch
from ._lib.raters import class_numbers, fold, marks_of
from ._lib.seam import whole
from ._lib.typing import Array, DType, Namespace
from .formulas import overlap_loss
from .pairwise import flat, flat_mask, pair_table

Distance = Literal["jaccard", "dice"]
FORMS = {"jaccard": "jml1", "dice": "dml1"}


class EnergyParts(NamedTuple):
    """What the energy distance is made of, and how near the nearest samples come.

    Attributes
    ----------
    between : Array
        The mean distance of a sample and a rater.
    diversity : Array
        The mean distance of two samples.
    disagreement : Array
        The mean distance of two raters.
    best_match : Array
        The distance of each rater to the nearest sample, along the last axis.
    """

    between: Array
    diversity: Array
    disagreement: Array
    best_match: Array


@whole
@quietly
def generalized_energy_distance(
    samples: Array,
    raters: Array,
    *,
    distance: Distance = "jaccard",
    num_classes: int | None = None,
    classes: Literal["all"] | Sequence[int] = "all",
    batch_axes: int = 0,
    mask: Array | None = None,
    unbiased: bool = False,
    return_parts: bool = False,
) -> Array | tuple[Array, EnergyParts]:
    """Return the squared generalized energy distance of sampled segmentations to raters' masks.

    It is 2 E d(S, Y) - E d(S, S') - E d(Y, Y') for samples S and raters Y: 0 where both are the
    same distribution, such as for samples that are the raters' masks, all equally often.

    Parameters
    ----------
    samples : Array
        (S, *spatial): masks of 0 and 1 in an integer dtype or bool, soft masks in a floating one;
        or integer label maps if ``num_classes`` is given.
    raters : Array
        (R, *spatial): the raters' masks or label maps.
    distance : {"jaccard", "dice"}, optional
        The distance d of two masks, 1 - intersection over union or 1 - Dice; for soft masks the
        semimetrics `jml1` and `dml1`, which are these for hard ones. Of two empty masks it is 0.
    num_classes : int, optional
        The number of classes C of label maps from 0 to C - 1; d is then the mean over the classes.
    classes : "all" or sequence of int, optional
        The classes that count, only with ``num_classes``; (1, 2) leaves out the background of 3.
    batch_axes : int, optional
        The number of axes before S and R that both share: 1 for (B, S, *spatial).
    mask : Array, optional
        Boolean, (*spatial) or (B, *spatial): the pixels that count. With ``num_classes`` the
        others must hold labels of classes too.
    unbiased : bool, optional
        Take the means of d(S, S') and d(Y, Y') over pairs of different samples and raters, of
        which there must be two. Otherwise they are over all pairs, those of a mask with itself
        included [1]_; then the result is never below 0, but by rounding.
    return_parts : bool, optional
        Return the parts too.

    Returns
    -------
    Array or tuple
        The squared distance, of the shape of the batch axes, in the widest floating dtype given but
        at least float32; with ``return_parts`` also a named tuple of ``between``, ``diversity`` (of
        the samples), ``disagreement`` (of the raters) and ``best_match``, (..., R).

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes do not fit, there is no sample or rater, an option is out of its range, or a
        checked value is; see `value_checks`.

    See Also
    --------
    pairwise_loss : The distances of all pairs.

    Notes
    -----
    The distances are matrix products of the masks in the dtype of the result, which are made for
    one class at a time; no array of all pairs and pixels is made. Pairs that are soft on both
    sides are summed one by one.

    References
    ----------
    .. [1] Kohl et al., "A Probabilistic U-Net for Segmentation of Ambiguous Images", NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import generalized_energy_distance
    >>> raters = np.array([[1, 1, 0], [1, 0, 0]])
    >>> float(generalized_energy_distance(raters, raters))
    0.0
    >>> samples = np.array([[1, 1, 0], [1, 1, 0]])
    >>> found, parts = generalized_energy_distance(samples, raters, return_parts=True)
    >>> float(found), parts.best_match
    (0.25, array([0. , 0.5]))
    """
    xp = namespace(samples=samples, raters=raters, mask=mask)
    require_choice("distance", distance, tuple(FORMS))
    leading = require_integer("batch_axes", batch_axes, least=0)
    unbiased = require_switch("unbiased", unbiased)
    return_parts = require_switch("return_parts", return_parts)
    _require_shapes(samples, raters, leading, 2 if unbiased else 1)
    kept = None if mask is None else flat_mask(xp, mask, samples, leading)
    dtype, form = sum_dtype(xp, samples, raters), FORMS[distance]
    tables = []
    for c in _classes(xp, samples, raters, num_classes, classes):
        s, y = (
            _masks(xp, array, c, kept, dtype, leading, name)
            for name, array in (("samples", samples), ("raters", raters))
        )
        tables.append([_distances(xp, *pair, form) for pair in ((s, y), (s, s), (y, y))])
    between, own, others = (fold(kind) / len(tables) for kind in zip(*tables, strict=True))
    parts = EnergyParts(
        xp.mean(between, axis=(-2, -1)),
        _mean_of_pairs(xp, own, unbiased),
        _mean_of_pairs(xp, others, unbiased),
        xp.min(between, axis=-2),
    )
    found = 2 * parts.between - parts.diversity - parts.disagreement
    return (found, parts) if return_parts else found


def _require_shapes(samples: Array, raters: Array, leading: int, least: int) -> None:
    """Raise ValueError unless both share all other axes and hold so many masks."""
    shapes = [tuple(a.shape) for a in (samples, raters)]
    others = [s[:leading] + s[leading + 1 :] for s in shapes]
    if min(map(len, shapes)) <= leading or others[0] != others[1]:
        first = "B, " * leading
        raise ValueError(
            f"samples and raters must have shapes ({first}S, *spatial) and ({first}R, *spatial), "
            f"got {shapes[0]} and {shapes[1]}; batch_axes={leading} axes come before S and R"
        )
    for name, shape in zip(("samples", "raters"), shapes, strict=True):
        if shape[leading] < least:
            raise ValueError(
                f"{name} must hold at least {least} along axis {leading}, got shape {shape}"
            )


def _classes(
    xp: Namespace,
    samples: Array,
    raters: Array,
    num_classes: int | None,
    classes: Literal["all"] | Sequence[int],
) -> tuple[int | None, ...]:
    """Return the classes of label maps that count, None for masks."""
    if num_classes is None:
        if not (isinstance(classes, str) and classes == "all"):
            raise ValueError("classes is for label maps, with num_classes")
        return (None,)
    for name, array in (("samples", samples), ("raters", raters)):
        num_classes = require_label_map(xp, array, num_classes, name=name)
    if isinstance(classes, str):
        require_choice("classes", classes, ("all",))
    indices = class_indices(classes, num_classes)
    return class_numbers(num_classes) if indices is None else indices


#: Masks along the rows, (..., number, pixels), and whether they are hard.
Masks = tuple[Array, bool]


def _masks(
    xp: Namespace,
    array: Array,
    c: int | None,
    kept: Array | None,
    dtype: DType,
    leading: int,
    name: str,
) -> Masks:
    """Return masks, or those of a class of label maps, 0 where a pixel does not count."""
    marks = array if c is None else marks_of(xp, array, c)
    x = flat(xp, xp.astype(marks, dtype, copy=False), leading)
    x = x if kept is None else xp.where(kept, x, xp.zeros_like(x))
    if checks_apply(x):
        x = require_unit_interval(xp, x, name, dtype=marks.dtype)
    return x, not is_floating(xp, array)


def _distances(xp: Namespace, one: Masks, other: Masks, form: str) -> Array:
    """Return the distance of every two masks; where one side is hard it is the second."""
    if one[1] and not other[1]:
        return xp.matrix_transpose(_distances(xp, other, one, form))
    table = pair_table(xp, one[0], *other)
    return overlap_loss(table, form=form, dtype=one[0].dtype)


def _mean_of_pairs(xp: Namespace, distances: Array, unbiased: bool) -> Array:
    """Return the mean over pairs, or over those of different masks: the others are 0 apart."""
    number = distances.shape[-1]
    return xp.sum(distances, axis=(-2, -1)) / (number * (number - 1 if unbiased else number))
