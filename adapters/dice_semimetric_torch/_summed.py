"""Metrics whose states are sums, for where torchmetrics is not installed: the same life cycle."""

import functools
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup


class Summed(nn.Module):
    """What `torchmetrics.Metric` is to the metrics of this package, and no more.

    A subclass declares its states with `add_state` and defines ``update`` and ``compute``. States
    move with ``to(device)``. In a process group ``compute`` works on their sums over all
    processes and leaves them as they were.
    """

    def __init__(self, *, process_group: ProcessGroup | None = None) -> None:
        super().__init__()
        self.process_group = process_group
        self._states: list[str] = []
        self._local = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Let ``compute`` see the states of all processes."""
        super().__init_subclass__(**options)
        if "compute" in cls.__dict__:
            cls.compute = _synchronised(cls.compute)  # type: ignore[method-assign]

    def add_state(self, name: str, default: Tensor, dist_reduce_fx: str = "sum") -> None:
        """Declare a state that starts at 0 and adds up."""
        if dist_reduce_fx != "sum" or bool(default.any()):
            raise ValueError(f"the state {name} must start at 0 and be summed")
        setattr(self, name, default)
        self._states.append(name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow ``to(device)`` but keep the dtype: sums are not halved with a model."""
        for name in self._states:
            state = getattr(self, name)
            setattr(self, name, state.to(fn(state.new_empty(0)).device))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def update(self, *args: Any, **options: Any) -> None:
        """Add a batch to the states."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """Return the value of all that was added."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget all that was added."""
        for name in self._states:
            setattr(self, name, torch.zeros_like(getattr(self, name)))

    def merge_state(self, incoming_state: Self | dict[str, Tensor]) -> None:
        """Add what another metric of this kind has seen."""
        for name in self._states:
            if isinstance(incoming_state, dict):
                other = incoming_state[name]
            else:
                other = getattr(incoming_state, name)
            setattr(self, name, getattr(self, name) + other)

    def forward(self, *args: Any, **options: Any) -> Tensor:
        """Add a batch to the states and return the value of that batch in this process."""
        before = {name: getattr(self, name) for name in self._states}
        self.reset()
        self._local = True
        try:
            self.update(*args, **options)
            value = self.compute()
        finally:
            self._local = False
            self.merge_state(before)
        return value


def _synchronised(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run a metric's ``compute`` on the sums of its states over the processes."""

    @functools.wraps(compute)
    def synchronised(self: Summed) -> Tensor:
        distributed = torch.distributed
        if self._local or not (distributed.is_available() and distributed.is_initialized()):
            return compute(self)
        local = {name: getattr(self, name) for name in self._states}
        try:
            for name, state in local.items():
                total = state.clone()
                distributed.all_reduce(total, group=self.process_group)
                setattr(self, name, total)
            return compute(self)
        finally:
            for name, state in local.items():
                setattr(self, name, state)

    return synchronised
