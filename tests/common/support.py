"""The support table in docs/support.md, made from what the suite recorded when it ran.

    pytest tests/core/test_every_library.py --record-support benchmarks/results/support.json
    python tests/common/support.py

A backend that no record holds was not run. A machine with a GPU writes a record of its own,
benchmarks/results/support-NAME.json, and the table holds both.
"""

import inspect
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import support_kernels
from backends import BACKENDS, UNSUPPORTED, Backend

import dice_semimetric

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "support.md"
RECORDS = ROOT / "benchmarks" / "results"
START, END = "<!-- support: make support -->", "<!-- end of support -->"
COLUMNS = [b for b in BACKENDS if not b.name.startswith("strict-")]

Outcomes = dict[str, str]  # function -> "yes" or the reason why not


def functions() -> list[str]:
    """Return what takes arrays: the public functions, the calibrators, and calls that differ."""
    public = {
        name
        for name in dice_semimetric.__all__
        if inspect.isfunction(_get(name)) or hasattr(_get(name), "fit")
    } - {"value_checks"}
    return sorted({*public, "calibrate_teacher(keys=...)", *(name for name, _ in UNSUPPORTED)})


def _get(name: str) -> object:
    return getattr(dice_semimetric, name)


def write_record(path: Path, ran: dict[str, dict[str, str]]) -> None:
    """Write what ran on which backend, and with which version of its library."""
    record: dict[str, dict[str, object]] = {}
    for backend in BACKENDS:
        outcomes = {f: ran[f][backend.name] for f in functions() if backend.name in ran.get(f, {})}
        if outcomes:
            record[backend.name] = {"version": _version(backend), "functions": outcomes}
            if backend.device == "cuda":
                record[backend.name]["cupy"] = _lent_to_cupy()
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def _version(backend: Backend) -> str:
    try:
        return version(backend.module.split(".")[0].replace("_", "-"))
    except PackageNotFoundError:  # CuPy's wheels are named after a version of CUDA
        return str(sys.modules[backend.module].__version__)


def _lent_to_cupy() -> bool:
    from dice_semimetric_torch import lending

    return lending.cupy() is not None


def read_gpus() -> set[tuple[str, bool]]:
    """Return the backends that ran on a GPU, and whether CuPy's kernels were there."""
    entries = [
        item
        for path in RECORDS.glob("support*.json")
        for item in json.loads(path.read_text()).items()
    ]
    return {(backend, entry.get("cupy", True)) for backend, entry in entries}


def read_records() -> dict[str, Outcomes]:
    """Return the outcomes of each backend, of all records together."""
    found: dict[str, Outcomes] = {}
    for path in sorted(RECORDS.glob("support*.json")):
        for backend, entry in json.loads(path.read_text()).items():
            found.setdefault(backend, {}).update(entry["functions"])
    return found


def table(outcomes: dict[str, Outcomes]) -> str:
    """Return the table as Markdown: a row for functions that are supported alike, then notes."""
    notes: list[str] = []
    rows: dict[tuple[str, ...], list[str]] = {}
    for function in functions():
        cells = []
        for backend in COLUMNS:
            outcome = outcomes.get(backend.name, {}).get(function, "not run")
            if outcome not in ("yes", "not run"):
                if outcome not in notes:
                    notes.append(outcome)
                outcome = f"no [{notes.index(outcome) + 1}]"
            cells.append(outcome)
        rows.setdefault(tuple(cells), []).append(f"`{function}`")
    lines = ["| | " + " | ".join(b.name for b in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for cells, names in sorted(rows.items(), key=lambda row: -len(row[1])):
        label = "all others" if len(names) == max(map(len, rows.values())) else ", ".join(names)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += [""] + [f"[{i}] {note[0].upper()}{note[1:]}." for i, note in enumerate(notes, 1)]
    return "\n".join(lines).strip()


def main() -> None:
    """Write both tables between their marks in the page."""
    text = PAGE.read_text()
    for made in (
        (START, table(read_records()), END),
        (support_kernels.START, support_kernels.table(read_gpus()), support_kernels.END),
    ):
        start, new, end = made
        before, rest = text.split(start)
        text = f"{before}{start}\n\n{new}\n\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
