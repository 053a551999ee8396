"""How numbers and names are written, in tables, pictures and pages alike.

A value and its interval have two significant digits of half the interval's width. Without an
interval there are four digits after the point, and from 10 on five digits in all.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..faults import printable

#: The ends of an interval, None where there is none.
Ends = Sequence[float | None] | None

_PLACES = 4  # digits after the point where nothing tells how many
_MOST = 6  # as many as CSV has
_LETTERS = 19  # ten raters, their numbers and a matrix fit into 100 columns


def number(value: float | None, form: str = "", none: str = "-") -> str:
    """Return a number, or a dash where there is none."""
    if value is None or math.isnan(value):
        return none
    return format(value, form or _plain(value))


def interval(ends: Ends, form: str = "", *, joint: str = ", ", none: str = "-") -> str:
    """Return the two ends of an interval, by default in its own form, or a dash for none."""
    if ends is None or any(end is None or math.isnan(end) for end in ends):
        return none
    form = form or form_of(ends)
    return joint.join(number(end, form) for end in ends)


def form_of(ends: Ends, *, sign: str = "") -> str:
    """Return the form of a value with this interval, and of the ends; ``sign`` may be "+".

    Examples
    --------
    >>> from dice_semimetric_study.results.text import form_of, number
    >>> [number(0.84237, form_of(ends)) for ends in ((0.81, 0.87), (0.8419, 0.8429), None)]
    ['0.842', '0.84237', '0.8424']
    """
    low, high = ends or (None, None)
    half = math.nan if low is None or high is None else (high - low) / 2
    if not 0 < half < math.inf:
        return f"{sign}z.{_PLACES}f" if sign else ""
    places = min(max(1 - math.floor(math.log10(half)), 0), _MOST)
    return f"{sign}z.{places}f"  # z: no minus before what rounds to 0


def _plain(value: float) -> str:
    """Return the form of a number without an interval."""
    digits = math.floor(math.log10(abs(value))) if 10 <= abs(value) < math.inf else 0
    return f"z.{max(_PLACES - digits, 0)}f"


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


def limit_of(summary: Mapping[str, Any]) -> float:
    """Return below which p values are significant: what the intervals' confidence leaves."""
    return round(1 - float(summary["bootstrap"]["confidence"]), 9)


def confidence(summary: Mapping[str, Any]) -> str:
    """Return the name of a summary's intervals, such as "95 % CI"."""
    return f"{100 * summary['bootstrap']['confidence']:g} % CI"


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
