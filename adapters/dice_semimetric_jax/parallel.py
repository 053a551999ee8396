"""Losses of a batch that is spread over devices, equal to those of the whole batch on one."""

from collections.abc import Hashable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from dice_semimetric import Overlap, region_overlap
from dice_semimetric._lib.aggregate import Classes, Per, Reduction
from dice_semimetric._lib.namespace import sum_dtype
from dice_semimetric._lib.options import require_choice
from dice_semimetric._lib.typing import Activation
from dice_semimetric.region import table_loss


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
        table = _pooled(table, axis_name) if per == "batch" else _gathered(table, axis_name)
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


def _pooled(table: Overlap, axis_name: Any) -> Overlap:
    """Return a table of one row: the sums over the images of all devices."""
    return _psum(table.sum(axis=0), axis_name)._map(lambda a: a[None])


def _gathered(table: Overlap, axis_name: Any) -> Overlap:
    """Return the table of all devices' images.

    By psum, because its result is known to be the same everywhere: that of all_gather is not.
    """
    number, own = lax.axis_size(axis_name), lax.axis_index(axis_name)
    here = (jnp.arange(number) == own)[:, None, None]

    def place(a: Array) -> Array:
        return jnp.where(here, a, 0).reshape(-1, a.shape[1])

    return _psum(table._map(place), axis_name)


def _psum(table: Overlap, axis_name: Any) -> Overlap:
    """Return the sum of the devices' tables, which the kernels made pytrees of."""
    total: Overlap = lax.psum(table, axis_name)  # type: ignore[no-untyped-call]
    return total
