"""Results of cases as JSON, without the loss of a digit."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Return a dataclass, or a part of it, as what JSON can hold.

    Arrays and NumPy's numbers carry their dtype; what is no number becomes null, and None is of no
    kind.
    """
    if type(value) is float or isinstance(value, str | int):  # as most are
        return None if type(value) is float and math.isnan(value) else value
    if value is None:
        return {"kind": None}
    if is_dataclass(value):
        named = {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
        return {"kind": type(value).__name__, **named}
    if isinstance(value, np.ndarray | np.generic):
        data = value.tolist()
        if value.dtype.kind == "f" and np.isnan(value).any():
            data = to_json(data)
        return {"dtype": value.dtype.name, "data": data}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return {"items": [[k, to_json(v)] for k, v in value.items()]}


def from_json(value: Any, kinds: Sequence[type]) -> Any:
    """Return what `to_json` was given, or raise if it holds dataclasses of other kinds.

    That was one of the first kind, or a tuple of these; the others are what it is made of.
    """
    found = _restored(value, {kind.__name__: kind for kind in kinds})
    if not all(isinstance(f, kinds[0]) for f in (found if isinstance(found, tuple) else [found])):
        raise ValueError(f"{kinds[0].__name__} was expected")
    return found


def _restored(value: Any, kinds: Mapping[str, Callable[..., Any]]) -> Any:
    if isinstance(value, dict) and "dtype" in value:
        return np.array(value["data"], np.dtype(value["dtype"]))[()]
    if isinstance(value, dict) and "items" in value:
        return {k: _restored(v, kinds) for k, v in value["items"]}
    if isinstance(value, dict):
        if value["kind"] is None:
            return None
        kind = kinds[value["kind"]]
        return kind(**{k: _restored(v, kinds) for k, v in value.items() if k != "kind"})
    if isinstance(value, list):
        return tuple(_restored(v, kinds) for v in value)
    return math.nan if value is None else value
