"""JAX's own reductions, found by the core through its entry point.

They read the pixels once, and `overlap_sums` has its derivative in closed form; see `_sums`. With
this module the statistics become pytrees, so that they pass through `jax.jit` and `jax.lax.psum`,
which would add up the edges of bins too: `CalibrationBins` is pooled by its three sums.
"""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat as compat
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from dice_semimetric._lib.calibrator import Calibrator
from dice_semimetric._lib.checks import clipped, require_known_labels, require_unit_interval
from dice_semimetric._lib.devices import is_eager
from dice_semimetric._lib.dtypes import PLAIN
from dice_semimetric._lib.seam import Pixels

from . import _pytrees
from ._bins import MOST_PIXELS, bins, image_bins
from ._counts import counts
from ._kernel import kernel_sums
from ._sort import ascending
from ._sums import Sums, ranges, sums, xp
from ._votes import votes

__all__ = [
    "ascending",
    "bin_sums",
    "image_bin_sums",
    "kernel_sums",
    "overlap_sums",
    "threshold_sums",
    "vote_counts",
]

#: Of so many raters all pairs are counted in one pass; its code grows as their square.
FEW_RATERS = 16

_pytrees.register()


def lend(array: Array) -> Any:
    """Return an array in the host's memory as NumPy's, or NotImplemented."""
    if isinstance(array, jax.core.Tracer):
        return NotImplemented
    devices = array.devices()
    host = len(devices) == 1 and all(device.platform == "cpu" for device in devices)
    return np.asarray(array) if host else NotImplemented


def lending(array: Array) -> AbstractContextManager[None]:
    """Return the context in which NumPy's kernels run."""
    return nullcontext()


def give_back(array: Any, like: Array) -> Array:
    """Return NumPy's result as an array where the other one lies."""
    (device,) = like.devices()
    result: Array = jax.device_put(np.asarray(array), device)
    return result


def run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what a function of the core returns, computed by NumPy where the arrays lie.

    NotImplemented where that took a copy, and while JAX traces: then values are not to be read.
    So it is where JAX is to find the operation that makes a NaN.
    """
    if jax.config.jax_debug_nans or jax.config.jax_debug_infs:  # type: ignore[attr-defined]
        return NotImplemented
    leaves, tree = jax.tree.flatten((args, kwargs))
    arrays = [leaf for leaf in leaves if isinstance(leaf, Array)]
    if not arrays or not is_eager(*arrays):
        return NotImplemented
    if any(a.devices() != arrays[0].devices() for a in arrays):
        return NotImplemented
    lent = [_lent(leaf) for leaf in leaves]
    if any(leaf is NotImplemented for leaf in lent):
        return NotImplemented
    args, kwargs = jax.tree.unflatten(tree, lent)
    try:
        result = function(*args, **kwargs)
    except (TypeError, ValueError):  # whose text may name NumPy, and options may be JAX's arrays
        return NotImplemented
    return _given_back(result, arrays, [leaf for leaf in lent if isinstance(leaf, np.ndarray)])


def _given_back(result: Any, arrays: list[Array], lent: list[np.ndarray]) -> Any:
    """Return a result with JAX's arrays, which lie where the given ones do and share no memory."""
    found, tree = jax.tree.flatten(result)
    numbers = [k for k, leaf in enumerate(found) if isinstance(leaf, np.ndarray | np.generic)]
    own = [np.asarray(found[k]) for k in numbers]
    own = [a.copy() if any(np.may_share_memory(a, b) for b in lent) else a for a in own]
    (device,) = arrays[0].devices()
    given = jax.device_put(own, device if any(a.committed for a in arrays) else None)
    for k, array in zip(numbers, given, strict=True):
        found[k] = array
    return jax.tree.unflatten(tree, found)


def _lent(leaf: Any) -> Any:
    """Return an array or a dtype as NumPy's, anything else as it is; or NotImplemented."""
    if isinstance(leaf, type(jnp.float32)):  # JAX's own kind of a dtype
        leaf = leaf.dtype
    dtype = leaf if isinstance(leaf, np.dtype) else getattr(leaf, "dtype", None)
    if dtype is not None and getattr(dtype, "num", None) not in PLAIN:
        return NotImplemented
    if isinstance(leaf, Array):
        return lend(leaf)
    keeps_arrays = isinstance(leaf, Calibrator) or hasattr(leaf, "_sums")
    return NotImplemented if keeps_arrays or compat.is_array_api_obj(leaf) else leaf


def overlap_sums(pixels: Pixels) -> Sums:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`, differentiable."""
    return sums(_checked(pixels))


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Sums:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`."""
    found: Sums = counts(_checked(pixels), thresholds)
    return found


def bin_sums(pixels: Pixels, edges: Array, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`, differentiable."""
    return NotImplemented if pixels.checked else bins(pixels, edges, kind)


def image_bin_sums(pixels: Pixels, edges: Array) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.image_bin_sums`, differentiable."""
    if pixels.checked or pixels.pred.size > MOST_PIXELS:
        return NotImplemented
    return image_bins(pixels, edges)


def vote_counts(raters: Array, mask: Array | None) -> Any:
    """Return the counts of `dice_semimetric._lib.raters.vote_counts`."""
    return votes(raters, mask) if raters.shape[0] <= FEW_RATERS else NotImplemented


def _checked(pixels: Pixels) -> Pixels:
    """Apply the core's check of values, in one pass, and return what then needs no check."""
    checked, pixels = pixels.checked, dataclasses.replace(pixels, checked=False)
    if not checked or not pixels.pred.size:
        return pixels
    activation, found = pixels.activation, ranges(pixels)
    if pixels.labels and found[1][1] > 1:
        require_known_labels(pixels)
    for name, ends in zip(("pred", "target"), found, strict=True):
        given = getattr(pixels, name)
        logits = activation if name == "pred" else None
        dtype = given.dtype if logits is None else None
        inside = require_unit_interval(xp, ends, name, dtype=dtype, activation=logits)
        if inside is not ends and logits is None:
            pixels = dataclasses.replace(pixels, **{name: clipped(xp, given)})
    return pixels
