"""STAPLE: raters to the probability of each class, by expectation maximisation."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from ._lib.decisions import Decisions, decisions, told
from ._lib.devices import device
from ._lib.namespace import constant, namespace, size
from ._lib.native import matmul
from ._lib.options import (
    require_choice,
    require_integer,
    require_number,
    require_numbers,
    require_switch,
)
from ._lib.raters import class_axis, float_dtypes, join_classes
from ._lib.seam import accelerated, whole
from ._lib.special import as_one_task, divide, iterate, softmax
from ._lib.typing import Array, DType, Namespace

Start = Literal["performance", "mean", "majority"]


@whole
def staple(
    raters: Array,
    *,
    num_classes: int | None = None,
    axis: int | None = None,
    rater_axis: int = 0,
    present: Array | None = None,
    max_iter: int = 1000,
    tol: float = 1e-7,
    prior: float | Sequence[float] | None = None,
    start: Start = "performance",
    return_performance: bool = False,
    dtype: DType | None = None,
) -> Array | tuple[Array, ...]:
    """Return the probability of each class and the performance of each rater, found together.

    A rater who sees a pixel of class s calls it class t with a probability of its own, an entry of
    the rater's confusion matrix, independently of the others. Of masks these are the sensitivity,
    of marking foreground, and the specificity, of leaving background unmarked. Expectation: the
    probability of each class at a pixel, given what raters say of it and their matrices.
    Maximisation: the matrices, given these probabilities. Both are repeated until nothing moves.

    All pixels are one case. They enter only through how often each joint decision of the raters
    occurs, so that an iteration costs the same for any number of them.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1, or
        integer label maps (R, B, *spatial) if ``num_classes`` is given.
    num_classes : int, optional
        The number of classes C of label maps from 0 to C - 1; 1 gives masks a class axis.
    axis : int, optional
        The position of the class axis in the result, only with ``num_classes``; None is 1, and 0
        suits label maps without a batch axis.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).
    present : Array, optional
        Boolean: where a rater has marked. (R,), or of the shape of the first axes of ``raters``, up
        to that of the raters or further: (R, B) for raters who did not mark every image, (B, R)
        with ``rater_axis=1``, and (R, B, *spatial) for pixels. Axes of one are broadcast. What the
        array holds where a rater is missing has no influence; None is everywhere.
    max_iter : int, optional
        The largest number of iterations.
    tol : float, optional
        Iterations end when no entry of a confusion matrix moves by more than this. On eager arrays
        that reads one number an iteration.
    prior : float or sequence of float, optional
        The probability of foreground before any vote, the same everywhere, or with two classes or
        more that of each; None is the share of each among all votes.
    start : {"performance", "mean", "majority"}, optional
        What the iterations start from: matrices of raters who err once in 100,000 pixels, as the
        paper does; the raters' mean as the probability of each class, as ITK and SimpleITK do for
        masks; or how often what a rater says is what most raters say, ties left out, as their
        MultiLabelSTAPLE does. All mostly end at one estimate. They may not where raters contradict
        each other, since the likelihood then has several peaks.
    return_performance : bool, optional
        Return the raters' performance too.
    dtype : dtype, optional
        The floating dtype of the result; None is the library's default, at least
        float32.

    Returns
    -------
    Array or tuple of Array
        The probability of foreground, of the shape of one rater; or (B, C, *spatial), that of each
        class, if ``num_classes`` is given. With ``return_performance`` also the sensitivities and
        the specificities, (R,) each; or with ``num_classes`` the confusion matrices, (R, C, C) with
        C at least 2: the probability that a rater calls class s class t stands in row s, column t.
        A class that nobody marked has probability 0, whatever the prior, and if nobody marked
        anything all is class 0. Where no rater is present the probabilities are the prior's. A
        performance of which there is no example is 1. Where the probability of foreground is above
        0.5 is the mask; the most probable class is the label.

    Raises
    ------
    TypeError
        If ``raters`` is no array or not of a boolean or integer dtype, ``present`` not boolean, or
        ``dtype`` not floating.
    ValueError
        If there is no rater, ``present`` does not fit, an option is out of its range, or a checked
        value is; see `value_checks`.

    See Also
    --------
    Agreement.copies : Shows raters who are copies of each other, and so count twice.

    Notes
    -----
    The iterations run in float64 where the device has it, on logarithms. Inside ``jax.jit`` they
    are one loop on the device, on a Dask array one task. There the pixels themselves are the joint
    decisions if there can be more than 65,536 of these or than pixels; eager arrays have no such
    limit. A rater who does not mark a class at all, say because nobody asked, is one whose matrix
    has background in the row of this class, which the iterations find by themselves; or fuse each
    class by itself, as masks of the raters who marked it.

    References
    ----------
    .. [1] Warfield, Zou, Wells, "Simultaneous Truth and Performance Level Estimation (STAPLE)",
       IEEE Trans. Med. Imaging 23(7), 2004, Eqs. (14), (15), (18), (19) for masks, and its
       section on several classes.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import staple
    >>> raters = np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 0, 1, 0, 1, 1]])
    >>> soft, sensitivity, specificity = staple(raters, return_performance=True)
    >>> soft.round(3)
    array([1., 1., 1., 0., 0., 0.])
    >>> sensitivity.round(3), specificity.round(3)
    (array([1.   , 1.   , 0.667]), array([1.   , 1.   , 0.333]))

    Three classes, and a rater who has not marked the second image:

    >>> one, other = [[0, 1, 2, 2], [1, 2, 2, 0]], [[0, 1, 1, 2], [9, 9, 9, 9]]
    >>> maps = np.array([one, one, other])
    >>> there = np.array([[True, True], [True, True], [True, False]])
    >>> staple(maps, num_classes=3, present=there).argmax(axis=1)
    array([[0, 1, 2, 2],
           [1, 2, 2, 0]])
    """
    axis = class_axis(axis, num_classes)
    xp, said, classes = told(raters, num_classes, rater_axis, present)
    out, _ = float_dtypes(xp, said, dtype)
    max_iter = require_integer("max_iter", max_iter, least=1)
    tol = require_number("tol", tol, least=0.0)
    shares = None if prior is None else _shares(prior, classes, num_classes)
    require_choice("start", start, ("performance", "mean", "majority"))
    return_performance = require_switch("return_performance", return_performance)
    number, shape = said.shape[0], tuple(said.shape[1:])
    if size(said) == 0:
        found = Decisions(xp.zeros((number + 1, 0), dtype=out, device=device(said)), None, None)
        perfect = xp.eye(classes, dtype=out, device=device(said))
        packed = xp.concat([perfect] * number, axis=1)
    else:
        found = decisions(said, classes + (present is not None))
        options: Any = {"max_iter": max_iter, "tol": tol, "prior": shares, "start": start}
        run = partial(estimate, num_classes=classes, **options)
        room = classes, found.table.shape[1] + number * classes
        packed = xp.astype(as_one_task(run, found.table, room), out, copy=False)
    columns = found.table.shape[1]
    wanted = range(classes) if classes > 2 or num_classes == 2 else (1,)
    parts = [found.of_pixels(packed[c, :columns], shape) for c in wanted]
    soft = join_classes(xp, parts, num_classes, axis)
    if not return_performance:
        return soft
    matrices = xp.reshape(packed[:, columns:], (classes, number, classes))
    if num_classes is None:
        return soft, matrices[1, :, 1], matrices[0, :, 0]
    return soft, xp.permute_dims(matrices, (1, 0, 2))


def _shares(prior: float | Sequence[float], classes: int, num_classes: int | None) -> Any:
    """Return the prior as the probability of each class, or raise."""
    if num_classes in (None, 1):
        share = require_number("prior", prior)
        if not 0 < share < 1:
            raise ValueError(f"prior must lie between 0 and 1, got {share}")
        return 1 - share, share
    shares = require_numbers("prior", prior, above=0.0)
    if len(shares) != classes or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            f"prior must hold one probability for each of the {classes} classes, "
            f"{classes} of sum 1, got {len(shares)} of sum {sum(shares):g}"
        )
    return shares


@accelerated
def estimate(
    table: Array,
    *,
    num_classes: int = 2,
    max_iter: int = 1000,
    tol: float = 1e-7,
    prior: Sequence[float] | None = None,
    start: Start = "performance",
) -> Array:
    """Return the probability of each class for each joint decision, then the confusion matrices.

    ``table`` is (R + 1, P), that of `Decisions`. Its counts add up, so that a volume that is read
    in parts has the same estimate. The result is (C, P + R C): along the first axis lie the classes
    that a pixel may be, behind the decisions what a rater may say, one rater after the other.
    """
    xp = namespace(table=table)
    number, counts = table.shape[0] - 1, table[-1:, :]
    said = [table[:-1, :] == c for c in range(num_classes)]
    votes = xp.astype(xp.stack(said, axis=1), table.dtype)  # a missing rater gives none
    share = xp.sum(votes, axis=0)
    votes = xp.reshape(votes, (number * num_classes, table.shape[1]))
    log_prior = _log_prior(xp, xp.sum(share * counts, axis=1), prior)

    def step(matrices: Array) -> Array:
        weight = posterior(votes, matrices, log_prior)
        return _matrices(xp, matmul(xp, weight * counts, votes.T), number)

    first = _first(xp, votes, share, counts, start)
    final = iterate(xp, step, first, table, tol=tol, max_iter=max_iter)
    return xp.concat([posterior(votes, final, log_prior), final], axis=1)


def _log_prior(xp: Namespace, marked: Array, prior: Sequence[float] | None) -> Array:
    """Return the logarithm of the probability of each class before any vote, (C, 1).

    Of a class that nobody marked it lies so low that no vote outweighs it.
    """
    share = marked if prior is None else constant(xp, prior, marked.dtype, marked)
    there = marked > 0
    nothing = xp.arange(marked.shape[0], device=device(marked)) == 0
    there = there | (nothing & ~xp.any(there))
    least = xp.full_like(marked, -float(xp.finfo(marked.dtype).max) / 4)
    log = xp.log(xp.where(there & (share > 0), share, xp.ones_like(share)))
    return xp.expand_dims(xp.where(there, log, least), axis=1)


def posterior(votes: Array, matrices: Array, log_prior: Array) -> Array:
    """Return the probability of each class for each joint decision, (C, P): the E-step."""
    xp = namespace(votes=votes)
    least = xp.finfo(votes.dtype).smallest_normal  # log stays finite, and 0 times it is 0
    log = xp.log(xp.where(matrices > least, matrices, xp.full_like(matrices, least)))
    return softmax(xp, log_prior + matmul(xp, log, votes), axis=0)


def _matrices(xp: Namespace, weights: Array, number: int) -> Array:
    """Return the confusion matrices (C, R C) of such weights: the M-step.

    A rater who has no example of a class is right about it.
    """
    classes = weights.shape[0]
    weights = xp.reshape(weights, (classes, number, classes))
    total = xp.sum(weights, axis=2, keepdims=True)
    right = xp.eye(classes, dtype=weights.dtype, device=device(weights))[:, None, :]
    found = xp.where(total > 0, divide(xp, weights, total), right)
    return xp.reshape(found, (classes, number * classes))


def _first(xp: Namespace, votes: Array, share: Array, counts: Array, start: Start) -> Array:
    """Return the confusion matrices to start from."""
    classes = share.shape[0]
    number = votes.shape[0] // classes
    right = xp.eye(classes, dtype=votes.dtype, device=device(votes))
    if start == "performance":
        sure = 0.99999 * right + 1e-5 / (classes - 1) * (1 - right)
        return xp.concat([sure] * number, axis=1)
    if start == "mean":
        mean = divide(xp, share, xp.sum(share, axis=0, keepdims=True))
        return _matrices(xp, matmul(xp, mean * counts, votes.T), number)
    most = xp.astype(share == xp.max(share, axis=0, keepdims=True), votes.dtype)
    decided = most * (xp.sum(most, axis=0, keepdims=True) == 1)
    weights = matmul(xp, decided * counts, votes.T)
    total = xp.sum(weights, axis=0, keepdims=True)  # of what is said, as ITK has it
    return xp.where(total > 0, divide(xp, weights, total), xp.concat([right] * number, axis=1))
