"""docs/outputs.md names every file, column and key that the commands write, and no others."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import ALL_SCORES, OPTIONAL_SCORES, RATER_SCORES, Score
from study_files import study, tree

PAGE = Path(__file__).resolve().parents[2] / "docs/outputs.md"
#: Where the files of each command are, which may have run twice.
FOLDERS = {
    "evaluate": ["scores", "worst"],
    "agreement": ["agreement"],
    "compare": ["compared"],
    "calibrate": ["calibrated"],
    "fuse": ["staple", "weighted"],
    "nnunet": ["Dataset001_Study"],
    "phantoms": ["phantoms"],
    "demo": ["demo"],
}
SUMMARIES = {
    "evaluate": "summary.json",
    "agreement": "summary.json",
    "compare": "summary.json",
    "calibrate": "calibration.json",
}
SURFACE = find_spec("surface_distance") is not None
ASKED = {name: score for scores in OPTIONAL_SCORES.values() for name, score in scores.items()}
#: They have their own tests: here nothing is stopped, and no option asks for them.
NOT_HERE = {"stopped", "fault", "worst"}
#: Names that something else could be taken for: a number, a missing value, a truth value.
NAMES = ("007", "NA", "1e5", "true")
Rows = dict[str, tuple[str, ...]]


def read_page() -> dict[tuple[str, str], Rows]:
    """Return the rows of each table by command and heading: the first cell, and the others."""
    found: dict[tuple[str, str], Rows] = {}
    command = part = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            command, part = line[3:].strip("`"), ""
        elif line.startswith("### "):
            part = line[4:].strip("`")
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for name in re.findall(r"`([^`]+)`", cells[0]):
                rows = found.setdefault((command, part), {})
                assert name not in rows or command == "Scores", (command, part, name)
                rows[name] = tuple(cells[1:])
    return found


DOCUMENTED = read_page()
TABLES = [key for key in DOCUMENTED if key[1] and key[1] not in SUMMARIES.values()]


def pattern(documented: str) -> str:
    """Return the regular expression of a name in which capitals stand for others."""
    if documented.endswith("/"):  # all that is in a folder
        documented = f"{documented}ANYTHING"
    escaped = re.escape(documented).replace("rankN", r"rank\d+").replace("dice@T", "dice@[0-9.]+")
    scores = "|".join({**ALL_SCORES, **ASKED, **RATER_SCORES})
    named = re.sub(r"(?<![a-z])SCORE(?![a-z])", f"(?:{scores})", escaped)
    named = named.replace("ANYTHING", ".+").replace("DIGEST", "[0-9a-f]{16}")
    return re.sub(r"(?<![A-Za-z])[A-Z]+(?![A-Za-z])", "[^/.]+", named)


def require_same(found: set[str], documented: Mapping[str, Any], where: str) -> None:
    """Fail for a name that is not documented, and for one that is and does not exist."""
    patterns = {name: re.compile(pattern(name)) for name in documented}
    unknown = [n for n in sorted(found) if not any(p.fullmatch(n) for p in patterns.values())]
    assert not unknown, f"{PAGE.name} lacks in {where}: {unknown}"
    gone = [n for n, p in patterns.items() if not any(map(p.fullmatch, found))]
    assert not {n.split(".")[-1] for n in gone} - NOT_HERE, (
        f"{PAGE.name} has in {where} what is not there: {gone}"
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which every command has run, with one case of a missing rater."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyarrow")
    root = tmp_path_factory.mktemp("outputs")
    study(root, cases=NAMES, tasks=("task01", "task02"))
    (root / "ref/true/task02_seg02.nii.gz").unlink()
    (root / "pred/NA/task02.nii.gz").unlink()
    for path in (root / "pred").glob("*/task01.nii.gz"):  # nnunet takes one image for a case
        (root / "ref" / path.parent.name / "image.nii.gz").write_bytes(path.read_bytes())
    ref, pred = str(root / "ref"), str(root / "pred")
    both, fit = ["--pred", pred, "--ref", ref], ["--fit-pred", pred, "--fit-ref", ref]
    argv = {
        "scores": ["evaluate", *both],
        "worst": ["evaluate", *both, "--missing", "worst", "--lesions", *["--surface"] * SURFACE],
        "agreement": ["agreement", ref],
        "staple": ["fuse", ref, "--method", "staple"],
        "weighted": ["fuse", ref, "--method", "weighted"],
        "compared": ["compare", "--pred", f"a={pred}", f"NA={pred}", "--ref", ref],
        "calibrated": ["calibrate", *fit, *both, "--method", "temperature"],
        "Dataset001_Study": ["nnunet", ref, "--structure", "task01"],
    }
    for out, options in argv.items():
        assert main([*options, "--out", str(root / out), "--quiet"]) == (
            out != "Dataset001_Study"
        ), out
    generated = ["phantoms", "--cases", "1", "--shape", "24", "24", "--raters", "2"]
    assert main([*generated, "--out", str(root / "phantoms")]) == 0
    folders = [
        f"--{n}={root / 'phantoms' / f}" for n, f in (("data", "raters"), ("pred", "prediction"))
    ]
    assert main(["demo", *folders, "--out", str(root / "demo")]) == 0
    return root


def test_scores_have_the_registrys_words() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for scores in (ALL_SCORES, ASKED, RATER_SCORES):
        rows = "\n".join(map(score_row, scores.values()))
        assert f"\n|---|---|---|\n{rows}\n\n" in page, f"its rows are:\n{rows}"


def score_row(score: Score) -> str:
    return f"| `{score.name}` | {score.heading} | {score.better} |"


def test_every_command_has_a_section() -> None:
    assert {command for command, _ in DOCUMENTED} - {"Scores"} == FOLDERS.keys()


@pytest.mark.parametrize("command", FOLDERS)
def test_files(root: Path, command: str) -> None:
    documented = set(DOCUMENTED[command, ""])
    if command == "demo":
        documented.remove("phantoms/")  # it has data
    found = {name for folder in FOLDERS[command] for name in tree(root / folder)}
    require_same(found, dict.fromkeys(documented), command)


def test_no_table_is_left_out(root: Path) -> None:
    for command, folders in FOLDERS.items():
        stems = {p.stem for folder in folders for p in (root / folder).glob("*.csv")}
        assert stems == {part for name, part in TABLES if name == command}


def tables_of(root: Path, command: str, part: str, ending: str) -> list[Path]:
    paths = [root / folder / f"{part}.{ending}" for folder in FOLDERS[command]]
    return [path for path in paths if path.exists()]


@pytest.mark.parametrize(("command", "part"), TABLES)
def test_columns(root: Path, command: str, part: str) -> None:
    names = set()
    for path in tables_of(root, command, part, "csv"):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert rows
        assert {len(row) for row in rows} == {len(header)}
        assert len(set(header)) == len(header)
        names |= set(header)
    require_same(names, DOCUMENTED[command, part], f"{command}, {part}")


def kind_of(column: str, documented: Rows) -> str:
    """Return the documented type of a column, that of the most literal name."""
    found = [name for name in documented if re.fullmatch(pattern(name), column)]
    return documented[column if column in documented else found[0]][0]


@pytest.mark.parametrize(("command", "part"), TABLES)
def test_pandas_keeps_the_types(root: Path, command: str, part: str) -> None:
    """As the page says to read CSV; and Parquet, which needs no such help."""
    pandas = pytest.importorskip("pandas")
    documented = DOCUMENTED[command, part]
    told = re.search(r"^>>> text = (.*)$", PAGE.read_text(), re.MULTILINE)
    more = re.search(r"^Tables of `compare` also have (.*):$", PAGE.read_text(), re.MULTILINE)
    assert told
    assert more
    names = json.loads(told[1]) + (re.findall(r"`(\w+)`", more[1]) * (command == "compare"))
    text = dict.fromkeys(names, str)
    for path in tables_of(root, command, part, "csv"):
        frame = pandas.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
        frames, rows = [frame], []
        if path.with_suffix(".parquet").exists():
            rows = json.loads(path.with_suffix(".json").read_text())
            frames.append(pandas.read_parquet(path.with_suffix(".parquet")))
            assert len(rows) == len(frame) == len(frames[1])
        for name in frame.columns:
            kind = kind_of(name, documented)
            for table in frames:
                known = table[name].dropna().tolist()
                want = {"text": str, "integer": int, "number": float}[kind]
                assert {type(value) for value in known} <= {want}, name
                if kind == "integer":
                    assert len(known) == len(table)
            if rows:
                require_alike([row[name] for row in rows], frame[name], kind)
        if "case" in frame and command != "demo":
            assert set(frame["case"]) == {*NAMES}


def require_alike(values: list[Any], cells: Any, kind: str) -> None:
    """Fail unless the cells of a column are the values in JSON, those that are missing too."""
    for value, cell in zip(values, cells, strict=True):
        if value is None or value == "":
            assert isinstance(cell, float)
            assert np.isnan(cell)
        elif kind == "number":
            np.testing.assert_allclose(cell, value, atol=5.1e-7)
        else:
            assert cell == value


def keys_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path of each value in a summary, and the value."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from keys_of(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from keys_of(inner, f"{path}[]")
    else:
        yield path, value


def with_others(documented: Rows, command: str) -> Rows:
    """Return the keys with those that stand for the same as others."""
    found: Rows = {}
    for key, (kind, *rest) in documented.items():
        same = re.fullmatch(r"as `(\w+)`(?: of `(\w+)`)?", kind)
        if same is None:
            found[key] = (kind, *rest)
            continue
        other = same[2] or command
        for name, row in DOCUMENTED[other, SUMMARIES[other]].items():
            if name.startswith(f"{same[1]}."):
                found[key + name.removeprefix(same[1])] = row
    return found


@pytest.mark.parametrize("command", SUMMARIES)
def test_keys(root: Path, command: str) -> None:
    paths = [root / folder / SUMMARIES[command] for folder in FOLDERS[command]]
    found = {k: v for path in paths for k, v in keys_of(json.loads(path.read_text()))}
    documented = with_others(DOCUMENTED[command, SUMMARIES[command]], command)
    where = f"{command}, {SUMMARIES[command]}"
    if command == "calibrate":
        lacking = re.compile(r"among_raters|cases\.worst")
        documented = {k: v for k, v in documented.items() if not lacking.search(k)}
    require_same(set(found), documented, where)
    kinds = {"text": str, "integer": int, "number": (float, int), "list": list, "any": object}
    for key, value in found.items():
        assert value is None or isinstance(value, kinds[kind_of(key, documented)]), key
