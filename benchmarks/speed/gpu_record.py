"""The record of a run on a GPU: a valid file after every figure, so that a cut loses none."""

import json
from pathlib import Path
from typing import Any


class Record:
    """A JSON file; what an earlier run wrote of other parts stays in it.

    Parameters
    ----------
    path : Path, optional
        Where it is written; None keeps it in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        there = path is not None and path.exists()
        self.found: dict[str, Any] = json.loads(path.read_text()) if there and path else {}

    def set(self, key: str, value: Any) -> None:
        """Write an entry."""
        self.found[key] = value
        self._write()

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Write one more row of a list."""
        self.found[key].append(row)
        self._write()

    def of_part(self, part: str, **entries: Any) -> None:
        """Write what a part was run on, or took."""
        parts = self.found.get("parts", {})
        self.set("parts", {**parts, part: {**parts.get(part, {}), **entries}})

    def _write(self) -> None:
        if self.path is None:
            return
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.found, indent=1) + "\n")
        part.replace(self.path)
