"""Temperature scaling, the calibrator that kernel regression replaces."""

from importlib import import_module
from typing import Any, Self

import numpy as np

from ._lib.devices import is_eager
from ._lib.fitting import class_rows, label_pair, require_finite, require_fitted, require_logits
from ._lib.namespace import namespace, sum_dtype
from ._lib.native import double_precision, quietly, widest_float, without_gradient
from ._lib.options import require_label
from ._lib.special import sigmoid, softmax
from ._lib.typing import Array, Namespace


class TemperatureScaling:
    """Divide logits by one temperature, chosen by the likelihood of held-out labels.

    Attributes
    ----------
    temperature_ : float
        The temperature, after ``fit``, between 0.01 and 100.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import TemperatureScaling
    >>> logits = np.array([[4.0, 0.0]] * 4)
    >>> scaling = TemperatureScaling().fit(logits, np.array([0, 0, 0, 1]))
    >>> scaling.predict_proba(logits[:1]).round(3)
    array([[0.75, 0.25]])
    """

    @quietly
    def fit(self, logits: Array, label: Array, *, ignore_index: int | None = None) -> Self:
        """Minimise the negative log-likelihood over the temperature.

        Parameters
        ----------
        logits : Array
            (n, K) or (B, C, *spatial), floating and eager; with C = 1 of the sigmoid. What all
            classes of a pixel have in common has no influence, nor has what an ignored pixel holds,
            even NaN.
        label : Array
            Integers (n,) or (B, *spatial), or soft labels of the shape of ``logits``.
        ignore_index : int, optional
            The integer label of pixels that do not count.

        Returns
        -------
        TemperatureScaling
            Itself.
        """
        xp = namespace(logits=logits, label=label)
        logits, label = without_gradient(xp, logits), without_gradient(xp, label)
        require_logits(xp, logits)
        ignore_index = require_label("ignore_index", ignore_index)
        hard, value = label_pair(xp, logits, label, ignore_index)
        if not is_eager(logits, label):
            raise TypeError("logits must be an eager array, since the fit depends on its values")
        with double_precision(xp):
            wide = widest_float(xp, logits)
            z, y = (xp.astype(class_rows(xp, a), wide, copy=False) for a in (logits, value))
            kept = xp.ones_like(z[0, :], dtype=xp.bool)
            if ignore_index is not None:
                kept = xp.reshape(xp.astype(hard, xp.int64), (-1,)) != ignore_index
                z = xp.where(kept, z, xp.zeros_like(z))
            if not bool(xp.any(kept)):
                raise ValueError("label must hold at least one pixel that counts, got none")
            require_finite(xp, z)
            self.temperature_ = _best_temperature(xp, z, y, xp.astype(kept, wide))
        return self

    @quietly
    def predict_proba(self, logits: Array) -> Array:
        """Return the probabilities of the scaled logits.

        Parameters
        ----------
        logits : Array
            (n, K) or (B, C, *spatial).

        Returns
        -------
        Array
            Of the same shape, at least float32. A pixel with a logit of NaN or of plus infinity is
            NaN.

        Raises
        ------
        RuntimeError
            If ``fit`` was not called.
        """
        require_fitted(self, "temperature_")
        xp = namespace(logits=logits)
        require_logits(xp, logits)
        z = xp.astype(logits, sum_dtype(xp, logits), copy=False)
        if z.shape[1] == 1:
            return sigmoid(xp, z / self.temperature_)
        z = z - xp.max(z, axis=1, keepdims=True)
        return softmax(xp, z / self.temperature_, 1)


def _best_temperature(xp: Namespace, z: Array, y: Array, counts: Array) -> float:
    """Return the temperature of the largest likelihood, of logits and labels (C, n)."""
    if z.shape[0] == 1:
        z, y = xp.concat([xp.zeros_like(z), z], axis=0), xp.concat([1 - y, y], axis=0)
    z = z - xp.max(
        z, axis=0, keepdims=True
    )  # so that no digit goes to what the logits have in common
    chosen = float(xp.sum(xp.sum(z * y, axis=0) * counts))

    def nll(log_temperature: float) -> float:
        scale = float(np.exp(-log_temperature))
        log_sum = xp.log(xp.sum(xp.exp(z * scale), axis=0))
        return float(xp.sum(counts * log_sum)) - chosen * scale

    bounds = (float(np.log(0.01)), float(np.log(100.0)))
    optimize = import_module("scipy.optimize")  # when it is used, since that takes a while
    found: Any = optimize.minimize_scalar(nll, bounds=bounds, method="bounded")
    return float(np.exp(found.x))
