"""How far several raters agree: counts that add up, and where they do not."""

from dataclasses import dataclass
from typing import ClassVar, Self

from ._lib.additive import Additive, exact
from ._lib.devices import device
from ._lib.empty import Empty, fill_empty, in_dtype
from ._lib.namespace import constant, namespace, require_mask
from ._lib.native import widest_float
from ._lib.raters import float_dtypes, look_up, rater_counts, require_raters, vote_counts
from ._lib.seam import whole
from ._lib.special import divide
from ._lib.typing import Array, DType, Namespace


@dataclass(frozen=True)
class Agreement(Additive):
    """How many pixels R raters mark, alone and together.

    Agreements add up over blocks, images and cases that the same raters marked: ``a + b`` and
    ``sum(agreements)``.

    Parameters
    ----------
    both : Array
        Integers (R, R): the number of pixels that two raters mark, on the diagonal one alone.
    majority : Array
        (R,): the number of pixels that a rater and more than half of all raters mark.
    votes : Array
        (R + 1,): the number of pixels that exactly 0, 1, ..., R raters mark.

    See Also
    --------
    rater_agreement : Computes it.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import rater_agreement
    >>> found = rater_agreement(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]))
    >>> found.dice().round(2)
    array([[1.  , 0.8 , 0.5 ],
           [0.8 , 1.  , 0.67],
           [0.5 , 0.67, 1.  ]])
    >>> found.votes
    array([1, 1, 1, 1])
    """

    _sums: ClassVar = ("both", "majority", "votes")

    both: Array
    majority: Array
    votes: Array

    def _require_same(self, other: Self) -> None:
        if self.both.shape != other.both.shape:
            raise ValueError(
                "agreements to be added must be of as many raters, "
                f"got {self.both.shape[0]} and {other.both.shape[0]}"
            )

    @exact
    def dice(self, *, empty: Empty = 1.0, dtype: DType = None) -> Array:
        """Return the Dice score of every two raters: twice what both mark over what each marks.

        Parameters
        ----------
        empty : {1.0, 0.0, nan, "skip"}, optional
            The score of two raters who mark nothing; "skip" marks it with NaN.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            (R, R), symmetric.
        """
        xp, both, one, other = self._floating()
        score = fill_empty(xp, divide(xp, 2 * both, one + other), one + other > 0, empty)
        return in_dtype(xp, score, dtype)

    @exact
    def jaccard(self, *, empty: Empty = 1.0, dtype: DType = None) -> Array:
        """Return the Jaccard index of every two raters: what both mark over what any marks.

        Parameters
        ----------
        empty : {1.0, 0.0, nan, "skip"}, optional
            The index of two raters who mark nothing; "skip" marks it with NaN.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            (R, R), symmetric.
        """
        xp, both, one, other = self._floating()
        union = one + other - both
        return in_dtype(xp, fill_empty(xp, divide(xp, both, union), union > 0, empty), dtype)

    @exact
    def dice_to_majority(self, *, empty: Empty = 1.0, dtype: DType = None) -> Array:
        """Return the Dice score of each rater to the strict majority of all.

        Parameters
        ----------
        empty : {1.0, 0.0, nan, "skip"}, optional
            The score of a rater who marks nothing where the majority is empty; "skip" marks it
            with NaN.
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            (R,).

        References
        ----------
        .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Table 6.
        """
        xp, both, _, _ = self._floating()
        raters = both.shape[0]
        target = xp.sum(self.votes[raters // 2 + 1 :])
        total = xp.astype(xp.linalg.diagonal(self.both) + target, both.dtype)
        score = divide(xp, 2 * xp.astype(self.majority, both.dtype), total)
        return in_dtype(xp, fill_empty(xp, score, total > 0, empty), dtype)

    @exact
    def cohen_kappa(self, *, dtype: DType = None) -> Array:
        """Return Cohen's kappa of every two raters: agreement beyond what chance would give.

        Two raters who both mark nothing, or everything, agree: 1.

        Parameters
        ----------
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            (R, R), symmetric, at most 1; it depends on how much background there is.

        References
        ----------
        .. [1] Cohen, "A coefficient of agreement for nominal scales", Educational and
           Psychological Measurement 20, 1960.
        """
        xp, both, one, other = self._floating()
        pixels = xp.astype(xp.sum(self.votes), both.dtype)
        one, other, both = (divide(xp, a, pixels + xp.zeros_like(a)) for a in (one, other, both))
        chance = one * (1 - other) + other * (1 - one)
        return in_dtype(xp, divide(xp, 2 * (both - one * other), chance, empty=1.0), dtype)

    @exact
    def fleiss_kappa(self, *, dtype: DType = None) -> Array:
        """Return Fleiss' kappa of all raters: agreement beyond what chance would give.

        If all raters mark nothing, or everything, they agree: 1.

        Parameters
        ----------
        dtype : DType, optional
            The floating dtype of the result; None means the library's default,
            at least float32.

        Returns
        -------
        Array
            A scalar, at most 1; it depends on how much background there is.

        References
        ----------
        .. [1] Fleiss, "Measuring nominal scale agreement among many raters", Psychological
           Bulletin 76, 1971.
        """
        xp = namespace(agreement=self.votes)
        raters = self.majority.shape[0]
        votes = xp.astype(self.votes, widest_float(xp, self.votes))
        share = votes / xp.maximum(xp.sum(votes), xp.ones_like(votes[0]))
        marked = constant(xp, [k / raters for k in range(raters + 1)], votes.dtype, votes)
        pairs = max(1, raters * (raters - 1))
        unlike = [k * (raters - k) / pairs for k in range(raters + 1)]
        p = xp.sum(share * marked)
        apart = xp.sum(share * constant(xp, unlike, votes.dtype, votes))
        return in_dtype(xp, 1 - divide(xp, apart, p * (1 - p)), dtype)

    @exact
    def copies(self) -> Array:
        """Return which raters mark the very same pixels, of all that were counted.

        Such raters are often one rater's masks under two names, who then counts twice in every
        fusion and every mean. On few pixels raters may well agree by themselves: ask the sum over
        all cases. Of label maps add the agreements of each class.

        Returns
        -------
        Array
            Booleans (R, R), symmetric; False on the diagonal, and for raters who mark nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from dice_semimetric import rater_agreement
        >>> raters = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]])
        >>> np.argwhere(np.triu(rater_agreement(raters).copies()))
        array([[0, 2]])
        """
        xp = namespace(agreement=self.both)
        marked = xp.linalg.diagonal(self.both)
        one, other = marked[:, None], marked[None, :]
        number = xp.arange(marked.shape[0], device=device(marked))
        same = (self.both == one) & (self.both == other) & (one > 0)
        return same & (number[:, None] != number[None, :])

    def _floating(self) -> tuple[Namespace, Array, Array, Array]:
        """Return what both mark, what the one marks (R, 1) and what the other marks (1, R)."""
        xp = namespace(agreement=self.both)
        both = xp.astype(self.both, widest_float(xp, self.both))
        marked = xp.linalg.diagonal(both)
        return xp, both, marked[:, None], marked[None, :]


@whole
def rater_agreement(raters: Array, *, rater_axis: int = 0, mask: Array | None = None) -> Agreement:
    """Return how many pixels raters mark, alone and together.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).
    mask : Array, optional
        Boolean, broadcast to the shape of one rater: the pixels that count. The others are not
        counted, but they too must hold 0 and 1.

    Returns
    -------
    Agreement
        Counts in the library's integer dtype for indices.

    Raises
    ------
    TypeError
        If ``raters`` is no array or not of a boolean or integer dtype, or ``mask`` not boolean.
    ValueError
        If there is no rater, shapes do not fit, or a checked value is not 0 or 1; see
        `value_checks`.

    See Also
    --------
    disagreement : Shows where they do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import rater_agreement
    >>> raters = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    >>> rater_agreement(raters).dice_to_majority().round(2)
    array([0.8 , 1.  , 0.67])
    """
    xp, raters = require_raters(raters, None, rater_axis)
    namespace(raters=raters, mask=mask)
    require_mask(xp, mask, raters.shape[1:])
    return Agreement(*vote_counts(raters, mask))


@whole
def disagreement(raters: Array, *, rater_axis: int = 0, dtype: DType | None = None) -> Array:
    """Return where raters disagree: 4 p (1 - p) for the share p that marks a pixel.

    Parameters
    ----------
    raters : Array
        (R, ...), or with the raters along ``rater_axis``: boolean or integer masks of 0 and 1.
    rater_axis : int, optional
        The axis of ``raters`` along which the raters lie, 1 for batches (B, R, *spatial).
    dtype : dtype, optional
        The floating dtype of the result; None is the library's default, at least
        float32.

    Returns
    -------
    Array
        Of the shape of one rater: 0 where all agree, 1 where half of them mark the pixel.

    Raises
    ------
    TypeError
        If ``raters`` is no array or not of a boolean or integer dtype, or ``dtype`` not floating.
    ValueError
        If there is no rater, or a checked value is not 0 or 1; see `value_checks`.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import disagreement
    >>> disagreement(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]))
    array([0.  , 1.  , 0.75, 0.  ])
    """
    xp, raters = require_raters(raters, None, rater_axis)
    out, _ = float_dtypes(xp, raters, dtype)
    number = raters.shape[0]
    values = [4 * k * (number - k) / number**2 for k in range(number + 1)]
    return look_up(rater_counts(raters), constant(xp, values, out, raters))
