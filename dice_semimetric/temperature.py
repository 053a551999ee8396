"""Temperature scaling, the calibrator that kernel regression replaces."""

from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from ._lib.calibrator import Calibrator
from ._lib.fitting import likeliest, require_fitted, require_logits
from ._lib.namespace import namespace, sum_dtype
from ._lib.native import quietly
from ._lib.seam import whole
from ._lib.special import sigmoid, softmax
from ._lib.typing import Array, Namespace


class TemperatureScaling(Calibrator):
    """Divide logits by one temperature, chosen by the likelihood of held-out labels.

    It preserves order: a pixel's classes keep their ranks, so that no label changes.

    Attributes
    ----------
    temperature_ : float
        The temperature, after ``fit``, between 0.01 and 100.
    n_classes_ : int
        The number of classes, after ``fit``.

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

    _AXES: ClassVar = {"temperature": ()}

    @whole
    @quietly
    def fit(
        self,
        logits: Array,
        label: Array,
        *,
        ignore_index: int | None = None,
        rater_axis: int | None = None,
    ) -> Self:
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
        rater_axis : int, optional
            The axis of ``label`` along which the labels of several raters lie. Fitted is their
            mean, to which every rater contributes alike: the same as to all of them one by one.

        Returns
        -------
        TemperatureScaling
            Itself.
        """
        self.temperature_ = likeliest(_best_temperature, logits, label, ignore_index, rater_axis)
        self.n_classes_ = logits.shape[1]
        return self

    @whole
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
        ValueError
            If ``logits`` are of another number of classes.
        """
        require_fitted(self, "temperature_")
        xp = namespace(logits=logits)
        require_logits(xp, logits)
        self._require_classes("logits", logits)
        z = xp.astype(logits, sum_dtype(xp, logits), copy=False)
        if z.shape[1] == 1:
            return sigmoid(xp, z / self.temperature_)
        z = z - xp.max(z, axis=1, keepdims=True)
        return softmax(xp, z / self.temperature_, 1)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"temperature": np.asarray(self.temperature_)}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.temperature_ = float(arrays["temperature"])


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
