"""Temperature scaling, the calibrator that kernel regression replaces."""

from importlib import import_module
from typing import Any, Self

import numpy as np

from ._lib.fitting import class_rows, label_pair, require_fitted, require_logits
from ._lib.namespace import is_eager, namespace, sum_dtype
from ._lib.native import quietly
from ._lib.special import sigmoid, softmax
from ._lib.typing import Array


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
            (n, K) or (B, C, *spatial), floating and eager; with C = 1 of the sigmoid.
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
        require_logits(xp, logits)
        hard, value = label_pair(xp, logits, label, ignore_index)
        if not is_eager(logits, label):
            raise TypeError("logits must be an eager array, since the fit depends on its values")
        dtype = sum_dtype(xp, logits)
        z, y = (xp.astype(class_rows(xp, a), dtype, copy=False) for a in (logits, value))
        counts = xp.ones_like(z[0, :])
        if ignore_index is not None:
            kept = xp.reshape(xp.astype(hard, xp.int64), (-1,)) != ignore_index
            counts, y = xp.astype(kept, dtype), xp.where(kept, y, xp.zeros_like(y))
        if not float(xp.sum(counts)) > 0:
            raise ValueError("label must hold at least one pixel that counts, got none")
        if z.shape[0] == 1:
            z = xp.concat([xp.zeros_like(z), z], axis=0)
        chosen = xp.sum(z[-y.shape[0] :, :] * y, axis=0)
        top = xp.max(z, axis=0)

        def nll(log_temperature: float) -> float:
            scale = float(np.exp(-log_temperature))
            log_sum = xp.log(xp.sum(xp.exp((z - top[None, :]) * scale), axis=0))
            return float(xp.sum(counts * (log_sum + top * scale) - chosen * scale))

        bounds = (float(np.log(0.01)), float(np.log(100.0)))
        optimize = import_module("scipy.optimize")  # when it is used, since that takes a while
        found: Any = optimize.minimize_scalar(nll, bounds=bounds, method="bounded")
        self.temperature_ = float(np.exp(found.x))
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
            Of the same shape, at least float32.

        Raises
        ------
        RuntimeError
            If ``fit`` was not called.
        """
        require_fitted(self, "temperature_")
        xp = namespace(logits=logits)
        require_logits(xp, logits)
        z = xp.astype(logits, sum_dtype(xp, logits), copy=False) / self.temperature_
        return sigmoid(xp, z) if z.shape[1] == 1 else softmax(xp, z, 1)
