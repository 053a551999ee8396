"""Files that are written: whole or not there, and nothing else is touched."""

import os
import subprocess
import sys
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


_WRITER = """
import sys
from pathlib import Path
from dice_semimetric_study.files.atomic import appearing, remove_parts
path = Path(sys.argv[1])
with appearing(path, durable=sys.argv[2] == "durable") as file:
    file.write(b"first ")
    print("open", flush=True)
    sys.stdin.readline()
    file.write(b"last")
"""


@pytest.mark.parametrize("how", ["durable", "quick"])
def test_two_processes_write_one_file(tmp_path: Path, how: str) -> None:
    """None removes what the other is writing; what a killed one left is removed."""
    path = tmp_path / "table.csv"
    argv = [sys.executable, "-c", _WRITER, str(path), how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen(argv, **pipes) for _ in range(3)]
    for one in writers:
        assert one.stdout.readline() == "open\n"
    assert len(list(tmp_path.glob(".*.part"))) == 3
    writers[0].kill()
    writers[0].wait()
    write_text(path, "third")
    remove_parts(tmp_path)
    assert len(list(tmp_path.glob(".*.part"))) == 2
    for one in writers[1:]:
        one.communicate("\n")
        assert one.returncode == 0
        assert path.read_text() == "first last"
    assert os.listdir(tmp_path) == ["table.csv"]
