"""Kernel regression on the probability simplex: what the labels are, given the prediction."""

from .._lib.checks import require_probabilities
from .._lib.fitting import known_labels
from .._lib.namespace import constant, is_boolean, namespace, sum_dtype
from .._lib.options import require_number
from .._lib.seam import whole
from .._lib.typing import Array, DType, Namespace
from .density import regress


@whole
def kernel_regression(prob: Array, key_prob: Array, key_label: Array, *, bandwidth: float) -> Array:
    """Return E[y | f(x)]: the labels of keys, averaged by how near their predictions are.

    The weight of key i at pixel j is the Dirichlet density with parameters ``f_i / h + 1`` at
    ``f_j``, for one column the Beta density; h is the bandwidth. The densities are compared by
    their logarithms in float64, block by block: the error stays below 1e-9 in float64 and below
    1e-5 in float32 for h >= 5e-5 and probabilities down to 1e-12, and no n x m array is held.

    Parameters
    ----------
    prob : Array
        (n, K), floating: rows of class probabilities, or (n, 1) of the foreground.
    key_prob : Array
        (m, K): the predictions at the keys.
    key_label : Array
        Their labels: integers (m,) from 0 to K - 1, with K = 1 the foreground mask, or soft
        labels (m, K) in a floating dtype.
    bandwidth : float
        The smoothing h, above 0; the paper's best is 1e-3.

    Returns
    -------
    Array
        (n, K), rows that sum to 1, in the library and on the device of ``prob``, in the widest
        floating dtype given but at least float32. A probability of exactly 0 excludes the keys
        that have mass there, 0 ln 0 being 0; where that excludes all keys it counts as the
        smallest normal number of the dtype instead. Keys of one class alone return that class.

    Raises
    ------
    TypeError
        If an argument is no array or of a wrong dtype, or arrays are of two libraries.
    ValueError
        If shapes or devices do not fit, there is no key, ``bandwidth`` is not above 0, or a
        checked value is NaN, outside its range, or of a row that does not sum to 1 within
        rounding (1e-6, or 8 K eps where that is more); see `value_checks`.

    See Also
    --------
    sample_keys : Draws the keys.
    calibrate_teacher : Does both for every image of a batch.

    Notes
    -----
    Half-precision rows are normalised first. Rows in float32 or float64 are taken as they are, so
    that h well below the paper's range amplifies the rounding of their sums by 1 / h. Devices
    without float64 compute in float32, where errors reach 1e-2 at h = 5e-5 and 5e-4 at 1e-3.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Eqs. (21)-(23).

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import kernel_regression
    >>> keys, label = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]]), np.array([0, 1, 1])
    >>> kernel_regression(np.array([[0.9, 0.1]]), keys, label, bandwidth=0.01).round(3)
    array([[0.5, 0.5]])
    """
    xp = namespace(prob=prob, key_prob=key_prob, key_label=key_label)
    bandwidth = require_bandwidth(bandwidth)
    prob, key_prob = require_rows(xp, prob, "prob"), require_rows(xp, key_prob, "key_prob")
    if key_prob.shape[1] != prob.shape[1]:
        raise ValueError(
            "key_prob must have as many columns as prob, "
            f"got shapes {tuple(key_prob.shape)} and {tuple(prob.shape)}"
        )
    if key_prob.shape[0] == 0:
        raise ValueError("key_prob must hold at least one key, got none")
    dtype = sum_dtype(xp, prob, key_prob)
    value = label_columns(xp, key_label, key_prob, dtype, "key_label")
    mean, _ = regress(
        xp.permute_dims(prob, (1, 0)),
        xp.permute_dims(key_prob, (1, 0)),
        value,
        bandwidth,
        dtype=dtype,
    )
    return xp.permute_dims(mean, (1, 0))


def require_bandwidth(bandwidth: float) -> float:
    """Return the bandwidth, or raise unless it is a finite number above 0."""
    return require_number("bandwidth", bandwidth, above=0.0)


def require_rows(xp: Namespace, prob: Array, name: str) -> Array:
    """Return (n, K) of probabilities whose rows sum to 1, or (n, 1), or raise."""
    if prob.ndim != 2 or prob.shape[1] == 0:
        remedy = f"; write {name}[:, None]" if prob.ndim == 1 else ""
        raise ValueError(f"{name} must have shape (n, K), got {tuple(prob.shape)}{remedy}")
    return require_probabilities(xp, prob, name)


def label_columns(xp: Namespace, label: Array, prob: Array, dtype: DType, name: str) -> Array:
    """Return labels of (n,) or (n, K) as (K, n) in the dtype, for K = 1 as (1, n)."""
    num_classes = prob.shape[1]
    if is_boolean(xp, label) and label.ndim == 1:
        label = xp.astype(label, xp.uint8)
    hard, label = known_labels(xp, prob, label, None, name)
    if not hard:
        return xp.astype(xp.permute_dims(label, (1, 0)), dtype, copy=False)
    numbers = constant(xp, (1,) if num_classes == 1 else range(num_classes), label.dtype, label)
    return xp.astype(label[None, :] == numbers[:, None], dtype)
