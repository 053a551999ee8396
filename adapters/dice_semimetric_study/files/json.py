"""JSON as this package writes it: no NaN, sequences as lists, two spaces of indentation."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .atomic import write_text


def jsonable(value: Any) -> Any:
    """Return None for what JSON has no number for, and lists for sequences."""
    if isinstance(value, dict):
        return {k: jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [jsonable(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf"
    return value


def write_json(path: Path, value: dict[str, Any], *, durable: bool = True) -> None:
    """Write a dictionary for people and machines to read, as `write_bytes` does."""
    write_text(path, json_text(value), durable=durable)


def json_text(value: dict[str, Any]) -> str:
    """Return a dictionary as JSON, indented."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
