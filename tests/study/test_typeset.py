"""Tables for a paper: ``--table FILE.tex`` and ``--table FILE.md``."""

import json
import math
import re
from pathlib import Path

import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import PREDICTION_SCORES, RATER_SCORES
from dice_semimetric_study.results.text import form_of
from dice_semimetric_study.results.typeset import Mean, Typeset, latex, markdown
from study_files import study

STRANGE = r"a_b & 5% {x} $y$ #1 ~^\ [z] <i> | *b* `c`"


def run(root: Path, command: str, *options: str) -> int:
    """Run a command on the study in a folder, with two tables."""
    files = {
        "evaluate": ["--pred", str(root / "pred"), "--ref", str(root / "ref")],
        "agreement": [str(root / "ref"), "--no-maps"],
        "compare": ["--pred", *(f"{n}={root / 'pred'}" for n in "ab"), "--ref", str(root / "ref")],
    }
    tables = [f"--table={root / name}" for name in ("t.tex", "t.md")]
    common = ["--out", str(root / command), "--no-pictures", "--quiet"]
    return main([command, *files[command], *common, *tables, *options])


def markdown_rows(text: str) -> list[list[str]]:
    """Return the cells of a table, in which no text has a bar."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def tex_rows(text: str) -> list[list[str]]:
    lines = [line.removesuffix(r" \\") for line in text.splitlines() if line.endswith(r" \\")]
    return [[cell.strip() for cell in line.split(" & ")] for line in lines]


@pytest.mark.parametrize("command", ["evaluate", "agreement"])
def test_the_means_of_each_task(tmp_path: Path, command: str) -> None:
    study(tmp_path, tasks=("task01", "task02"))
    assert run(tmp_path, command) == 0
    summary = json.loads((tmp_path / command / "summary.json").read_text())
    head, rule, *rows = markdown_rows((tmp_path / "t.md").read_text())
    scores = PREDICTION_SCORES if command == "evaluate" else RATER_SCORES
    names = {f"{score.heading}<br>95 % CI": name for name, score in scores.items()}
    assert head[:2] == ["task", "cases"]
    assert set(head[2:]) <= names.keys()
    assert rule == [":---", *["---:"] * (len(head) - 1)]
    parts = {**summary["tasks"], "all": summary["overall"]}
    assert [row[:2] for row in rows] == [["task01", "3"], ["task02", "3"], ["all", "6"]]
    for row, part in zip(rows, parts.values(), strict=True):
        for title, text in zip(head[2:], row[2:], strict=True):
            mean, (low, high) = part[names[title]], part["intervals"][names[title]]
            form = form_of((low, high))
            want = f"{mean:{form}} ({low:{form}}, {high:{form}})"
            assert text == want.replace("-", "−")
    first, second, *same = tex_rows((tmp_path / "t.tex").read_text())
    assert [f"{a}<br>95 % CI" for a in first[2:]] == head[2:]
    assert second == ["", "", *[r"95 \% CI"] * (len(head) - 2)]
    assert [[c.replace("$-$", "−") for c in row] for row in same] == rows
    before = (tmp_path / "t.tex").read_bytes()
    assert run(tmp_path, command, "--resume") == 0
    assert (tmp_path / "t.tex").read_bytes() == before


def test_scores_that_options_ask_for_are_there_too(tmp_path: Path) -> None:
    study(tmp_path)
    assert run(tmp_path, "evaluate", "--lesions") == 0
    head = markdown_rows((tmp_path / "t.md").read_text())[0]
    assert head[-3:] == [f"lesion {name}<br>95 % CI" for name in ("F1", "precision", "recall")]


def test_the_best_model_is_bold(tmp_path: Path) -> None:
    study(tmp_path)
    assert run(tmp_path, "compare", "--metric", "dice", "ece") == 0
    head, _, *rows = markdown_rows((tmp_path / "t.md").read_text())
    assert head == ["model", "Dice<br>95 % CI", "ECE, all pixels<br>95 % CI"]
    assert [row[0] for row in rows] == ["a", "b"]
    assert all(cell.startswith("**0.") for row in rows for cell in row[1:])  # they share a rank
    scores = tmp_path / "compare/a/cases.json"
    better = json.loads(scores.read_text())
    for row in better:
        row["ece"] /= 2
    scores.write_text(json.dumps(better))
    models = [f"{n}={tmp_path / 'compare' / n}" for n in "ab"]
    argv = ["compare", "--scores", *models, "--out", str(tmp_path / "again"), "--no-pictures"]
    assert main([*argv, "--table", str(tmp_path / "t.md"), "--metric", "dice", "ece"]) == 0
    (_, _, a), (_, _, b) = markdown_rows((tmp_path / "t.md").read_text())[2:]
    assert re.fullmatch(r"\*\*[\d.]+\*\* \([\d.]+, [\d.]+\)", a)
    assert re.fullmatch(r"[\d.]+ \([\d.]+, [\d.]+\)", b)


def test_names_mean_themselves() -> None:
    means = (Mean(None, None), Mean(-0.5, (-0.6, -0.4), best=True), Mean(math.nan, None))
    table = Typeset(["t_1", "a", "b (%)", "c"], [[STRANGE + "\n", *means]], "95 % CI", "x --> y")
    tex, md = latex(table), markdown(table)
    assert tex.splitlines()[0].startswith("% ")
    assert r"t\_1 & a & b (\%) & c \\" in tex
    assert r" &  & 95 \% CI &  \\" in tex
    escaped = (
        r"a\_b \& 5\% \{x\} \$y\$ \#1 \textasciitilde{}\textasciicircum{}\textbackslash{} {[}z] "
        r"\textless{}i\textgreater{} | *b* `c`\textbackslash{}n"
    )
    assert rf"{escaped} &  & \textbf{{$-$0.50}} ($-$0.60, $-$0.40) &  \\" in tex
    assert tex.count("{") == tex.count("}")
    assert r"| a\_b \& 5% {x} \$y\$ #1 \~^\\ \[z\] \<i\> \| \*b\* \`c\`\\n |  | " in md
    assert "| **−0.50** (−0.60, −0.40) |  |" in md
    assert md.splitlines()[0] == "<!-- dice-semimetric table: x - -> y -->"


def test_without_intervals_no_heading_names_them(tmp_path: Path) -> None:
    study(tmp_path, cases=("one",))
    assert run(tmp_path, "evaluate") == 0
    assert "CI" not in (tmp_path / "t.md").read_text() + (tmp_path / "t.tex").read_text()
    assert len(tex_rows((tmp_path / "t.tex").read_text())) == 2


@pytest.mark.parametrize("command", ["evaluate", "agreement", "compare"])
def test_other_names_are_refused_before_any_work(tmp_path: Path, capsys, command: str) -> None:
    study(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine.md").write_text("# notes\n")
    for name, words in (
        ("t.csv", "must be the name of a file that ends in .tex or .md, got"),
        ("t", "must be the name of a file that ends in .tex or .md, got"),
        ("file/t.tex", "file"),
        ("ref/t.md", "must not lie in the folder that is read"),
        ("mine.md", "is there already, and dice-semimetric did not write it"),
    ):
        assert run(tmp_path, command, "--table", str(tmp_path / name)) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / command).exists()
    assert (tmp_path / "mine.md").read_text() == "# notes\n"


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    study(tmp_path)
    assert run(tmp_path, "evaluate", "--table", str(tmp_path / "paper/tables/t.TEX")) == 0
    assert (tmp_path / "paper/tables/t.TEX").read_text().startswith("% dice-semimetric ")
