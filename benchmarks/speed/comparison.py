"""One comparison: a function on each library beside its peers, measured in one go."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from .libraries import EVERY, NUMPY, Function, numbers, on
from .timing import Call, interleaved

Arrays = Callable[[], tuple[np.ndarray, ...]]


class Calls(NamedTuple):
    """What takes turns: ours by library, and the peers by name."""

    ours: dict[str, Call]
    peers: dict[str, Call]


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how it is made once its turn has come.

    Peers of the same formula must return what ours does; `differs` names those of another one.
    """

    topic: str
    function: str
    input: str
    make: Callable[[], Calls]
    differs: frozenset[str] = frozenset()
    tolerance: float = 2e-3

    @property
    def name(self) -> str:
        """What `--only` is matched with."""
        return f"{self.topic}/{self.function}/{self.input}"

    def measure(self, threads: int, repeats: int, budget: float) -> list[dict[str, Any]]:
        """Return a row for each library; what fails or differs says so in its row."""
        try:
            ours, peers = self.make()
        except Exception as error:  # the other comparisons are still worth having
            return [self._row(NUMPY, {}, {}, {"make": _text(error)}) | {"threads": threads}]
        errors = self._check(ours, peers)
        calls = {name: call for name, call in {**ours, **peers}.items() if name not in errors}
        seconds, waited = interleaved(calls, repeats=repeats, budget=budget)
        found = {name: seconds[name] for name in peers if name in seconds}
        common = {"threads": threads, "waited": waited}
        return [self._row(library, seconds, found, errors) | common for library in ours]

    def _check(self, ours: dict[str, Call], peers: dict[str, Call]) -> dict[str, str]:
        """Call each once and return what raised or returned another result than the first."""
        errors: dict[str, str] = {}
        want: list[np.ndarray] | None = None
        for name, call in {**ours, **peers}.items():
            try:
                got = numbers(call())
                if want is None:
                    want = got
                elif name not in self.differs:
                    self._compare(got, want)
            except Exception as error:  # the other rows are still worth having
                errors[name] = _text(error)
        return errors

    def _compare(self, got: list[np.ndarray], want: list[np.ndarray]) -> None:
        for one, other in zip(got, want, strict=True):
            near = self.tolerance * max(1e-6, float(np.nanmax(np.abs(other), initial=0)))
            np.testing.assert_allclose(one.reshape(other.shape), other, rtol=0, atol=near)

    def _row(
        self,
        library: str,
        seconds: Mapping[str, float],
        peers: Mapping[str, float],
        errors: Mapping[str, str],
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "topic": self.topic,
            "function": self.function,
            "library": library,
            "input": self.input,
            "seconds": seconds.get(library),
            "numpy_seconds": seconds.get(NUMPY) if library != NUMPY else None,
            "peer": min(peers, key=peers.__getitem__) if peers else None,
            "peers": dict(peers),
        }
        row["peer_seconds"] = peers[row["peer"]] if peers else None
        for other in ("numpy", "peer"):
            both = row[f"{other}_seconds"], row["seconds"]
            row[f"{other}_ratio"] = None if None in both else both[0] / both[1]
        failed = {n: text for n, text in errors.items() if n == library or n not in EVERY}
        return row | ({"errors": failed} if failed else {})


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()


@dataclass(frozen=True)
class Input:
    """Arrays of one kind, made when their turn comes."""

    name: str
    make: Arrays
    without: frozenset[str] = frozenset()  # peers that do not take it, or sum it in half precision


def functions(
    topic: str,
    name: str,
    function: Function,
    inputs: Iterable[Input],
    peers: Mapping[str, Function] | None = None,
    *,
    libraries: tuple[str, ...] = EVERY,
    torch_peers: Mapping[str, Function] | None = None,
    differs: Iterable[str] = (),
    tolerance: float = 2e-3,
) -> list[Comparison]:
    """Return a function of arrays on each library beside its peers, for each input.

    `peers` take NumPy's arrays and `torch_peers` tensors of the same memory.
    """

    def make(given: Input) -> Calls:
        arrays = given.make()
        tensors = tuple(torch.from_numpy(array) for array in arrays)
        ours = {x: on(x, function, arrays) for x in libraries}
        beside = {x: (lambda f=f: f(*arrays)) for x, f in (peers or {}).items()}
        beside |= {x: (lambda f=f: f(*tensors)) for x, f in (torch_peers or {}).items()}
        return Calls(ours, {x: f for x, f in beside.items() if x not in given.without})

    return [
        Comparison(
            topic, name, given.name, lambda given=given: make(given), frozenset(differs), tolerance
        )
        for given in inputs
    ]
