"""Kernel regression as a post-hoc calibrator: fit on held-out cases, then predict."""

from typing import Any, ClassVar, Self

import numpy as np

from .._lib.calibrator import Calibrator
from .._lib.checks import require_probabilities
from .._lib.devices import device, is_eager
from .._lib.fitting import class_rows, from_class_rows, require_fitted, targets_of
from .._lib.namespace import finfo, namespace, sum_dtype
from .._lib.native import to_host, widest_float, without_gradient
from .._lib.options import Rng
from .._lib.seam import whole
from .._lib.typing import Array, Namespace
from .density import regress
from .error import select_bandwidth
from .keys import Sampling, require_draw, sample_keys
from .regression import require_bandwidth


class KernelCalibrator(Calibrator):
    """Replace probabilities by E[y | f(x)], estimated from keys of held-out cases.

    It does not preserve order: neither of a pixel's classes nor of pixels.

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
    n_classes_ : int
        The number of classes, after ``fit``.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import KernelCalibrator
    >>> prob, label = np.array([[0.9, 0.1]] * 10), np.array([0] * 6 + [1] * 4)
    >>> KernelCalibrator(bandwidth=0.01).fit(prob, label).predict_proba(prob[:1]).round(3)
    array([[0.6, 0.4]])
    """

    _AXES: ClassVar = {
        "bandwidth": (),
        "key_prob": ("classes", "keys"),
        "key_label": ("classes", "keys"),
        "key_weight": ("keys",),
    }

    _place: tuple[str, Any]

    def __init__(
        self,
        *,
        bandwidth: float | None = 1e-3,
        n_keys: int = 500,
        sampling: Sampling = "balanced",
        rng: Rng = 0,
    ) -> None:
        require_draw(n_keys, rng, sampling)
        if bandwidth is not None:
            require_bandwidth(bandwidth)
        self.bandwidth = bandwidth
        self.n_keys = n_keys
        self.sampling = sampling
        self.rng = rng

    @whole
    def fit(
        self,
        prob: Array,
        label: Array,
        *,
        ignore_index: int | None = None,
        rater_axis: int | None = None,
    ) -> Self:
        """Draw the keys.

        Parameters
        ----------
        prob : Array
            (n, K) or (B, C, *spatial), floating: probabilities on held-out cases; eager.
        label : Array
            Integers (n,) or (B, *spatial), or soft labels of the shape of ``prob``.
        ignore_index : int, optional
            The integer label of pixels that are never keys.
        rater_axis : int, optional
            The axis of ``label`` along which the labels of several raters lie. Fitted is their
            mean, to which every rater contributes alike: at a given bandwidth the same as to all
            of them one by one.

        Returns
        -------
        KernelCalibrator
            Itself.
        """
        xp = namespace(prob=prob, label=label)
        prob, label = without_gradient(xp, prob), without_gradient(xp, label)
        prob = require_probabilities(xp, prob, "prob")
        targets = targets_of(xp, prob, label, ignore_index, rater_axis)
        drawn = sample_keys(
            targets.hard,
            self.n_keys,
            rng=self.rng,
            sampling=self.sampling,
            ignore_index=targets.ignored,
        )
        if drawn.shape[0] == 0:
            raise ValueError("label must hold at least one pixel that counts, got none")
        key_prob = _in_single(xp, xp.take(class_rows(xp, prob), drawn, axis=1))
        key_value = xp.take(class_rows(xp, targets.soft), drawn, axis=1)
        if self.bandwidth is None:
            rows = (xp.permute_dims(a, (1, 0)) for a in (key_prob, key_value))
            self.bandwidth_ = select_bandwidth(*rows)
        else:
            self.bandwidth_ = require_bandwidth(self.bandwidth)
        weight = xp.ones_like(key_value[0, :])
        if self.sampling == "balanced":
            shares = _class_shares(xp, targets.hard, drawn)
            weight = xp.asarray(shares, dtype=key_value.dtype, device=device(prob))
        if targets.share is not None:
            weight = weight * xp.take(xp.reshape(targets.share, (-1,)), drawn)
        self._keys: tuple[Array, ...] = key_prob, key_value, weight
        self._loaded: tuple[np.ndarray, ...] | None = None
        self.n_classes_ = prob.shape[1]
        return self

    @whole
    def predict_proba(self, prob: Array) -> Array:
        """Return calibrated probabilities.

        Parameters
        ----------
        prob : Array
            (n, K) or (B, C, *spatial), of the library and device of ``fit``. What a calibrator
            from a file holds is moved to those of ``prob``, once for calls with the same.

        Returns
        -------
        Array
            Of the same shape, at least float32.

        Raises
        ------
        RuntimeError
            If ``fit`` was not called.
        ValueError
            If ``prob`` are of another number of classes.
        """
        require_fitted(self, "_keys")
        xp = namespace(prob=prob)
        prob = require_probabilities(xp, prob, "prob")
        self._require_classes("prob", prob)
        key_prob, key_value, weight = self._keys_beside(xp, prob)
        xp = namespace(prob=prob, key_prob=key_prob)
        dtype = sum_dtype(xp, prob, key_prob)
        value = xp.astype(key_value, dtype, copy=False)
        # The last row is the mean weight of the keys, by which to divide.
        rows = xp.astype(weight, dtype, copy=False)[None, :]
        value = xp.concat([value * rows, rows], axis=0)
        mean, _ = regress(class_rows(xp, prob), key_prob, value, self.bandwidth_, dtype=dtype)
        return from_class_rows(xp, mean[:-1, :] / mean[-1:, :], prob.shape)

    def _keys_beside(self, xp: Namespace, prob: Array) -> tuple[Array, ...]:
        """Return the keys where they were fitted, or those of a file beside the pixels."""
        if self._loaded is None:
            return self._keys
        if not is_eager(prob):  # what is made while a function is traced is of no use afterwards
            return _moved(xp, self._loaded, prob)
        place = xp.__name__, device(prob)
        if self._place != place:
            self._keys, self._place = _moved(xp, self._loaded, prob), place
        return self._keys

    def _arrays(self) -> dict[str, np.ndarray]:
        keys = self._loaded
        if keys is None:
            xp = namespace(key_prob=self._keys[0])
            keys = tuple(to_host(xp, array, "prob") for array in self._keys)
        names = ("key_prob", "key_label", "key_weight")
        return {"bandwidth": np.asarray(self.bandwidth_)} | dict(zip(names, keys, strict=True))

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.bandwidth_ = float(arrays["bandwidth"])
        self._keys = self._loaded = arrays["key_prob"], arrays["key_label"], arrays["key_weight"]
        self._place = "", None


def _in_single(xp: Namespace, prob: Array) -> Array:
    """Return (C, m) in at least float32; half precision normalised, as for the regression."""
    if finfo(xp, prob.dtype).bits >= 32:
        return prob
    prob = xp.astype(prob, xp.float32)
    return prob / xp.sum(prob, axis=0, keepdims=True) if prob.shape[0] > 1 else prob


def _moved(xp: Namespace, keys: tuple[np.ndarray, ...], like: Array) -> tuple[Array, ...]:
    """Return NumPy's arrays as the library's, beside an array."""
    wide = widest_float(xp, like) == xp.float64
    return tuple(
        xp.asarray(
            key, dtype=getattr(xp, key.dtype.name) if wide else xp.float32, device=device(like)
        )
        for key in keys
    )


def _class_shares(xp: Namespace, label: Array, drawn: Array) -> np.ndarray:
    """Return for each key how many pixels of its class it stands for, the most as 1."""
    labels = to_host(xp, label, "label").reshape(-1)
    keys = labels[to_host(xp, drawn, "label")]
    classes, index, number = np.unique(keys, return_inverse=True, return_counts=True)
    pixels = np.asarray([np.count_nonzero(labels == c) for c in classes])
    shares = pixels / number
    return np.asarray((shares / shares.max())[index], float)
