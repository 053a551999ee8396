"""Kernel regression as a post-hoc calibrator: fit on held-out cases, then predict."""

from typing import Self

import numpy as np

from .._lib.checks import require_probabilities
from .._lib.devices import device
from .._lib.fitting import class_rows, from_class_rows, label_pair, require_fitted
from .._lib.namespace import namespace, sum_dtype
from .._lib.native import to_host, without_gradient
from .._lib.options import Rng, require_label
from .._lib.typing import Array, Namespace
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
    sampling : {"balanced", "proportional"}, optional
        How to draw them, as in `sample_keys`. Balanced keys know the rare classes best; each counts
        for all the pixels of its class over the keys drawn of it, so that both calibrate for the
        distribution that is given.
    rng : int, None or numpy.random.Generator, optional
        What `numpy.random.default_rng` takes, to draw the keys. An integer draws the same keys at
        every fit, None others.

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
        sampling: Sampling = "balanced",
        rng: Rng = 0,
    ) -> None:
        require_draw(n_keys, rng, sampling)
        self.bandwidth = None if bandwidth is None else require_bandwidth(bandwidth)
        self.n_keys = n_keys
        self.sampling = sampling
        self.rng = rng

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
        prob = require_probabilities(xp, prob, "prob")
        ignore_index = require_label("ignore_index", ignore_index)
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
        weight = None
        if self.sampling == "balanced":
            shares = _class_shares(xp, hard, drawn)
            weight = xp.asarray(shares, dtype=key_value.dtype, device=device(prob))
        self._keys = key_prob, key_value, weight
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
        key_prob, key_value, weight = self._keys
        xp = namespace(prob=prob, key_prob=key_prob)
        prob = require_probabilities(xp, prob, "prob")
        if prob.shape[1] != key_prob.shape[0]:
            raise ValueError(
                f"prob must have {key_prob.shape[0]} classes along axis 1 as in fit, "
                f"got shape {tuple(prob.shape)}"
            )
        dtype = sum_dtype(xp, prob, key_prob)
        value = xp.astype(key_value, dtype, copy=False)
        if weight is not None:  # the last row is the mean weight of the keys, by which to divide
            rows = xp.astype(weight, dtype, copy=False)[None, :]
            value = xp.concat([value * rows, rows], axis=0)
        mean, _ = regress(class_rows(xp, prob), key_prob, value, self.bandwidth_, dtype=dtype)
        if weight is not None:
            mean = mean[:-1, :] / mean[-1:, :]
        return from_class_rows(xp, mean, prob.shape)


def _class_shares(xp: Namespace, label: Array, drawn: Array) -> np.ndarray:
    """Return for each key how many pixels of its class it stands for, the most as 1."""
    labels = to_host(xp, label, "label").reshape(-1)
    keys = labels[to_host(xp, drawn, "label")]
    classes, index, number = np.unique(keys, return_inverse=True, return_counts=True)
    pixels = np.asarray([np.count_nonzero(labels == c) for c in classes])
    shares = pixels / number
    return np.asarray((shares / shares.max())[index], float)
