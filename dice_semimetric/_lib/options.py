"""Checks of the options that are no arrays: integers, numbers, switches, choices, generators."""

import math
import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

#: What `numpy.random.default_rng` makes a generator of.
Rng: TypeAlias = int | np.random.SeedSequence | np.random.BitGenerator | np.random.Generator | None


def type_name(value: object) -> str:
    """Return the class, with its module where that is not Python's own."""
    cls = type(value)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def shown(value: object) -> str:
    """Return a value as an error prints it: its class where the value itself would be long."""
    if value is None or isinstance(value, bool | int | float | complex | str):
        return repr(value)
    if isinstance(value, tuple | list) and len(value) <= 9:
        return f"{value!r}" if len(repr(value)) < 80 else type_name(value)
    return f"{value} of {type_name(value)}" if isinstance(value, np.generic) else type_name(value)


def require_integer(
    name: str, value: Any, *, least: int | None = None, most: int | None = None
) -> int:
    """Return a Python integer, or raise for what is none (True is none) or out of its range."""
    number = value if type(value) is int else _index(name, value)
    if (least is not None and number < least) or (most is not None and number > most):
        expected = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be {expected}, got {number}")
    return number


def _index(name: str, value: Any) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:  # that of a JAX tracer too
        pass
    raise TypeError(f"{name} must be an integer, got {shown(value)}{_remedy(value)}")


def _remedy(value: object) -> str:
    """Return the integer to write in place of what only looks like one."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return f"; write {int(value)}"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return f"; write {int(value)}"
    return ""


def require_indices(name: str, values: Any, length: int) -> tuple[int, ...]:
    """Return different numbers from 0 to length - 1, at least one, or raise."""
    values = _scalar(values)
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        got = shown(values)
        remedy = f"; write {name}=({got},)" if isinstance(values, int | np.integer) else ""
        raise TypeError(f"{name} must be a sequence of integers, got {got}{remedy}")
    found = tuple(require_integer(name, value, least=0, most=length - 1) for value in values)
    if not found:
        raise ValueError(f"{name} must hold at least one number, got none")
    if len(set(found)) != len(found):
        raise ValueError(f"{name} must not hold a number twice, got {found}")
    return found


def _scalar(values: Any) -> Any:
    """Return the number in an array without axes, and anything else as it is."""
    return values.item() if getattr(values, "ndim", None) == 0 else values


def require_label(name: str, value: Any) -> int | None:
    """Return the number of a label, such as the one to ignore, or None."""
    return None if value is None else require_integer(name, value)


def require_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    finite: bool = True,
) -> float:
    """Return a Python float, or raise unless it is a number now, finite and in its range.

    A number that is traced or lazy is none; True is none. A scalar of NumPy would make float64 of
    what is summed in float32.
    """
    number = value if type(value) is float else _real(name, value)
    # NaN compares as False; torch.compile cannot trace math.isnan of a number it takes as dynamic
    known = -math.inf < number < math.inf if finite else -math.inf <= number <= math.inf
    if not known:
        raise ValueError(f"{name} must be {'finite' if finite else 'a number'}, got {number}")
    if least is not None and not number >= least:
        raise ValueError(f"{name} must be at least {least:g}, got {number}")
    if above is not None and not number > above:
        raise ValueError(f"{name} must be above {above:g}, got {number}")
    return number


def _real(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        known = " of Python that is known while tracing" if hasattr(value, "dtype") else ""
        raise TypeError(f"{name} must be a number{known}, got {shown(value)}")
    return float(value)


def require_numbers(name: str, values: Any, **limits: Any) -> tuple[float, ...]:
    """Return several finite numbers as floats, or raise; one alone is one of several."""
    values = _scalar(values)
    if isinstance(values, Real) and not isinstance(values, bool):
        values = (values,)
    if isinstance(values, str | bytes | dict) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of numbers, got {shown(values)}")
    return tuple(require_number(name, value, **limits) for value in values)


def require_switch(name: str, value: Any) -> bool:
    """Return True or False, or raise: a text such as "no" would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def require_choice(name: str, value: object, choices: Iterable[str | None]) -> None:
    """Raise ValueError unless the value is one of the choices, which are texts or None."""
    if (value is None or isinstance(value, str)) and value in choices:
        return
    expected = ", ".join(repr(choice) for choice in choices)
    raise ValueError(f"{name} must be one of {expected}, got {shown(value)}")


def generator(rng: Rng) -> np.random.Generator:
    """Return what `numpy.random.default_rng` makes of it, or raise for what it cannot take."""
    if isinstance(rng, np.random.Generator):
        return rng
    try:
        if not isinstance(rng, bool | str | bytes):
            return np.random.default_rng(rng)
    except (TypeError, ValueError):
        pass
    raise TypeError(
        "rng must be None, an integer of at least 0 or a numpy.random.Generator, "
        f"got {shown(rng)}; write rng=0"
    )
