"""Results of cases as JSON, without the loss of a digit."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Return a dataclass, or a part of it, as what JSON can hold.

    Arrays and NumPy's numbers carry their dtype; what is no number becomes null.
    """
    if is_dataclass(value):
        named = {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
        return {"kind": type(value).__name__, **named}
    if isinstance(value, np.ndarray | np.generic):
        return {"dtype": value.dtype.name, "data": to_json(value.tolist())}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def from_json(value: Any, kinds: Iterable[type]) -> Any:
    """Return what `to_json` was given, or raise if it holds dataclasses of other kinds."""
    return _restored(value, {kind.__name__: kind for kind in kinds})


def _restored(value: Any, kinds: Mapping[str, Callable[..., Any]]) -> Any:
    if isinstance(value, dict) and "dtype" in value:
        return np.array(value["data"], np.dtype(value["dtype"]))[()]
    if isinstance(value, dict):
        kind = kinds[value["kind"]]
        return kind(**{k: _restored(v, kinds) for k, v in value.items() if k != "kind"})
    if isinstance(value, list):
        return tuple(_restored(v, kinds) for v in value)
    return math.nan if value is None else value
