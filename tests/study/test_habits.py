"""What a command line is expected to do: be quiet, pipe, list, and say how it ended."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dice_semimetric_study.cli import main
from study_files import study


def argv(kind: str, root: Path, out: Path, *options: str) -> list[str]:
    if kind == "fuse":
        return ["fuse", str(root / "ref"), "--method", "weighted", "--out", str(out), *options]
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref")]
    return ["evaluate", *files, "--out", str(out), *options]


@pytest.mark.parametrize("kind", ["fuse", "evaluate"])
def test_quiet_and_verbose(tmp_path: Path, kind: str, capsys) -> None:
    _, _ = study(tmp_path)
    assert main(argv(kind, tmp_path, tmp_path / "out", "--quiet")) == 0
    assert capsys.readouterr() == ("", "")
    assert main(argv(kind, tmp_path, tmp_path / "out", "-v")) == 0
    text = capsys.readouterr()
    assert [line for line in text.err.splitlines() if line.startswith("done: case0")] == [
        f"done: case0{c} task01" for c in (1, 2, 3)
    ]
    assert text.out
    (tmp_path / "ref/case02/task01_seg01.nii.gz").write_bytes(b"")
    assert main(argv(kind, tmp_path, tmp_path / "out", "-q")) == 1
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err == "faulty: case02 task01: task01_seg01.nii.gz is empty\n"
    assert main(argv(kind, tmp_path, tmp_path / "out", "-q", "-v")) == 2


def test_json_goes_through_a_pipe(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    (tmp_path / "pred/case02/task01.nii.gz").unlink()
    out = tmp_path / "out"
    assert main(argv("evaluate", tmp_path, out, "--json", "-")) == 1
    text = capsys.readouterr()
    assert json.loads(text.out) == json.loads((out / "summary.json").read_text())
    assert "there is no prediction" in text.err
    copy = tmp_path / "copy.json"
    assert main(argv("evaluate", tmp_path, out, "--json", str(copy))) == 1
    assert copy.read_bytes() == (out / "summary.json").read_bytes()
    assert "BDice" in capsys.readouterr().out


def test_a_dry_run_lists_and_writes_nothing(tmp_path: Path, capsys) -> None:
    study(tmp_path, cases=("one", "two\nlines", "three"))
    (tmp_path / "pred/three/task01.nii.gz").unlink()
    (tmp_path / "ref/one/task01_seg02.nii.gz").unlink()
    before = sorted(tmp_path.rglob("*"))
    assert main(argv("evaluate", tmp_path, tmp_path / "out", "--dry-run")) == 1
    text = capsys.readouterr()
    (line,) = text.out.splitlines()[2:]
    assert line.startswith("two\\nlines task01")
    assert "two\\nlines/task01.nii.gz" in line
    assert "two\\nlines/task01_seg01.nii.gz, two\\nlines/task01_seg02.nii.gz" in line
    assert "three task01: there is no prediction" in text.err
    assert "one task01: the mask of rater 02 is missing" in text.err
    assert main(argv("fuse", tmp_path, tmp_path / "out", "--dry-run")) == 1
    text = capsys.readouterr()
    assert [t.split()[0] for t in text.out.splitlines()[2:]] == ["three", "two\\nlines"]
    assert main(argv("fuse", tmp_path, tmp_path / "out", "--dry-run", "--raters", "any")) == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["fuse", "evaluate", "demo", "phantoms", "completion"])
def test_every_command_explains_itself(command: str, capsys) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "exit status:" in text
    assert "examples:" in text
    assert f"dice-semimetric {command}" in text.split("examples:")[1]


def completed(words: str, folder: Path) -> list[str]:
    """Return what bash offers for the last of some words."""
    script = (
        f'eval "$1"; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n'
        'COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}\n'
        '_shtab_dice_semimetric; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    source = subprocess.run(
        [sys.executable, "-m", "dice_semimetric_study", "completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    argv = ["bash", "-c", script, "bash", source]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout.split("\n")[:-1]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there")
def test_bash_completes(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    assert completed("dice-semimetric e", tmp_path) == ["evaluate"]
    assert set(completed("dice-semimetric evaluate --re", tmp_path)) == {
        "--ref",
        "--regions",
        "--report",
        "--resamples",
        "--resume",
    }
    assert completed("dice-semimetric fuse x --method s", tmp_path) == ["staple"]
    assert completed("dice-semimetric evaluate --pred a", tmp_path) == ["a folder"]


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_get_every_option(shell: str, capsys) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for word in ("evaluate", "fuse", "regions", "method", "staple"):
        assert word in text
    assert main(["completion", "csh"]) == 2


def test_completion_without_shtab_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'dice-semimetric[study]'" in capsys.readouterr().err


SHARED = "label regions ignore mask mask-pattern slab allow-reorient follow-links raters pattern "
SHARED += "affine-tolerance jobs scheduler resume dry-run quiet verbose out"
MEANS = "patients patient-pattern resamples confidence"


def help_of(command: str, capsys) -> dict[str, str]:
    """Return the help of each option of a command, by its long name."""
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out.split("\nexamples:")[0].split("options:", 1)[1]
    entries = re.split(r"\n  (?=-)", text)[1:]
    found = {}
    for entry in entries:
        name = re.search(r"--([a-z-]+)", entry.splitlines()[0])
        assert name is not None
        found[name[1]] = " ".join(entry.split("\n\n")[0].split())
    return found


def test_studies_share_their_options_and_what_these_mean(capsys) -> None:
    every = {
        name: help_of(name, capsys)
        for name in ("fuse", "agreement", "evaluate", "compare", "calibrate")
    }
    for option in SHARED.split():
        assert len({found[option] for found in every.values()}) == 1, option
    for option in MEANS.split():
        assert len({found[option] for name, found in every.items() if name != "fuse"}) == 1, option
