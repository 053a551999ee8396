"""Names from files that break tables, run in spreadsheets, or steer a terminal."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.tables import csv_text, write_table
from study_files import masks, save

CASES = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "a\rb",
    "\x1b[31mred\x1b[0m",
    'se;=1+1,"x"',
    "<img src=x onerror=alert(1)>&",
    "\uff1d1+1",
    "$\\frac$ 二",
)
RATERS = ("=r", "\x1b]0;title\x07", "two\nlines")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
PATTERN = "{case}@@{rater}.nii.gz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study in a flat folder; the last case lacks its prediction."""
    root = tmp_path_factory.mktemp("strange")
    for i, case in enumerate(CASES):
        seen = masks(i, len(RATERS))
        for rater, mask in zip(RATERS, seen, strict=True):
            save(root / f"ref/{case}@@{rater}.nii.gz".replace("/C", "∕C"), mask.astype(np.uint8))
        if i < len(CASES) - 1:
            prob = seen.mean(axis=0).astype(np.float32)
            save(root / f"pred/{case}.nii.gz".replace("/C", "∕C"), prob)
    return root


def run(folder: Path, command: str, out: Path) -> int:
    ref, pred = str(folder / "ref"), str(folder / "pred")
    argv = {
        "evaluate": ["--pred", pred, "--ref", ref, "--report", str(out / "page.html")],
        "agreement": [ref],
        "fuse": [ref, "--method", "weighted"],
        "compare": ["--pred", f"a={pred}", f"b={pred}", "--ref", ref],
        "calibrate": [
            *("--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref),
            *("--method", "temperature"),
        ],
    }[command]
    return main([command, *argv, "--pattern", PATTERN, "--out", str(out), "-v"])


@pytest.mark.parametrize("command", ["evaluate", "agreement", "fuse", "compare", "calibrate"])
def test_no_name_breaks_out(folder: Path, tmp_path: Path, capfd: Any, command: str) -> None:
    out = tmp_path / "out"
    assert run(folder, command, out) == (command in ("evaluate", "compare"))
    text = capfd.readouterr()
    for stream in (text.out, text.err.replace("\r", "")):  # a bar redraws its line
        assert not CONTROL.search(stream)
    assert "Warning" not in text.err
    tables = list(out.rglob("*.csv"))
    assert tables
    for path in tables:
        content = path.read_text(encoding="utf-8")
        assert not CONTROL.search(content), path
        rows = list(csv.reader(io.StringIO(content, newline="")))
        assert len(rows) == content.count("\n")
        assert len({len(row) for row in rows}) == 1
        for cell in (cell for row in rows for cell in row):
            number = re.fullmatch(r"-?\d+(\.\d+)?", cell)
            assert number or not cell.startswith(("=", "+", "-", "@", "\uff1d")), cell
    for path in out.rglob("*.html"):
        source = path.read_text(encoding="utf-8")
        assert not CONTROL.search(source)
        assert "<img" not in source
        assert "&lt;img src=x" in source


def test_the_true_names_are_read_back(folder: Path, tmp_path: Path, capsys: Any) -> None:
    for name in ("one", "two"):
        assert run(folder, "evaluate", tmp_path / name) == 1
    scores = ["--scores", str(tmp_path / "one"), str(tmp_path / "two")]
    assert main(["compare", *scores, "--out", str(tmp_path / "out"), "--no-pictures"]) == 0
    assert f"cases: {len(CASES) - 1}," in capsys.readouterr().out
    known = {row["case"] for row in json.loads((tmp_path / "one/cases.json").read_text())}
    assert known == {case.replace("/C", "∕C") for case in CASES[:-1]}


def test_cells_of_csv() -> None:
    rows = [
        {"name": "=1", "n": -3, "x": -0.5},
        {"name": "-0.5", "n": 4, "x": float("nan")},
        {"name": 'a;"b",\r\n', "n": 5, "x": None},
        {"name": "'=1", "n": 6, "x": -1e-9},
    ]
    lines = csv_text(["name", "n", "x"], rows).split("\n")
    assert lines == [
        "name,n,x",
        "'=1,-3,-0.500000",
        "'-0.5,4,",
        '"a;""b"",\\r\\n",5,',
        "'=1,6,-0.000000",
        "",
    ]


def test_parquet_and_json_hold_names_as_they_are(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"case": case, "x": -0.5} for case in CASES]
    write_table(tmp_path / "table", ["case", "x"], rows)
    assert [r["case"] for r in json.loads((tmp_path / "table.json").read_text())] == list(CASES)
    assert parquet.read_table(tmp_path / "table.parquet")["case"].to_pylist() == list(CASES)
    text = (tmp_path / "table.json").read_text()
    assert not CONTROL.search(text)
