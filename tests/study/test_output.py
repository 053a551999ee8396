"""Whose files are in a folder of results: what a run replaces, goes on with, and leaves alone."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dice_semimetric_study import UsageError, read_scores
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import Fault
from dice_semimetric_study.files.atomic import Written, is_stream, write_text
from dice_semimetric_study.runs.each import stopped
from dice_semimetric_study.runs.output import MANIFEST, claim
from study_files import study, tree


def fuse(root: Path, method: str, *options: str) -> int:
    out = ["--out", str(root / "out"), "-q"]
    return main(["fuse", str(root / "ref"), "--method", method, *out, *options])


def evaluate(root: Path, *options: str, out: str = "out") -> int:
    sides = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "-q"]
    return main(["evaluate", *sides, "--out", str(root / out), "--resamples", "100", *options])


def test_a_run_replaces_itself(tmp_path: Path) -> None:
    ref, _ = study(tmp_path)
    assert fuse(tmp_path, "weighted") == 0
    whole = tree(tmp_path / "out")
    assert json.loads(whole[MANIFEST])["files"] == sorted({*whole} - {MANIFEST})
    (tmp_path / "out/notes.txt").write_text("mine")
    (tmp_path / "out/.DS_Store").write_text("a Mac's")
    (ref / "case02/task01_seg01.nii.gz").write_bytes(b"")
    assert fuse(tmp_path, "weighted") == 1
    found = tree(tmp_path / "out")
    gone = {*whole} - {*found}
    assert {name.split("-")[0] for name in gone} == {
        "case02/task01.nii.gz",  # not made now, and so no result of this run
        "records/case02_task01",
    }
    assert found["notes.txt"] == b"mine"
    assert ".DS_Store" in found
    assert not (tmp_path / "out/case02").exists()


def test_another_run_is_refused_or_replaced_whole(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    assert fuse(tmp_path, "weighted") == 0
    before = tree(tmp_path / "out")
    assert fuse(tmp_path, "majority") == 2
    text = capsys.readouterr().err
    assert "holds the results of fuse with other options or files: add --overwrite" in text
    assert "--resume" in text
    assert "another --out" in text
    assert evaluate(tmp_path) == 2
    assert "holds the results of fuse: add --overwrite" in capsys.readouterr().err
    assert evaluate(tmp_path, "--resume") == 2
    assert tree(tmp_path / "out") == before
    (tmp_path / "out/notes.txt").write_text("mine")
    assert fuse(tmp_path, "majority", "--resume") == 0
    found = tree(tmp_path / "out")
    assert "raters.csv" not in found
    assert json.loads(found["run.json"])["settings"]["method"] == "majority"
    assert evaluate(tmp_path, "--overwrite") == 0
    assert evaluate(tmp_path, out="fresh") == 0
    found = tree(tmp_path / "out")
    assert found.pop("notes.txt") == b"mine"
    assert found == tree(tmp_path / "fresh")


def test_pictures_and_reports_do_not_make_another_run(tmp_path: Path) -> None:
    study(tmp_path)
    assert evaluate(tmp_path) == 0
    assert evaluate(tmp_path, "--no-pictures", "--jobs", "2") == 0
    assert not (tmp_path / "out/bdice.png").exists()
    report = ["--report", str(tmp_path / "out/report.html")]
    assert evaluate(tmp_path, *report) == 0
    assert evaluate(tmp_path, *report) == 0
    assert evaluate(tmp_path) == 0
    assert not (tmp_path / "out/report.html").exists()  # it showed former tables


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
def test_what_no_run_wrote_is_never_replaced(tmp_path: Path, capsys, more: list[str]) -> None:
    study(tmp_path)
    for name, words in (
        ("cases.csv", "holds cases.csv, which no run of dice-semimetric wrote there"),
        ("files.json", "holds files.json, which no run"),
        ("sub/scan.nii", "holds images that no run of dice-semimetric wrote there, such as sub/"),
        ("sub/SCAN.NII.GZ", "such as sub/SCAN.NII.GZ"),
    ):
        path = tmp_path / name.replace("/", "-") / name
        path.parent.mkdir(parents=True)
        path.write_text("case,patient\n")
        assert evaluate(tmp_path, *more, out=name.replace("/", "-")) == 2
        assert words in capsys.readouterr().err
        assert tree(tmp_path / name.replace("/", "-")) == {name: b"case,patient\n"}
    assert evaluate(tmp_path, *more) == 0
    path = tmp_path / "out/case09/scan.nii.gz"
    path.parent.mkdir()
    path.write_text("")
    assert evaluate(tmp_path, *more) == 2


def test_the_folders_that_are_read(tmp_path: Path, capsys, monkeypatch) -> None:
    study(tmp_path)
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    report = ["--out", "out", "--report"]
    for argv in (
        ["evaluate", "--pred", "pred", "--ref", "ref", "--out", "pred", "--overwrite"],
        ["evaluate", "--pred", "pred", "--ref", "ref", "--out", "ref/x"],
        ["evaluate", "--pred", "pred", "--ref", "ref", "--out", "."],
        ["evaluate", "--pred", "pred", "--ref", "ref", *report, "pred/x.html"],
        ["evaluate", "--pred", "pred", "--ref", "ref", "--out", "out", "--json", "ref/x.json"],
        ["fuse", "ref", "--method", "uniform", "--out", "."],
        ["agreement", "ref", "--out", ".."],
        ["compare", "--pred", "a=pred", "b=pred", "--ref", "ref", "--out", "."],
        ["compare", "--pred", "a=pred", "b=pred", "--ref", "ref", "--out", "pred"],
        ["demo", "--data", "ref", "--pred", "pred", "--out", "pred"],
    ):
        assert main(argv) == 2, argv
        assert "must not lie in" in capsys.readouterr().err
    assert {n: c for n, c in tree(tmp_path).items() if not n.startswith("out/")} == before
    for name in ("a", "b"):
        assert evaluate(tmp_path, out=name) == 0
    before = tree(tmp_path)
    for out in (".", "a"):
        assert main(["compare", "--scores", "a", "b", "--out", out, "--overwrite"]) == 2
        assert "must not lie in" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_a_page_and_a_summary_replace_only_their_like(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    for flag, mine in (("--report", "mine.html"), ("--json", "mine.json")):
        path = tmp_path / mine
        path.write_text("[1]")
        assert evaluate(tmp_path, flag, str(path)) == 2
        assert f"{flag} {path} is there already" in capsys.readouterr().err
        assert path.read_text() == "[1]"
        assert evaluate(tmp_path, flag, str(tmp_path)) == 2
        assert "must be the name of a file" in capsys.readouterr().err
        path.unlink()
        assert evaluate(tmp_path, flag, str(path)) == 0
        assert evaluate(tmp_path, flag, str(path)) == 0
        table = tmp_path / "out/cases.csv"
        content = table.read_bytes()
        assert evaluate(tmp_path, flag, str(table)) == 2
        assert table.read_bytes() == content
    for name in ("new/cases.csv", "new/run.json", "new/files.json", "new/../new/cases.csv"):
        assert evaluate(tmp_path, "--report", str(tmp_path / name), out="new") == 2
        assert "is the name of another result" in capsys.readouterr().err
    assert evaluate(tmp_path, "--report", "-", out="new") == 2
    assert "--report must be the name of a file, got '-'" in capsys.readouterr().err


def test_a_page_and_a_summary_stay_out_of_the_results_of_another_run(
    tmp_path: Path, capsys
) -> None:
    study(tmp_path)
    assert evaluate(tmp_path) == 0
    before = tree(tmp_path / "out")
    for flag, name in (
        ("--json", "summary.json"),
        ("--json", "new/a.json"),
        ("--report", "a.html"),
    ):
        assert evaluate(tmp_path, flag, str(tmp_path / "out" / name), out="other") == 2
        assert "holds the results of another run" in capsys.readouterr().err
    assert tree(tmp_path / "out") == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_summary_goes_into_a_pipe(tmp_path: Path) -> None:
    study(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        content = pool.submit(pipe.read_bytes)
        assert evaluate(tmp_path, "--json", str(pipe)) == 0
        assert content.result() == (tmp_path / "out/summary.json").read_bytes()
    assert pipe.is_fifo()
    assert is_stream(Path("/dev/null"))
    assert is_stream(Path("/dev/stdout"))


def test_a_comparison_of_other_models_replaces_the_first(tmp_path: Path) -> None:
    study(tmp_path)
    argv = ["compare", "--ref", str(tmp_path / "ref"), "--out", str(tmp_path / "out")]
    argv += ["--no-pictures", "-q", "--resamples", "100"]
    pred = str(tmp_path / "pred")
    assert main([*argv, "--pred", f"a={pred}", f"b={pred}"]) == 0
    assert main([*argv, "--pred", f"a={pred}", f"b={pred}"]) == 0
    assert main([*argv, "--pred", f"a={pred}", f"c={pred}"]) == 2
    assert main([*argv, "--pred", f"a={pred}", f"c={pred}", "--overwrite"]) == 0
    assert not (tmp_path / "out/b").exists()
    assert (tmp_path / "out/c/cases.csv").exists()


def test_phantoms(tmp_path: Path) -> None:
    argv = ["phantoms", "--out", str(tmp_path / "out"), "--shape", "16", "16"]
    assert main([*argv, "--cases", "3"]) == 0
    assert main([*argv, "--cases", "3"]) == 0
    assert main([*argv, "--cases", "2"]) == 2
    assert main([*argv, "--cases", "2", "--overwrite"]) == 0
    assert not (tmp_path / "out/raters/case03").exists()


def test_a_run_without_a_result_gives_way(tmp_path: Path) -> None:
    study(tmp_path)
    regions = tmp_path / "r.toml"
    regions.write_text("[regions]\na = [1]\n")
    for path in (tmp_path / "ref").rglob("*seg*"):
        path.rename(path.with_name(path.name.replace("nii", "bak")))
        path.write_bytes(b"")
    assert evaluate(tmp_path) == 1
    for path in (tmp_path / "ref").rglob("*.bak.gz"):
        path.rename(path.with_name(path.name.replace("bak", "nii")))
    assert evaluate(tmp_path, "--bins", "5") == 0


def test_a_stopped_run_is_known(tmp_path: Path) -> None:
    out = tmp_path / "out"
    output = claim(out, "fuse", {}, ["a.nii.gz", "b.nii.gz"])
    write_text(out / "a.nii.gz", "")
    output.close([stopped(1, 2)])
    assert json.loads((out / MANIFEST).read_text())["state"] == "stopped"
    with pytest.raises(UsageError, match="a stopped run: go on with it by --resume"):
        read_scores("model", out)
    with pytest.raises(UsageError, match="other options"):
        claim(out, "fuse", {"seed": 1}, ["a.nii.gz"])
    output = claim(out, "fuse", {}, ["a.nii.gz", "b.nii.gz"])
    Written.note(out / "b.nii.gz")  # by another process
    (out / "b.nii.gz").write_text("")
    output.close([Fault("x", "y", "z")])
    assert sorted(tree(out)) == ["b.nii.gz", MANIFEST]


def test_what_leads_out_of_the_folder_is_not_removed(tmp_path: Path) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    away.mkdir()
    (away / "a.txt").write_text("")
    claim(out, "x", {}, ["in/a.txt", "b.txt"])
    (out / "in").symlink_to(away)
    claim(out, "x", {}, ["b.txt"]).close()
    assert (away / "a.txt").exists()
    (out / MANIFEST).write_text(
        json.dumps({"command": "x", "options": "", "state": "finished", "files": ["../away/a.txt"]})
    )
    with pytest.raises(UsageError, match="which no run"):
        claim(out, "x", {}, ["b.txt"])
