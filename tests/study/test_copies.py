"""Raters who are copies of each other: a warning, by the commands that read all raters."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.scores.copies import Marked, report_copies
from study_files import masks, save, study

from dice_semimetric import rater_agreement

WARNING = "task01: raters 01 and 03 mark the very same voxels in all of 3 cases"


def run(command: str, ref: Path, out: Path, capsys: pytest.CaptureFixture, *options: str) -> str:
    more = [str(ref), *(["--method", *options] if command == "fuse" else ["--no-pictures"])]
    if command == "evaluate":
        more = ["--ref", *more, "--pred", str(ref.parent / "pred")]
    assert main([command, "--out", str(out), *more]) == 0
    return capsys.readouterr().err


@pytest.mark.parametrize("command", ["agreement", "fuse", "evaluate"])
def test_a_rater_under_two_names(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture
) -> None:
    """Once it differs in one case it is a rater of its own."""
    ref, _ = study(tmp_path)
    assert "very same" not in run(command, ref, tmp_path / "apart", capsys, "uniform")
    for case in ref.iterdir():
        shutil.copy(case / "task01_seg01.nii.gz", case / "task01_seg03.nii.gz")
    found = run(command, ref, tmp_path / "copies", capsys, "staple")
    assert WARNING in found.replace("\n", " ")
    assert found.count("very same") == 1
    own = masks(77)[1].astype(np.uint8)
    save(ref / "case02/task01_seg03.nii.gz", own)
    assert "very same" not in run(command, ref, tmp_path / "own", capsys, "majority")


@pytest.mark.parametrize(
    ("cases", "warned"),
    [
        ([[[1, 0], [1, 0]]], False),  # one case alone
        ([[[1, 0], [1, 0]], [[0, 0], [0, 0]]], False),  # nothing is marked in the other
        ([[[1, 0], [1, 0]], [[0, 1], [0, 1]]], True),
        ([[[1, 0], [1, 0]], [[0, 1], [1, 1]]], False),
        ([[[0, 0], [0, 0]]] * 3, False),
    ],
)
def test_how_much_must_agree(
    cases: list, warned: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dice_semimetric_study"), "propagate", True)
    with caplog.at_level("WARNING"):
        report_copies(Marked("t", ("a", "b"), rater_agreement(np.array(c))) for c in cases)
    assert ("raters a and b" in caplog.text) == warned
