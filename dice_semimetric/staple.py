"""STAPLE: raters to the probability of foreground, by expectation maximisation."""

import math
from typing import Literal

from ._lib.namespace import constant, namespace, size
from ._lib.native import widest_float
from ._lib.options import require_choice, require_integer, require_number, require_switch
from ._lib.raters import float_dtypes, look_up, marks_of, require_raters, vote_patterns
from ._lib.seam import accelerated, whole
from ._lib.special import as_one_task, divide, iterate, sigmoid
from ._lib.typing import Array, DType, Namespace

Start = Literal["performance", "mean"]

#: Up to this many raters the voting patterns are counted; their table has 2**R columns.
MOST = 16


@whole
def staple(
    raters: Array,
    *,
    rater_axis: int = 0,
    max_iter: int = 1000,
    tol: float = 1e-7,
    prior: float | None = None,
    start: Start = "performance",
    return_performance: bool = False,
    dtype: DType | None = None,
) -> Array | tuple[Array, Array, Array]:
    """Return the probability of foreground and each rater's performance, estimated together.

    Each rater r marks a foreground pixel with a probability of its own, the sensitivity, and
    leaves a background pixel unmarked with another, the specificity, independently of the others.
    Expectation: the probability of foreground at a pixel, given its votes and the performances.
    Maximisation: the performances, given these probabilities. Both are repeated until nothing
    moves.

    All pixels are one case. They enter only through how often each of the 2^R voting patterns
    occurs, so that an iteration costs the same for any number of them.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).
    max_iter : int, optional
        The largest number of iterations.
    tol : float, optional
        Iterations end when no sensitivity or specificity moves by more than this. On eager arrays
        that reads one number an iteration.
    prior : float, optional
        The probability of foreground before any vote, the same everywhere; None is the share of
        marks among all votes.
    start : {"performance", "mean"}, optional
        What the iterations start from: every sensitivity and specificity at 0.99999, as the paper
        does, or the raters' mean as the probability of foreground, as ITK and SimpleITK do. Both
        mostly end at one estimate. They may not where raters contradict each other, since the
        likelihood then has several peaks.
    return_performance : bool, optional
        Return the raters' performance too.
    dtype : dtype, optional
        The floating dtype of the result; None is the library's default, at least
        float32.

    Returns
    -------
    Array or tuple of Array
        The probability of foreground, of the shape of one rater; with ``return_performance`` also
        the sensitivities and the specificities, (R,) each. If no rater marked any pixel, or all
        marked every one, the probability is 0 or 1 everywhere, whatever the prior; a performance
        of which there is no example is 1. Where the probability is above 0.5 is the mask.

    Raises
    ------
    TypeError
        If ``raters`` is no array or not of a boolean or integer dtype, or ``dtype`` not floating.
    ValueError
        If there is no rater, ``max_iter``, ``tol``, ``prior`` or ``start`` is out of its range, or
        a checked value is not 0 or 1; see `value_checks`.

    Notes
    -----
    The iterations run in float64 where the device has it, on logarithms. Inside ``jax.jit`` they
    are one loop on the device, on a Dask array one task. With more than 16 raters, or on images of
    fewer than 2^R pixels, the pixels themselves are the patterns.

    References
    ----------
    .. [1] Warfield, Zou, Wells, "Simultaneous Truth and Performance Level Estimation (STAPLE)",
       IEEE Trans. Med. Imaging 23(7), 2004, Eqs. (14), (15), (18), (19).

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
    """
    xp, raters = require_raters(raters, None, rater_axis)
    out, _ = float_dtypes(xp, raters, dtype)
    max_iter = require_integer("max_iter", max_iter, least=1)
    tol = require_number("tol", tol, least=0.0)
    prior = None if prior is None else require_number("prior", prior)
    if prior is not None and not 0 < prior < 1:
        raise ValueError(f"prior must lie between 0 and 1, got {prior}")
    return_performance = require_switch("return_performance", return_performance)
    require_choice("start", start, ("performance", "mean"))
    number, shape = raters.shape[0], tuple(raters.shape[1:])
    if size(raters) == 0:
        soft, perfect = xp.astype(raters[0, ...], out), constant(xp, [1.0] * number, out, raters)
        return (soft, perfect, perfect) if return_performance else soft
    votes, codes = _voting_patterns(xp, raters)
    patterns = votes.shape[1]
    packed = as_one_task(
        lambda table: estimate(table, max_iter=max_iter, tol=tol, prior=prior, start=start),
        votes,
        (patterns + 2 * number,),
    )
    packed = xp.astype(packed, out, copy=False)
    soft = packed[:patterns]
    soft = xp.reshape(soft, shape) if codes is None else look_up(codes, soft)
    if not return_performance:
        return soft
    return soft, packed[patterns : patterns + number], packed[patterns + number :]


def _voting_patterns(xp: Namespace, raters: Array) -> tuple[Array, Array | None]:
    """Return the patterns of votes above how often each occurs, (R + 1, P), and each pixel's.

    Without the latter the pixels are the patterns, each of which occurs once.
    """
    number, pixels = raters.shape[0], math.prod(raters.shape[1:])
    wide = widest_float(xp, raters)
    if number > MOST or 2**number >= pixels:
        table = xp.astype(xp.reshape(marks_of(xp, raters), (number, pixels)), wide)
        return xp.concat([table, xp.ones_like(table[:1, :])], axis=0), None
    codes, counts = vote_patterns(raters)
    bits = [[code >> r & 1 for code in range(2**number)] for r in range(number)]
    rows = [constant(xp, row, wide, raters) for row in bits]
    return xp.stack([*rows, xp.astype(counts, wide)]), codes


@accelerated
def estimate(
    votes: Array,
    *,
    max_iter: int = 1000,
    tol: float = 1e-7,
    prior: float | None = None,
    start: Start = "performance",
) -> Array:
    """Return the probability of each pattern, then the sensitivities and the specificities.

    ``votes`` is (R + 1, P): the marks of R raters in P patterns, and how often each pattern occurs.
    These counts add up, so that a volume that is read in parts has the same estimate.
    """
    xp = namespace(votes=votes)
    number = votes.shape[0] - 1
    hit, counts = votes[:number, :], votes[number, :]
    odds = _prior_log_odds(xp, hit, counts, prior)

    def step(performance: Array) -> Array:
        log_odds = _log_odds(xp, hit, odds, performance)
        return _performance(xp, hit, counts, sigmoid(xp, log_odds), sigmoid(xp, -log_odds))

    if start == "mean":
        first = _performance(xp, hit, counts, xp.mean(hit, axis=0), xp.mean(1 - hit, axis=0))
    else:
        first = constant(xp, (0.99999, 1e-5, 0.99999, 1e-5), votes.dtype, votes)
        first = xp.broadcast_to(xp.expand_dims(first, axis=1), (4, number))
    final = iterate(xp, step, first, votes, tol=tol, max_iter=max_iter)
    soft = sigmoid(xp, _log_odds(xp, hit, odds, final))
    return xp.concat([soft, final[0, :], final[2, :]])


def _prior_log_odds(xp: Namespace, hit: Array, counts: Array, prior: float | None) -> Array:
    """Return the log-odds of foreground before any vote, infinite if all votes are alike."""
    marked, unmarked = (
        xp.sum(xp.sum(hit, axis=0) * counts),
        xp.sum(xp.sum(1 - hit, axis=0) * counts),
    )
    one, infinite = xp.ones_like(marked), xp.full_like(marked, math.inf)
    differ = (marked > 0) & (unmarked > 0)
    if prior is None:
        odds = xp.log(xp.where(differ, marked, one) / xp.where(differ, unmarked, one))
    else:
        odds = math.log(prior / (1 - prior)) * one
    return xp.where(differ, odds, xp.where(marked > 0, infinite, -infinite))


def _log_odds(xp: Namespace, hit: Array, odds: Array, performance: Array) -> Array:
    """Return the log-odds of foreground of each pattern: the E-step."""
    least = xp.finfo(hit.dtype).smallest_normal  # log stays finite, and 0 times it is 0
    log = xp.log(xp.where(performance > least, performance, xp.full_like(performance, least)))
    sensitivity, miss, specificity, alarm = (xp.expand_dims(log[i, :], axis=1) for i in range(4))
    vote = hit * (sensitivity - alarm) + (1 - hit) * (miss - specificity)
    return odds + xp.sum(vote, axis=0)


def _performance(xp: Namespace, hit: Array, counts: Array, marked: Array, unmarked: Array) -> Array:
    """Return sensitivity, miss rate, specificity and false alarm rate, (4, R): the M-step.

    From the probabilities of foreground and of background. Complements are sums of their own, not
    1 - x, which would lose the digits of a good rater.
    """
    foreground, background = (counts * marked)[None, :], (counts * unmarked)[None, :]
    rates = []
    for weight, empty in ((foreground, (1.0, 0.0)), (background, (0.0, 1.0))):
        hits, misses = xp.sum(hit * weight, axis=1), xp.sum((1 - hit) * weight, axis=1)
        rates += [
            divide(xp, part, hits + misses, empty=e)
            for part, e in zip((hits, misses), empty, strict=True)
        ]
    sensitivity, miss, alarm, specificity = rates
    return xp.stack([sensitivity, miss, specificity, alarm])
