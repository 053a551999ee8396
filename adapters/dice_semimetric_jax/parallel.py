"""Losses of a batch that is spread over devices, equal to those of the whole batch on one."""

from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from dice_semimetric import region_overlap
from dice_semimetric._lib.aggregate import Classes, Per, Reduction
from dice_semimetric._lib.namespace import sum_dtype
from dice_semimetric._lib.options import require_choice, require_integer
from dice_semimetric._lib.pairs import pixels_of_batch
from dice_semimetric._lib.typing import Activation
from dice_semimetric.bins import NORMS, Norm
from dice_semimetric.calibration_loss import class_bins, loss_of_bins
from dice_semimetric.region import table_loss

Sums = TypeVar("Sums")


def region_loss(
    pred: Array,
    target: Array,
    *,
    axis_name: Hashable | None = None,
    activation: Activation = None,
    per: Per = "batch",
    classes: Classes = "all",
    ignore_index: int | None = None,
    mask: Array | None = None,
    weight: Sequence[float] | Array | None = None,
    reduction: Reduction = "mean",
    **formula: Any,
) -> Array:
    """Return `dice_semimetric.region_loss` of the batch that all devices hold together.

    Inside `jax.shard_map`, `jax.pmap` or a `jax.vmap` with a named axis, each device gives its own
    images. What travels is a table of four numbers a class, or with ``per="image"`` and "class"
    four numbers an image and class.

    Parameters
    ----------
    pred : Array
        This device's (B, C, *spatial), floating: probabilities, or logits if ``activation`` is
        given.
    target : Array
        Integer labels (B, *spatial); or, of the shape of ``pred``, soft labels in a floating dtype,
        or a mask of each class in an integer dtype or bool.
    axis_name : hashable or tuple of hashable, optional
        The name of the device axis or axes; None is the core's function itself.
    activation, per, classes, ignore_index, mask, weight, reduction
        As in `dice_semimetric.region_loss`.
    **formula
        ``form``, ``alpha``, ``beta``, ``gamma``, ``focal_exponent``, ``log`` and ``smooth``, as in
        `dice_semimetric.overlap_loss`.

    Returns
    -------
    Array
        The same loss on every device; with ``reduction="none"`` the classes of the joined batch,
        or its images and classes, the devices' images in their order.

    Raises
    ------
    TypeError
        If an argument is no JAX array or of a wrong dtype, or an option is unknown.
    ValueError
        If shapes do not fit or an option is out of its range.

    Notes
    -----
    Differentiated by `jax.grad` outside of `jax.shard_map`, or inside it with its default
    ``check_vma=True``, the gradient is that of the joined batch. Inside `jax.pmap`, where the
    derivative of `jax.lax.psum` is a psum, the gradient of each device's own copy of the
    parameters comes out too large by the number of devices, and the usual `jax.lax.pmean` of the
    gradients gives that of the joined batch.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from dice_semimetric_jax import region_loss
    >>> pred = jnp.array([[[0.5, 1.0]], [[0.0, 0.0]]])
    >>> target = jnp.array([[[0.5, 0.5]], [[0.0, 0.0]]])
    >>> each = jax.vmap(lambda x, y: region_loss(x, y, axis_name="devices"), axis_name="devices")
    >>> each(pred[:, None], target[:, None])
    Array([0.2, 0.2], dtype=float32)
    """
    require_choice("per", per, ("batch", "image", "class"))
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    table = region_overlap(
        pred, target, activation=activation, ignore_index=ignore_index, mask=mask
    )
    if axis_name is not None:
        table = _joined(table, axis_name, per)
    loss: Array = table_loss(
        table,
        dtype=sum_dtype(jnp, pred, target),
        per=per,
        classes=classes,
        weight=weight,
        reduction=reduction,
        **formula,
    )
    return loss


def calibration_loss(
    pred: Array,
    target: Array,
    *,
    axis_name: Hashable | None = None,
    activation: Activation = None,
    n_bins: int = 10,
    norm: Norm = "average",
    per: Per = "batch",
    classes: Classes = "all",
    ignore_index: int | None = None,
    mask: Array | None = None,
    weight: Sequence[float] | Array | None = None,
    reduction: Reduction = "mean",
) -> Array:
    """Return `dice_semimetric.calibration_loss` of the batch that all devices hold together.

    What travels are the three sums of each class and bin, with ``per="image"`` and "class" those of
    each image.

    Parameters
    ----------
    pred, target, axis_name
        As in `region_loss`.
    activation, n_bins, norm, per, classes, ignore_index, mask, weight, reduction
        As in `dice_semimetric.calibration_loss`.

    Returns
    -------
    Array
        The same loss on every device, as from `region_loss`.

    Raises
    ------
    TypeError
        If an argument is no JAX array or of a wrong dtype.
    ValueError
        If shapes do not fit or an option is unknown or out of its range.

    See Also
    --------
    calibration_error_loss : Classes on the last axis, one loss an example.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from dice_semimetric_jax import calibration_loss
    >>> prob, label = jnp.full((2, 1, 1, 4), 0.75), jnp.array([[[0, 1, 1, 1]], [[1, 1, 1, 1]]])
    >>> error = lambda p, y: calibration_loss(p, y, axis_name="devices")
    >>> jax.vmap(error, axis_name="devices")(prob, label)
    Array([0.125, 0.125], dtype=float32)
    """
    require_choice("per", per, ("batch", "image", "class"))
    require_choice("reduction", reduction, ("mean", "sum", "none"))
    require_choice("norm", norm, NORMS)
    n_bins = require_integer("n_bins", n_bins, least=1)
    pixels = pixels_of_batch(
        pred, target, activation=activation, ignore_index=ignore_index, mask=mask
    )
    bins = class_bins(pixels, n_bins)
    if axis_name is not None:
        bins = _joined(bins, axis_name, per)
    loss: Array = loss_of_bins(
        bins,
        dtype=pixels.dtype,
        norm=norm,
        per=per,
        classes=classes,
        weight=weight,
        reduction=reduction,
    )
    return loss


def _joined(sums: Sums, axis_name: Any, per: Per) -> Sums:
    """Return sums (B, ...) of the devices' images: one row for all, or their rows in order.

    By psum, because its result is known to be the same everywhere: that of all_gather is not.
    """
    number, own = lax.axis_size(axis_name), lax.axis_index(axis_name)

    def place(a: Array) -> Array:
        if per == "batch":
            return jnp.sum(a, axis=0, keepdims=True)
        here = (jnp.arange(number) == own).reshape(-1, *[1] * a.ndim)
        return jnp.where(here, a, 0).reshape(-1, *a.shape[1:])

    total: Sums = lax.psum(jax.tree.map(place, sums), axis_name)  # type: ignore[no-untyped-call]
    return total
