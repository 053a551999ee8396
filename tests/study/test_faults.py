"""Faults in words: few have a line each, many of one kind have one line, and all are kept."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import Fault, grouped, line_of
from study_files import save, study


def test_many_of_one_kind_are_one_line() -> None:
    lost = [Fault(f"c{i:02d}", "task01", "rater 04, 05 missing") for i in range(35)]
    others = [Fault(f"c{i}", "task01", "rater 04 missing") for i in range(3)]
    values = [Fault(f"d{i}", "t", f"d{i}_seg.nii holds {i}.5, up to {1000 + i}") for i in range(4)]
    lines = [line_of(group) for group in grouped(lost + others + values)]
    assert lines == [
        "35 cases: rater 04, 05 missing; c00, c01, c02 and 32 more",
        *(f"c{i} task01: rater 04 missing" for i in range(3)),
        "4 cases: such as d0_seg.nii holds 0.5, up to 1000; d0, d1, d2 and 1 more",
    ]
    tasks = [Fault("\x1b", f"task{i}", "none") for i in range(4)]
    assert [line_of(group) for group in grouped(tasks)] == ["1 case: none; \\x1b"]
    assert grouped([]) == []


@pytest.mark.parametrize("command", ["evaluate", "fuse", "agreement"])
def test_repeated_faults_do_not_flood(tmp_path: Path, capsys: Any, command: str) -> None:
    names = [f"case{i:02d}" for i in range(9)]
    ref, pred = study(tmp_path, cases=names)
    for name in names[:6]:
        (ref / name / "task01_seg03.nii.gz").unlink()
    (ref / "case08/task01_seg01.nii.gz").write_bytes(b"")
    out = tmp_path / "out"
    page = ["--pred", str(pred), "--ref", str(ref), "--report", str(tmp_path / "page.html")]
    argv = {"evaluate": page, "fuse": [str(ref), "--method", "majority"], "agreement": [str(ref)]}
    line = [command, *argv[command], "--out", str(out)]
    assert main(line) == 1
    text = capsys.readouterr().err.splitlines()
    faulty = [t for t in text if t.startswith("faulty")]
    together = "faulty: 6 cases: the mask of rater 03 is missing (see --raters); "
    assert faulty[-1] == f"{together}case00, case01, case02 and 3 more"
    assert len(faulty) == 5  # the first three, the other fault, and all in one line
    assert [t for t in faulty if "case08" in t] == [
        "faulty: case08 task01: task01_seg01.nii.gz is empty"
    ]
    kept = json.loads((out / ("run.json" if command == "fuse" else "summary.json")).read_text())
    assert [f["case"] for f in kept["faults"]] == [*names[:6], "case08"]
    if command == "evaluate":
        source = (tmp_path / "page.html").read_text()
        assert ">6 cases</th>" in source
        assert len(re.findall("<li>case0. task01: the mask", source)) == 6
    assert main([*line, "-v"]) == 1
    assert capsys.readouterr().err.count("the mask of rater 03") == 6


BROKEN = {
    "empty": (b"", "is empty"),
    "page": (b"<html></html>", "is an HTML page"),
    "values": (None, "must hold"),
}


@pytest.mark.parametrize("slab", [[], ["--slab", "40"]], ids=["whole", "slabs"])
@pytest.mark.parametrize("side", ["reference", "prediction", "mask"])
@pytest.mark.parametrize("kind", BROKEN)
def test_of_files_of_one_name_the_side_is_named(
    tmp_path: Path, capsys: Any, kind: str, side: str, slab: list[str]
) -> None:
    folders = {name: tmp_path / name for name in ("reference", "prediction", "mask")}
    for folder in folders.values():
        save(folder / "c1.nii.gz", np.ones((8, 9, 2), np.uint8))
        save(folder / "c2.nii.gz", np.ones((8, 9, 2), np.uint8))
    content, words = BROKEN[kind]
    path = folders[side] / "c1.nii.gz"
    if content is None:
        save(path, np.full((8, 9, 2), -7.5, np.float32))
        words = "must be a map of whole numbers" if side == "mask" else words
    else:
        path.write_bytes(content)
    sides = zip(("--ref", "--pred", "--mask"), map(str, folders.values()), strict=True)
    argv = ["evaluate", *(text for pair in sides for text in pair), "--no-pictures", *slab]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 1
    (line,) = [t for t in capsys.readouterr().err.splitlines() if t.startswith("faulty")]
    assert line.startswith(f"faulty: c1 task01: the {side} c1.nii.gz {words}")
