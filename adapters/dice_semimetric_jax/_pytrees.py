"""Make pytrees of the core's statistics, and of what its reductions take."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax

from dice_semimetric._lib.additive import Additive
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.typing import Array


def register() -> None:
    """Register `Pixels` and every statistic: arrays are leaves, the rest is static.

    So are the edges of bins, which may be traced: `jax.lax.psum` of the whole would add them too.
    """
    _register(Pixels, ("pred", "target", "mask"))
    for statistic in _kinds(Additive):
        arrays = (field.name for field in dataclasses.fields(statistic) if field.type is Array)
        _register(statistic, tuple(arrays))


def _register(kind: type[Any], leaves: tuple[str, ...]) -> None:
    names = [field.name for field in dataclasses.fields(kind)]
    meta = [name for name in names if name not in leaves]
    jax.tree_util.register_dataclass(kind, data_fields=list(leaves), meta_fields=meta)


def _kinds(base: type[Additive]) -> Iterator[type[Additive]]:
    """Yield the classes that name sums of their own, however deep they derive."""
    for kind in base.__subclasses__():
        if "_sums" in vars(kind):
            yield kind
        yield from _kinds(kind)
