"""Vector scaling: a scale and a bias of each class's logits."""

from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from ._lib.calibrator import Calibrator
from ._lib.fitting import likeliest, require_fitted, require_logits
from ._lib.namespace import constant, namespace, sum_dtype
from ._lib.native import quietly, to_host
from ._lib.seam import whole
from ._lib.special import sigmoid, softmax
from ._lib.typing import Array, Namespace

#: The scales are bounded as a temperature is, and so are the biases: those of a class that no label
#: has would fall for ever.
SCALES, BIASES = (0.01, 100.0), (-100.0, 100.0)


class VectorScaling(Calibrator):
    """Multiply the logits of each class by a scale and add a bias, chosen by the likelihood.

    For the sigmoid of a single class it is Platt's scaling, and preserves order: a scale is above
    0, so that of two pixels the one with the higher logit keeps the higher probability. Among
    several classes it does not: their biases may change which class of a pixel is the first.
    `TemperatureScaling` keeps that.

    Attributes
    ----------
    scale_, bias_ : numpy.ndarray
        (C,) each, in float64, after ``fit``: scales from 0.01 to 100, biases from -100 to 100, of
        several classes with a mean of 0.
    n_classes_ : int
        The number of classes C, after ``fit``.

    See Also
    --------
    TemperatureScaling : Has one scale for all classes, and no bias.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Sect. 4.2.
    .. [2] Platt, "Probabilistic Outputs for Support Vector Machines", 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import VectorScaling
    >>> logits = np.array([[2.0], [2.0], [2.0], [-1.0], [-1.0], [-1.0], [-1.0]])
    >>> scaling = VectorScaling().fit(logits, np.array([1, 1, 0, 0, 0, 1, 0]))
    >>> scaling.predict_proba(np.array([[2.0], [-1.0]])).round(3)
    array([[0.667],
           [0.25 ]])
    """

    _AXES: ClassVar = {"scale": ("classes",), "bias": ("classes",)}

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
        """Minimise the negative log-likelihood over scales and biases, from 1 and 0 on.

        It is convex, and minimised by L-BFGS with the exact gradient.

        Parameters
        ----------
        logits : Array
            (n, K) or (B, C, *spatial), floating and eager; with C = 1 of the sigmoid. What an
            ignored pixel holds has no influence, even NaN. Unlike a temperature, scales depend on
            what all classes of a pixel have in common.
        label : Array
            Integers (n,) or (B, *spatial), or soft labels of the shape of ``logits``.
        ignore_index : int, optional
            The integer label of pixels that do not count.
        rater_axis : int, optional
            The axis of ``label`` along which the labels of several raters lie. Fitted is their
            mean, to which every rater contributes alike: the same as to all of them one by one.

        Returns
        -------
        VectorScaling
            Itself.
        """
        self.scale_, self.bias_ = likeliest(_best, logits, label, ignore_index, rater_axis)
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
        require_fitted(self, "scale_")
        xp = namespace(logits=logits)
        require_logits(xp, logits)
        self._require_classes("logits", logits)
        dtype = sum_dtype(xp, logits)
        spread = (1, -1, *(1,) * (logits.ndim - 2))
        scale, bias = (
            xp.reshape(constant(xp, values.tolist(), dtype, logits), spread)
            for values in (self.scale_, self.bias_)
        )
        z = xp.astype(logits, dtype, copy=False) * scale + bias
        if z.shape[1] == 1:
            return sigmoid(xp, z)
        return softmax(xp, z - xp.max(z, axis=1, keepdims=True), 1)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"scale": self.scale_, "bias": self.bias_}

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.scale_, self.bias_ = arrays["scale"], arrays["bias"]


def _best(xp: Namespace, z: Array, y: Array, share: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return scales and biases of the largest likelihood, of logits and labels (C, n)."""
    classes, total = z.shape[0], float(xp.sum(share))
    share = share[None, :]
    y = y * share

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean negative log-likelihood and its gradient."""
        scale, bias = (constant(xp, half.tolist(), z.dtype, z) for half in np.split(values, 2))
        u = z * scale[:, None] + bias[:, None]
        rows = xp.concat([xp.zeros_like(u), u], axis=0) if classes == 1 else u
        peak = xp.max(rows, axis=0, keepdims=True)
        log_sum = peak + xp.log(xp.sum(xp.exp(rows - peak), axis=0, keepdims=True))
        nll = xp.sum(share * log_sum) - xp.sum(y * u)
        slope = share * xp.exp(u - log_sum) - y
        found = [xp.sum(z * slope, axis=1), xp.sum(slope, axis=1), xp.reshape(nll, (1,))]
        host = to_host(xp, xp.concat(found), "logits").astype(np.float64) / total
        return float(host[-1]), host[:-1]

    start = np.repeat([1.0, 0.0], classes)
    optimize = import_module("scipy.optimize")  # when it is used, since that takes a while
    found: Any = optimize.minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[SCALES] * classes + [BIASES] * classes,
        options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9},
    )
    scale, bias = np.split(np.asarray(found.x, np.float64), 2)
    return scale, bias
