"""The command `prepare`: what it refuses, and real data."""

from pathlib import Path

import numpy as np
import pytest
import raw_scans
import study_files

pytest.importorskip("torch")
pytest.importorskip("monai")

from paper_data import prepare

from benchmarks.paper.datasets import open_prepared


def test_what_cannot_start_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    raw_scans.kits(tmp_path / "kits", range(1))
    for arguments, text in (
        (("lits", tmp_path / "absent", "--out", tmp_path / "o"), "absent is not a folder"),
        (("lits", tmp_path / "raw", "--out", tmp_path / "o"), "no file such as volume-0"),
        (("qubiq", tmp_path / "raw", "--out", tmp_path / "o"), "no case in"),
        (("qubiq", tmp_path / "kits", "--out", tmp_path / "o"), "none of the folders"),
        (("kits", tmp_path / "kits", "--out", tmp_path / "kits/o"), "must not lie in the folder"),
        (("kits", tmp_path / "kits", "--out", tmp_path / "o", "--size", "-1"), "at least 0"),
    ):
        assert prepare(*arguments) == 2
        assert text in capsys.readouterr().err


def test_real_layout_is_the_same_prepared_and_as_it_is(tmp_path: Path) -> None:
    raw = study_files.data_folder() / "bubil-cells/bubil-rabbit"
    assert prepare("qubiq-layout", raw, "--out", tmp_path) == 0
    made, read = open_prepared(tmp_path / "bubil-rabbit-task01"), open_prepared(raw)
    assert (made.name, made.cases, made.patients, made.splits) == (
        (read.name, read.cases, read.patients, read.splits)
    )
    for index in range(len(read)):
        np.testing.assert_array_equal(made.image(index), read.image(index))
        np.testing.assert_array_equal(made.raters(index), read.raters(index))
