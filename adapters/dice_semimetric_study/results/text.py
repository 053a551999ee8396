"""How numbers and names are written, in tables, pictures and pages alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..faults import printable

_LETTERS = 19  # ten raters, their numbers and a matrix fit into 100 columns


def number(value: float | None, form: str = ".4f", none: str = "-") -> str:
    """Return a number, or a dash where there is none."""
    return none if value is None or math.isnan(value) else format(value, form)


def interval(
    ends: Sequence[float | None] | None, form: str = ".4f", *, joint: str = ", ", none: str = "-"
) -> str:
    """Return the two ends of an interval, or a dash where there is none."""
    if ends is None or None in ends:
        return none
    return joint.join(number(end, form) for end in ends)


def rank(value: float | None) -> str:
    """Return a rank, with a half only where it has one."""
    return number(value, "g")


def percent(value: float | None, none: str = "-") -> str:
    """Return a share in percent, never 0 or 100 for what is only close to it."""
    if value is None or value in (0, 1):
        return number(value, ".0%", none)
    return "<1%" if value < 0.01 else ">99%" if value > 0.99 else f"{value:.0%}"


def p_value(value: float | None, none: str = "-") -> str:
    """Return a p value with three digits after the point."""
    return "<0.001" if value is not None and value < 0.001 else number(value, ".3f", none)


def confidence(summary: Mapping[str, Any]) -> str:
    """Return the confidence of a summary's intervals in percent."""
    return f"{100 * summary['bootstrap']['confidence']:g} %"


def setting(value: Any) -> str:
    """Return the value of an option as words, a dash where there is none."""
    if isinstance(value, Mapping):
        shown = (f"{key}: {setting(v)}" for key, v in value.items())
        return "; ".join(shown) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value)) or "–"
    if value is None or value == "":
        return "–"
    return printable(("no", "yes")[value] if isinstance(value, bool) else str(value))


def known(value: float | None) -> float:
    """Return a number of a summary, NaN where there is none."""
    return math.nan if value is None else value


def short_name(name: str) -> str:
    """Return a name that fits beside an axis and holds no formula for matplotlib."""
    return shortened(name).replace("$", r"\$")


def shortened(name: str) -> str:
    """Return a name that fits beside other columns; of a long one the middle is left out."""
    text, half = printable(name), _LETTERS // 2
    return text if len(text) <= _LETTERS else f"{text[:half]}…{text[-half:]}"
