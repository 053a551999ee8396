"""The table of what was measured on a GPU, for docs/speed.md."""

from typing import Any

Row = dict[str, Any]
#: The functions of a case that are ours.
OURS = ("CuPy", "torch", "ours")


def as_markdown(rows: list[Row]) -> str:
    """Return a line for each case and function of ours, beside the peers' times as multiples."""
    cases: dict[str, list[Row]] = {}
    for row in rows:
        if "seconds" in row:
            cases.setdefault(row["case"], []).append(row)
    head = ("case", "in", "ms", "of a copy", "others, times as long")
    body = [
        (name, own["function"], f"{own['seconds'] * 1e3:.2f}", f"{own['of_copy']:.0%}", others)
        for name, found in cases.items()
        for own in found
        if own["function"] in OURS
        for others in [", ".join(_ratio(row, own) for row in found if row["function"] not in OURS)]
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *body))


def _ratio(row: Row, own: Row) -> str:
    return f"{row['function']} {row['seconds'] / own['seconds']:.1f}"
