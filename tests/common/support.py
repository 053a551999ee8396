"""The README's support table, made from the suite's own list of backends and exceptions."""

import inspect
from pathlib import Path

from backends import BACKENDS, UNSUPPORTED

import dice_semimetric

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- support table: make support -->", "<!-- end of support table -->"
COLUMNS = [b.name for b in BACKENDS if not b.name.startswith("strict-")]


def functions() -> list[str]:
    """Return the public functions, the exceptions first named in UNSUPPORTED included."""
    public = (n for n in dice_semimetric.__all__ if inspect.isfunction(_get(n)))
    return sorted({*public, *(function for function, _ in UNSUPPORTED)})


def _get(name: str) -> object:
    return getattr(dice_semimetric, name)


def table() -> str:
    """Return the table as Markdown: a row for functions that are supported alike, then notes."""
    notes: list[str] = []
    rows: dict[tuple[str, ...], list[str]] = {}
    for function in functions():
        cells = []
        for name in COLUMNS:
            reason = UNSUPPORTED.get((function, name))
            if reason is not None and reason not in notes:
                notes.append(reason)
            cells.append("yes" if reason is None else f"no [{notes.index(reason) + 1}]")
        rows.setdefault(tuple(cells), []).append(f"`{function}`")
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for cells, names in sorted(rows.items(), key=lambda row: -len(row[1])):
        label = "all others" if len(names) == max(map(len, rows.values())) else ", ".join(names)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += [""] + [f"[{i}] {note}." for i, note in enumerate(notes, 1)]
    return "\n".join(lines).strip()


def main() -> None:
    """Write the table between its marks in the README."""
    text = README.read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    README.write_text(f"{before}{START}\n{table()}\n{END}{after}")


if __name__ == "__main__":
    main()
