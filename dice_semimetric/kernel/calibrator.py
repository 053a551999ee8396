"""Kernel regression as a post-hoc calibrator: fit on held-out cases, then predict."""

from typing import Self

import numpy as np

from .._lib.checks import require_probabilities
from .._lib.fitting import class_rows, from_class_rows, label_pair, require_fitted
from .._lib.namespace import namespace, sum_dtype
from .._lib.native import without_gradient
from .._lib.typing import Array
from .density import regress
from .error import select_bandwidth
from .keys import Sampling, require_draw, sample_keys
from .regression import require_bandwidth


class KernelCalibrator:
    """Replace probabilities by E[y | f(x)], estimated from keys of held-out cases.

    Parameters
    ----------
    bandwidth : float, optional
        The smoothing h; None lets `select_bandwidth` choose it on the keys.
    n_keys : int, optional
        How many keys to draw from all pixels given to ``fit``.
    sampling : {"proportional", "balanced"}, optional
        How to draw them. "balanced" has every class equally often among the keys, which raises
        the rare classes' probabilities, so it is no calibration of the given distribution.
    rng : numpy.random.Generator, optional
        Draws the keys; the default is seeded with 0.

    Attributes
    ----------
    bandwidth_ : float
        The bandwidth in use, after ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import KernelCalibrator
    >>> prob, label = np.array([[0.9, 0.1]] * 10), np.array([0] * 6 + [1] * 4)
    >>> KernelCalibrator(bandwidth=0.01).fit(prob, label).predict_proba(prob[:1]).round(3)
    array([[0.6, 0.4]])
    """

    def __init__(
        self,
        *,
        bandwidth: float | None = 1e-3,
        n_keys: int = 500,
        sampling: Sampling = "proportional",
        rng: np.random.Generator | None = None,
    ) -> None:
        if bandwidth is not None:
            require_bandwidth(bandwidth)
        self.bandwidth = bandwidth
        self.n_keys = n_keys
        self.sampling = sampling
        self.rng = np.random.default_rng(0) if rng is None else rng
        require_draw(n_keys, self.rng)

    def fit(self, prob: Array, label: Array, *, ignore_index: int | None = None) -> Self:
        """Draw the keys.

        Parameters
        ----------
        prob : Array
            (n, K) or (B, C, *spatial), floating: probabilities on held-out cases; eager.
        label : Array
            Integers (n,) or (B, *spatial), or soft labels of the shape of ``prob``.
        ignore_index : int, optional
            The integer label of pixels that are never keys.

        Returns
        -------
        KernelCalibrator
            Itself.
        """
        xp = namespace(prob=prob, label=label)
        prob, label = without_gradient(xp, prob), without_gradient(xp, label)
        require_probabilities(xp, prob, "prob")
        hard, value = label_pair(xp, prob, label, ignore_index)
        drawn = sample_keys(
            hard, self.n_keys, rng=self.rng, sampling=self.sampling, ignore_index=ignore_index
        )
        if drawn.shape[0] == 0:
            raise ValueError("label must hold at least one pixel that counts, got none")
        key_prob = xp.take(class_rows(xp, prob), drawn, axis=1)
        key_value = xp.take(class_rows(xp, value), drawn, axis=1)
        if self.bandwidth is None:
            rows = (xp.permute_dims(a, (1, 0)) for a in (key_prob, key_value))
            self.bandwidth_ = select_bandwidth(*rows)
        else:
            self.bandwidth_ = self.bandwidth
        self._keys = key_prob, key_value
        return self

    def predict_proba(self, prob: Array) -> Array:
        """Return calibrated probabilities.

        Parameters
        ----------
        prob : Array
            (n, K) or (B, C, *spatial), of the library, device and number of classes of ``fit``.

        Returns
        -------
        Array
            Of the same shape, at least float32.

        Raises
        ------
        RuntimeError
            If ``fit`` was not called.
        """
        require_fitted(self, "_keys")
        key_prob, key_value = self._keys
        xp = namespace(prob=prob, key_prob=key_prob)
        require_probabilities(xp, prob, "prob")
        if prob.shape[1] != key_prob.shape[0]:
            raise ValueError(
                f"prob must have {key_prob.shape[0]} classes along axis 1 as in fit, "
                f"got shape {tuple(prob.shape)}"
            )
        dtype = sum_dtype(xp, prob, key_prob)
        value = xp.astype(key_value, dtype, copy=False)
        mean, _ = regress(class_rows(xp, prob), key_prob, value, self.bandwidth_, dtype=dtype)
        return from_class_rows(xp, mean, prob.shape)
