"""Preparation goes on where it stopped: after a change, a full disk or a kill."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import raw_scans
import study_files

pytest.importorskip("torch")
pytest.importorskip("monai")

from paper_data import contents, prepare, read_index

from benchmarks.paper.datasets import open_prepared, preparing


def test_a_second_run_does_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = raw_scans.lits(tmp_path / "raw", range(1, 5))
    out = tmp_path / "out"
    given = ("lits", raw, "--out", out, "--size", 16, "--subset")
    assert prepare(*given) == 0
    before, index = contents(out), (out / "index.json").read_bytes()
    made: list[str] = []
    original = preparing._make
    monkeypatch.setattr(
        preparing, "_make", lambda case, **o: made.append(case.case) or original(case, **o)
    )
    assert prepare(*given) == 0
    assert made == []
    (out / "volume-1.image.npy").unlink()
    damaged = bytearray(before["volume-3.labels.npy"])
    damaged[-1] ^= 1
    (out / "volume-3.labels.npy").write_bytes(damaged)
    assert prepare(*given) == 0
    assert made == ["volume-1", "volume-3"]
    assert contents(out) == before
    assert (out / "index.json").read_bytes() == index
    # Another raw file, other options.
    made.clear()
    image, _ = raw_scans.scan(99)
    study_files.save(raw / "Training Batch 1/volume-2.nii", image)
    assert prepare(*given) == 0
    assert made == ["volume-2"]
    made.clear()
    assert prepare(*given, "--size", 8) == 0
    assert len(made) == 4
    assert prepare(*given, "--size", 8, "--restart") == 0
    assert len(made) == 8


def test_a_full_disk_is_named_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = raw_scans.lits(tmp_path / "raw", range(1, 5))
    out = tmp_path / "out"
    given = ("lits", raw, "--out", out, "--size", 16, "--subset")
    original = preparing.write_bytes

    def full(path: Path, content: bytes) -> None:
        if path.name.startswith("volume-3"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "write_bytes", full)
        assert prepare(*given) == 1
    assert "volume-3: [Errno 28] No space left on device" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="volume-3"):
        assert len(open_prepared(out).cases) == 3
    assert prepare(*given) == 0
    assert len(open_prepared(out).cases) == 4


def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    raw = raw_scans.lits(tmp_path / "raw", range(1, 25), shape=(128, 128, 8))
    given = ["lits", str(raw), "--subset", "--out"]
    command = [sys.executable, "-m", "benchmarks.paper", "prepare", *given, str(tmp_path / "out")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment)
    records = tmp_path / "out/records"
    deadline = time.monotonic() + 600  # that only a hang reaches
    while len(list(records.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert len(list(records.glob("*.json"))) >= 3
    if not (tmp_path / "out/index.json").exists():
        with pytest.raises(Exception, match="was not finished"):
            open_prepared(tmp_path / "out")
    arrays = list((tmp_path / "out").glob("[!.]*.npy"))
    assert len(arrays) >= 6  # of each record two
    for path in arrays:
        assert np.load(path).shape[0] == 2
    assert prepare(*given, tmp_path / "out") == 0
    assert prepare(*given, tmp_path / "unbroken") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")
    assert read_index(tmp_path / "out") == read_index(tmp_path / "unbroken")
