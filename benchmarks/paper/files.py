"""Files that are there as a whole or not at all, also when a run is killed while it writes."""

import csv
import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dice_semimetric_study import UsageError

_PART = ".part"


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file through a hidden one beside it, so that its name never stands for half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; file names that cannot be decoded are escaped."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows with the same keys as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def prepare_folder(folder: Path) -> None:
    """Make a folder, or raise UsageError if nothing can be written there."""
    probe = folder / f".{secrets.token_hex(4)}{_PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from error


def remove_parts(folder: Path) -> None:
    """Remove what killed runs left in a folder of their own."""
    for stale in folder.glob(f".*.????????{_PART}"):
        stale.unlink(missing_ok=True)
