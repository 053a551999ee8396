"""Files that are written: whole or not there, and nothing else is touched."""

from pathlib import Path

import pytest
from dice_semimetric_study import UsageError
from dice_semimetric_study.files.atomic import (
    prepare_folder,
    remove_parts,
    write_bytes,
    write_text,
)


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "file.txt"
    write_text(path, "before \udcff")
    assert path.read_bytes() == b"before \\udcff"

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"after")
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]
    assert path.read_bytes() == b"before \\udcff"


def test_only_what_killed_runs_left_is_removed(tmp_path: Path) -> None:
    names = [".log.csv.0123abcd.part", ".mine.part", "film.part", "log.csv"]
    for name in names:
        (tmp_path / name).write_text("")
    prepare_folder(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    remove_parts(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names[1:])
    with pytest.raises(UsageError, match="cannot write to"):
        prepare_folder(tmp_path / "log.csv" / "folder")
