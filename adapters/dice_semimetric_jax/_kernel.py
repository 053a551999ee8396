"""The kernel's sums over keys while JAX traces.

XLA writes a whole matrix of pixels and keys to memory and computes its exponents more than once.
In a loop over blocks of pixels both stay in the cache.
"""

import functools
import operator
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
from jax import Array, lax

from dice_semimetric._lib.namespace import finfo
from dice_semimetric._lib.native import matmul
from dice_semimetric.kernel.density import KEYS, KernelRegression, shifted_exp
from dice_semimetric.kernel.density import kernel_sums as accelerated_sums

from ._sums import xp

#: Pixels times keys of a block: so few that XLA multiplies them on the thread that runs the loop.
TILE = 2**14

Pair = tuple[Array, Array]

_generic: Callable[..., Pair] = accelerated_sums.__wrapped__  # type: ignore[attr-defined]


def kernel_sums(query: Array, key: Array, bias: Array, value: Array, *, skip_self: bool) -> Pair:
    """Return the sums of `dice_semimetric.kernel.density.kernel_sums`, differentiable."""
    blocks, generic = (functools.partial(f, skip_self=skip_self) for f in (_in_blocks, _generic))
    found: Pair = lax.platform_dependent(query, key, bias, value, cpu=blocks, default=generic)
    return found


def _in_blocks(query: Array, key: Array, bias: Array, value: Array, *, skip_self: bool) -> Pair:
    number = query.shape[1]
    length = max(1, min(number, TILE // min(key.shape[0], KEYS)))
    whole = number // length * length

    @jax.checkpoint
    def sums(block: Array, first: Array) -> Pair:
        columns = first + jnp.arange(block.shape[1]) if skip_self else None
        found = functools.reduce(operator.add, _tiles(block, columns, key, bias, value))
        return found.mean, found.log_total

    blocks = query[:, :whole].reshape(query.shape[0], -1, length)
    firsts = jnp.arange(0, whole, length)
    means, logs = lax.map(lambda one: sums(*one), (jnp.moveaxis(blocks, 1, 0), firsts))
    mean, log = jnp.moveaxis(means, 0, 1).reshape(value.shape[0], whole), logs.reshape(whole)
    if whole == number:
        return mean, log
    rest, rest_log = sums(query[:, whole:], jnp.asarray(whole))
    return jnp.concatenate([mean, rest], axis=1), jnp.concatenate([log, rest_log])


def _tiles(
    block: Array, columns: Array | None, key: Array, bias: Array, value: Array
) -> Iterator[KernelRegression]:
    """Yield the sums over the keys, tile by tile; ``columns`` are pixels that are no own key."""
    for start in range(0, key.shape[0], KEYS):
        keys = slice(start, min(start + KEYS, key.shape[0]))
        log_kernel = matmul(xp, key[keys], block) + bias[keys][:, None]
        if columns is not None:
            own = jnp.arange(keys.start, keys.stop)[:, None] == columns[None, :]
            log_kernel = jnp.where(own, float(finfo(xp, block.dtype).min) / 4, log_kernel)
        peak = lax.stop_gradient(jnp.max(log_kernel, axis=0))
        kernel = shifted_exp(xp, log_kernel - peak[None, :], value.dtype)
        yield KernelRegression(peak, jnp.sum(kernel, axis=0), matmul(xp, value[:, keys], kernel))
