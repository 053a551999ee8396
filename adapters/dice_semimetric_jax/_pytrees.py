"""Make pytrees of the core's statistics."""

import dataclasses
from collections.abc import Iterator

import jax

from dice_semimetric._lib.additive import Additive


def register() -> None:
    """Register every statistic: its sums are leaves, what else it holds is static."""
    for statistic in _kinds(Additive):
        names = [field.name for field in dataclasses.fields(statistic)]
        data = [name for name in names if name in statistic._sums]
        meta = [name for name in names if name not in data]
        jax.tree_util.register_dataclass(statistic, data_fields=data, meta_fields=meta)


def _kinds(base: type[Additive]) -> Iterator[type[Additive]]:
    """Yield the classes that name sums of their own, however deep they derive."""
    for kind in base.__subclasses__():
        if "_sums" in vars(kind):
            yield kind
        yield from _kinds(kind)
