"""A stopped run goes on where it was, and nothing stale is ever taken for a result."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cases.layout import CaseFiles
from dice_semimetric_study.cli import main
from dice_semimetric_study.fuse import fuse as fusing
from dice_semimetric_study.runs.records import Done, Input, Records
from dice_semimetric_study.scores import devices
from study_files import COMMAND, load, save, study, tree

NAMES = ("case 1", "käse_二", 'a,"b\n<i>', "x" * 200)


def count_calls(monkeypatch, module: Any, name: str, stop_at: int | None = None) -> list[str]:
    """Note the cases that a function is called for, and stop the run as Ctrl-C does."""
    called: list[str] = []
    function = getattr(module, name)

    def counted(item: Any, **kwargs: Any) -> Any:
        if len(called) == stop_at:
            raise KeyboardInterrupt
        called.append(item.case)
        return function(item, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return called


def run(kind: str, root: Path, out: Path, *options: str) -> int:
    if kind == "fuse":
        return main(
            ["fuse", str(root / "ref"), "--method", "weighted", "--out", str(out), *options]
        )
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref")]
    return main(["evaluate", *files, "--out", str(out), *options])


WORK = {"fuse": (fusing, "_fuse_case"), "evaluate": (devices, "score_files")}


@pytest.mark.parametrize("kind", ["fuse", "evaluate"])
def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch, kind: str, capsys) -> None:
    study(tmp_path, cases=NAMES)
    assert run(kind, tmp_path, tmp_path / "whole") == 0
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        count_calls(patch, *WORK[kind], stop_at=3)
        assert run(kind, tmp_path, out) == 130
    assert "stopped by the user after 3 of 4 cases" in capsys.readouterr().err
    called = count_calls(monkeypatch, *WORK[kind])
    assert run(kind, tmp_path, out, "--resume") == 0
    assert len(called) == 1
    assert "3 of 4 cases are done already" in capsys.readouterr().err
    for name, content in tree(tmp_path / "whole").items():
        if kind == "fuse" and name.startswith("records"):
            continue  # these hold the times of the labels
        assert tree(out)[name] == content, name
    assert run(kind, tmp_path, out, "--resume") == 0
    assert len(called) == 1
    assert run(kind, tmp_path, out) == 0
    assert len(called) == 5


def test_what_has_changed_is_done_again(tmp_path: Path, monkeypatch) -> None:
    ref, pred = study(tmp_path)
    out = tmp_path / "out"
    called = count_calls(monkeypatch, devices, "score_files")

    def again(*options: str) -> list[str]:
        called.clear()
        run("evaluate", tmp_path, out, "--resume", "--no-pictures", *options)
        return list(called)

    everything = ["case01", "case02", "case03"]
    assert again() == everything
    assert again() == []
    assert again("--bins", "5") == everything
    assert again("--affine-tolerance", "inf") == everything
    assert again() == everything
    # Another prediction of the same size, written later.
    path = pred / "case02/task01.nii.gz"
    (tmp_path / "p.nii").write_bytes(b"")
    save(path, np.zeros((20, 24), np.float32))
    assert again() == ["case02"]
    status = (ref / "case03/task01_seg02.nii.gz").stat()
    os.utime(ref / "case03/task01_seg02.nii.gz", ns=(0, status.st_mtime_ns + 1))
    assert again() == ["case03"]
    (ref / "case01/image.nii.gz").unlink()
    assert again() == ["case01"]
    for record in (out / "records").glob("case02*"):
        record.write_text("{" + record.read_text())
    assert again() == ["case02"]
    rows = json.loads((out / "summary.json").read_text())
    assert rows["overall"]["cases"] == {"scored": 3, "faulty": 0}


def test_a_label_that_was_changed_is_made_again(tmp_path: Path, monkeypatch) -> None:
    study(tmp_path)
    out = tmp_path / "out"
    called = count_calls(monkeypatch, fusing, "_fuse_case")
    assert run("fuse", tmp_path, out) == 0
    good = tree(out)
    (out / "case01/task01.nii.gz").unlink()
    (out / "case03/task01.nii.gz").write_bytes(b"something else")
    called.clear()
    assert run("fuse", tmp_path, out, "--resume") == 0
    assert called == ["case01", "case03"]
    assert {k: v for k, v in tree(out).items() if not k.startswith("records")} == {
        k: v for k, v in good.items() if not k.startswith("records")
    }


def test_faulty_cases_are_tried_again(tmp_path: Path, capsys) -> None:
    _, pred = study(tmp_path)
    path = pred / "case02/task01.nii.gz"
    good = path.read_bytes()
    path.write_bytes(good[:-20])
    assert run("evaluate", tmp_path, tmp_path / "out") == 1
    assert run("evaluate", tmp_path, tmp_path / "out", "--resume") == 1
    assert capsys.readouterr().err.count("case02 task01: task01.nii.gz is truncated") == 2
    path.write_bytes(good)
    assert run("evaluate", tmp_path, tmp_path / "out", "--resume") == 0


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Whatever the moment of kill -9, the results in the end are those of one undisturbed run."""
    ref, pred = study(tmp_path, cases=[f"c{i:02d}" for i in range(24)], shape=(40, 40, 8))
    argv = [*COMMAND, "evaluate", "--pred", str(pred), "--ref", str(ref), "--no-pictures"]
    assert subprocess.run([*argv, "--out", str(tmp_path / "whole")], check=False).returncode == 0
    out = tmp_path / "out"
    for wanted in (1, 10, 19):
        process = subprocess.Popen([*argv, "--out", str(out), "--resume"], stderr=-3, stdout=-3)
        while process.poll() is None and len(list(out.glob("records/*.json"))) < wanted:
            time.sleep(0.002)
        process.kill()
        process.wait()
        for record in out.glob("records/*.json"):
            json.loads(record.read_bytes())
    done = subprocess.run(
        [*argv, "--out", str(out), "--resume"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert int(done.stderr.split(" of 24 cases are done")[0]) >= 19
    assert tree(out) == tree(tmp_path / "whole")


def test_records_hold_text_and_numbers_only(tmp_path: Path) -> None:
    study(tmp_path)
    out = tmp_path / "out"
    assert run("evaluate", tmp_path, out) == 0
    kept = list((out / "records").iterdir())
    assert len(kept) == 3
    for path in kept:
        record = json.loads(path.read_bytes())
        assert [len(i["sha256"]) for i in record["inputs"]] == [64] * 5
    item = CaseFiles("a", "b")
    records = Records(out, {"x": (1, 2.5)})
    records.save(item, (), {"y": 1})
    assert records.load(item, lambda v: v) == Done({"y": 1}, ())
    assert Records(out, {"x": (1, 2)}).load(item, lambda v: v) is None
    assert records.load(CaseFiles("a", "c"), lambda v: v) is None
    (stale,) = out.glob("records/a_b-*.json")
    for text in ("", "[]", "null", '{"format": 1}', stale.read_text().replace("1", "2", 1)):
        stale.write_text(text)
        assert records.load(item, lambda v: v) is None


def test_the_run_can_be_checked(tmp_path: Path) -> None:
    import hashlib

    ref, pred = study(tmp_path)
    assert run("evaluate", tmp_path, tmp_path / "out", "--ignore", "9") == 0
    told = json.loads((tmp_path / "out/run.json").read_text())
    assert told["command"] == "evaluate"
    assert told["settings"]["ignore"] == [9]
    assert (told["settings"]["pred"], told["settings"]["ref"]) == (pred.name, ref.name)
    assert {"python", "numpy", "nibabel", "dice-semimetric"} <= set(told["versions"])
    assert [i["case"] for i in told["inputs"]] == ["case01", "case02", "case03"]
    for case in told["inputs"]:
        for file in case["files"]:
            content = (tmp_path / file["path"]).read_bytes()
            assert file["sha256"] == hashlib.sha256(content).hexdigest()
            assert file["size"] == len(content)
    assert len(told["inputs"][0]["files"]) == 5
    assert Input(**told["inputs"][0]["files"][0]).path.startswith("ref/")


def test_records_that_cannot_be_written(tmp_path: Path, monkeypatch, capsys) -> None:
    study(tmp_path)
    out = tmp_path / "out"
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.parent.name == "records":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    assert run("evaluate", tmp_path, out) == 1
    text = capsys.readouterr().err
    assert text.count("the records cannot be written") == 1
    assert "No space left on device" in text
    assert not list((out / "records").iterdir())
    summary = json.loads((out / "summary.json").read_text())
    assert summary["overall"]["cases"]["scored"] == 3


def test_the_label_written_is_what_was_loaded(tmp_path: Path) -> None:
    study(tmp_path)
    assert run("fuse", tmp_path, tmp_path / "out") == 0
    before = load(tmp_path / "out/case01/task01.nii.gz")[0]
    assert run("fuse", tmp_path, tmp_path / "out", "--resume") == 0
    np.testing.assert_array_equal(before, load(tmp_path / "out/case01/task01.nii.gz")[0])


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path, monkeypatch) -> None:
    _, pred = study(tmp_path)
    out = tmp_path / "out"
    called = count_calls(monkeypatch, devices, "score_files")
    assert run("evaluate", tmp_path, out, "--no-pictures") == 0
    path = pred / "case02/task01.nii.gz"
    before = path.stat()
    other = tmp_path / "other.nii.gz"
    content = bytearray(path.read_bytes())
    for replace in (True, False):
        content[4] ^= 1  # of gzip's header: another file of that size
        if replace:
            other.write_bytes(content)
            os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
            other.replace(path)
        else:
            path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        called.clear()
        assert run("evaluate", tmp_path, out, "--no-pictures", "--resume") == 0
        assert called == ["case02"]


def test_a_label_of_the_same_size_and_time_is_made_again(tmp_path: Path, monkeypatch) -> None:
    study(tmp_path)
    out = tmp_path / "out"
    assert run("fuse", tmp_path, out) == 0
    path = out / "case02/task01.nii.gz"
    before, good = path.stat(), path.read_bytes()
    path.write_bytes(bytes(len(good)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run("fuse", tmp_path, out, "--resume") == 0
    assert path.read_bytes() == good


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch, capsys) -> None:
    _, pred = study(tmp_path)
    path = pred / "case02/task01.nii.gz"
    score = devices.score_files

    def change(pair: Any, **how: Any) -> Any:
        found = score(pair, **how)
        if pair.case == "case02":
            path.write_bytes(path.read_bytes())
        return found

    with monkeypatch.context() as patch:
        patch.setattr(devices, "score_files", change)
        assert run("evaluate", tmp_path, tmp_path / "out") == 1
    assert "case02 task01: task01.nii.gz was changed while it was read" in capsys.readouterr().err
    assert run("evaluate", tmp_path, tmp_path / "out", "--resume") == 0
