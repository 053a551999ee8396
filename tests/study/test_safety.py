"""Bad input, bad places and bad moments: each fault is named, and what is finished stays."""

import ctypes
import errno
import gzip
import json
import os
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.files import atomic
from dice_semimetric_study.results import plots
from study_files import AFFINE, COMMAND, load, masks, save, study


def argv(kind: str, root: Path, out: Path, *options: str) -> list[str]:
    if kind == "fuse":
        return [
            "fuse",
            str(root / "ref"),
            "--method",
            "uniform",
            "--out",
            str(out),
            "--overwrite",
            *options,
        ]
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    return ["evaluate", *files, "--out", str(out), "--overwrite", *options]


def scored(out: Path) -> int:
    return int(json.loads((out / "summary.json").read_text())["overall"]["cases"]["scored"])


def test_links_that_lead_out_of_the_folder(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path, cases=[f"case{c}" for c in range(1, 6)])
    away = tmp_path / "away"
    away.mkdir()
    (pred / "case1/task01.nii.gz").rename(away / "a.nii.gz")
    (pred / "case1/task01.nii.gz").symlink_to(away / "a.nii.gz")
    (ref / "case2/task01_seg02.nii.gz").rename(away / "b.nii.gz")
    (ref / "case2/task01_seg02.nii.gz").symlink_to("../../away/b.nii.gz")
    (ref / "case3/task01_seg03.nii.gz").rename(ref / "case3/other")
    (ref / "case3/task01_seg03.nii.gz").symlink_to("other")  # stays inside
    (ref / "case4").rename(away / "case4")
    (ref / "case4").symlink_to(away / "case4")
    (ref / "circle").symlink_to(ref)
    assert main(argv("evaluate", tmp_path, tmp_path / "out")) == 1
    text = capsys.readouterr().err
    for words in (
        "case1 task01: task01.nii.gz is a link that leads out of the folder (see --follow-links)",
        "case2 task01: task01_seg02.nii.gz is a link that leads out of the folder",
        "case4: cannot be read: a link to a folder (see --follow-links)",
        "circle: cannot be read: a link to a folder",
    ):
        assert words in text, text
    assert scored(tmp_path / "out") == 2
    assert main(argv("evaluate", tmp_path, tmp_path / "out", "--follow-links")) == 0
    assert scored(tmp_path / "out") == 5
    (pred / "case5/task01.nii.gz").unlink()
    (pred / "case5/task01.nii.gz").symlink_to("task01.nii.gz")
    assert main(argv("evaluate", tmp_path, tmp_path / "out", "--follow-links")) == 1
    assert "case5 task01" in capsys.readouterr().err


def test_labels_are_not_written_through_links(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    out, away = tmp_path / "out", tmp_path / "away"
    away.mkdir()
    (away / "precious").write_text("as it was")
    assert main(argv("fuse", tmp_path, out)) == 0
    for case in ("case01", "case02"):
        (out / case / "task01.nii.gz").unlink()
    (out / "case01/task01.nii.gz").symlink_to(away / "precious")
    (out / "case02").rmdir()
    (out / "case02").symlink_to(away)
    assert main(argv("fuse", tmp_path, out)) == 1
    assert "case02 task01: case02 is a link that leads out of the output" in capsys.readouterr().err
    assert (away / "precious").read_text() == "as it was"
    assert list(away.iterdir()) == [away / "precious"]
    assert not (out / "case01/task01.nii.gz").is_symlink()
    np.testing.assert_allclose(load(out / "case01/task01.nii.gz")[0], masks(0).mean(axis=0))


def test_two_files_for_one_case(tmp_path: Path, capsys) -> None:
    _, pred = study(tmp_path)
    save(pred / "case02/task01.nii", np.zeros((20, 24), np.float32))
    save(pred / "more/case03/task01.nii.gz", np.zeros((20, 24), np.float32))
    assert main(argv("evaluate", tmp_path, tmp_path / "out")) == 1
    text = capsys.readouterr().err
    assert "case02 task01: two files stand for one" in text
    assert "more/case03 task01: there is a prediction but no reference" in text
    assert scored(tmp_path / "out") == 2


def test_negative_spacing(tmp_path: Path, capsys) -> None:
    """Spacing is a length. Where the affine says how voxels lie, it is not needed."""
    _, pred = study(tmp_path, shape=(20, 24, 4))
    assert main(argv("evaluate", tmp_path, tmp_path / "before")) == 0
    path = pred / "case02/task01.nii.gz"
    content = bytearray(nib.load(path).to_bytes())
    content[80:84] = np.float32(-0.7).tobytes()  # pixdim[1]
    path.write_bytes(gzip.compress(bytes(content)))
    capsys.readouterr()
    assert main(argv("evaluate", tmp_path, tmp_path / "out")) == 0
    assert capsys.readouterr().err == ""
    for name in ("cases.csv", "summary.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "before" / name).read_bytes()
    content[252:256] = bytes(4)  # qform_code, sform_code: now nothing but the spacing is left
    path.write_bytes(gzip.compress(bytes(content)))
    assert main(argv("evaluate", tmp_path, tmp_path / "out")) == 1
    assert "case02 task01: task01.nii.gz has a broken header: its spacing is -0.7, " in (
        capsys.readouterr().err
    )
    assert scored(tmp_path / "out") == 2


def test_label_maps_in_floating_dtypes(tmp_path: Path, capsys) -> None:
    seen = masks(4)
    for r, values in enumerate((seen[0] * 5.0, seen[1] * 5.0, np.where(seen[2], 5.0, 0.25)), 1):
        save(tmp_path / f"ref/x/task01_seg0{r}.nii.gz", values)
    save(tmp_path / "pred/x/task01.nii.gz", (seen[0] * 5).astype(np.float32))
    (tmp_path / "r.toml").write_text("[regions]\na = [5]\n")
    options = ["--regions", str(tmp_path / "r.toml")]
    assert main(argv("evaluate", tmp_path, tmp_path / "out", *options)) == 1
    assert "task01_seg03.nii.gz must be a map of labels" in capsys.readouterr().err
    save(tmp_path / "ref/x/task01_seg03.nii.gz", seen[2] * 5.0)
    assert main(argv("evaluate", tmp_path, tmp_path / "out", *options)) == 0
    hard = seen.sum(axis=0) >= 2
    found = json.loads((tmp_path / "out/summary.json").read_text())["overall"]["dice"]
    dice = 2 * (seen[0] & hard).sum() / (seen[0].sum() + hard.sum())
    assert found == pytest.approx(dice, abs=1e-6)


def test_a_header_of_a_million_million_voxels_takes_no_memory(tmp_path: Path) -> None:
    import resource

    _, pred = study(tmp_path)
    content = bytearray(nib.Nifti1Image(np.zeros((20, 24), np.float32), AFFINE).to_bytes())
    content[40:48] = np.array([3, 10000, 10000, 10000], "<i2").tobytes()
    (pred / "case01/task01.nii.gz").unlink()
    (pred / "case01/task01.nii").write_bytes(content)
    for more in ([], ["--slab", "1000"]):

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

        line = [*COMMAND, *argv("evaluate", tmp_path, tmp_path / "out", *more)]
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )
        assert done.returncode == 1
        assert "case01 task01: " in done.stderr
        assert "it claims 4000000000352 bytes" in done.stderr or "shapes" in done.stderr
        assert "MemoryError" not in done.stderr
        assert scored(tmp_path / "out") == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("kind", ["fuse", "evaluate"])
def test_a_disk_that_is_full(tmp_path: Path, kind: str, capsys) -> None:
    ref, _ = study(tmp_path, cases=[f"c{i:02d}" for i in range(40)], shape=(40, 40, 4))
    out = tmp_path / "disk"
    out.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    size = b"size=32k"
    if libc.mount(b"tmpfs", bytes(out), b"tmpfs", 0, size) != 0:
        pytest.skip(f"cannot mount a tmpfs: {os.strerror(ctypes.get_errno())}")
    try:
        assert main(argv(kind, tmp_path, out / "results")) == 1
        text = capsys.readouterr().err
        assert "No space left on device" in text
        assert "Traceback" not in text
        files = [p for p in out.rglob("*") if p.is_file()]
        assert files
        for path in files:
            assert not path.name.endswith(".part")
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".gz":
                assert load(path)[0].shape == (40, 40, 4)
    finally:
        libc.umount2(bytes(out), 2)
    del ref


def stop_at(monkeypatch, name: str, error: BaseException) -> None:
    """Have a file of this name fail to be written."""
    new_part = atomic._new_part

    def full(path: Path) -> Any:
        if path.name == name:
            raise error
        return new_part(path)

    monkeypatch.setattr(atomic, "_new_part", full)


def commands(root: Path) -> dict[str, list[str]]:
    """Return every command over a small study, with its options."""
    ref, pred = study(root, cases=("c1", "c2"))
    means = ["--resamples", "100"]
    for name in "ab":
        argv = ["evaluate", "--pred", pred, "--ref", ref, "--no-pictures", *means]
        assert main([*map(str, argv), "--out", str(root / name)]) == 0
    fit = ["--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref]
    found = {
        "fuse": [ref, "--method", "weighted"],
        "agreement": [ref, *means],
        "evaluate": ["--pred", pred, "--ref", ref, *means],
        "compare": ["--scores", root / "a", root / "b", *means],
        "calibrate": [*fit, "--method", "temperature", *means],
    }
    return {name: [name, *map(str, options), "--resume"] for name, options in found.items()}


@pytest.fixture
def sketches(monkeypatch) -> None:
    """Write pictures without drawing them, which takes a moment."""
    for module, name in (
        ("scores.plots", "plot_thresholds"),
        ("scores.plots", "plot_reliability"),
        ("agree.plots", "plot_agreement"),
        ("compare.plots", "plot_comparison"),
        ("calibrate.report", "plot_change"),
    ):
        found = import_module(f"dice_semimetric_study.{module}")
        monkeypatch.setattr(found, name, lambda *_: None)
    monkeypatch.setattr(plots, "save", lambda _, path: atomic.write_bytes(path, b"png"))


SUMMARY = {"calibrate": "calibration.json", "fuse": "run.json"}


@pytest.mark.usefixtures("sketches")
@pytest.mark.parametrize("command", ["fuse", "agreement", "evaluate", "compare", "calibrate"])
def test_a_disk_that_is_full_at_any_file(tmp_path: Path, monkeypatch, capsys, command: str) -> None:
    out = tmp_path / "out"
    argv = [*commands(tmp_path)[command], "--out", str(out)]
    assert main(argv) == 0
    before = {p: p.read_bytes() for p in out.iterdir() if p.is_file()}
    assert SUMMARY.get(command, "summary.json") in {p.name for p in before}
    for path in before:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            stop_at(patch, path.name, OSError(errno.ENOSPC, "No space left on device"))
            assert main(argv) == 1, path
        (line,) = [t for t in capsys.readouterr().err.splitlines() if "space" in t]
        assert line.startswith("dice-semimetric: cannot write the results: ")
        assert not list(out.rglob("*.part"))
        for one, content in before.items():
            if one.suffix == ".json":
                new, old = json.loads(one.read_bytes()), json.loads(content)
                if isinstance(new, dict):
                    stopped = new.pop("stopped", "not all files are written: ")
                    assert stopped.startswith("not all files are written: ")
                    assert new.pop("state", None) in (None, "finished", "started")
                    assert {*new.pop("files", [])} >= {*old.pop("files", [])}
                    old.pop("state", None)
                assert new == old
            else:
                assert one.read_bytes() == content
    assert main(argv) == 0
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.usefixtures("sketches")
@pytest.mark.parametrize(
    ("command", "table"),
    [
        ("agreement", "pairs.csv"),
        ("evaluate", "raters.json"),
        ("compare", "ranks.csv"),
        ("calibrate", "calibration.csv"),
    ],
)
def test_a_summary_says_that_a_table_was_stopped(
    tmp_path: Path, monkeypatch, capsys, command: str, table: str
) -> None:
    argv = [*commands(tmp_path)[command], "--out", str(tmp_path / "out")]
    summary = tmp_path / "out" / SUMMARY.get(command, "summary.json")
    with monkeypatch.context() as patch:
        stop_at(patch, table, KeyboardInterrupt())
        assert main(argv) == 130
    assert "stopped by the user" in capsys.readouterr().err
    stopped = "not all files are written: stopped by the user"
    assert json.loads(summary.read_text())["stopped"] == stopped
    assert main(argv) == 0
    assert "stopped" not in json.loads(summary.read_text())


@pytest.mark.parametrize("kind", ["fuse", "evaluate"])
def test_an_output_that_cannot_be_written(tmp_path: Path, kind: str, capsys) -> None:
    study(tmp_path)
    (tmp_path / "file").touch()
    assert main(argv(kind, tmp_path, tmp_path / "file")) == 2
    assert main(argv(kind, tmp_path, Path("/proc/nothing"))) == 2
    text = capsys.readouterr().err
    assert text.count("cannot write to") == 2
    assert "Traceback" not in text


def test_names_with_html_newlines_and_what_is_not_unicode(tmp_path: Path, capsys) -> None:
    names = ["<script>alert(1)</script>".replace("/", "_"), "two\nlines", "sp ace", "käse_二"]
    study(tmp_path, cases=names)
    odd = os.fsdecode(b"n\xff")
    for side in ("ref", "pred"):
        (tmp_path / side / "sp ace").rename(tmp_path / side / odd)
    for jobs in ("1", "2"):
        out = tmp_path / f"out{jobs}"
        assert main(argv("evaluate", tmp_path, out, "--jobs", jobs, "-v", "--json", "-")) == 0
        text = capsys.readouterr()
        assert json.loads(text.out)["overall"]["cases"]["scored"] == 4
        assert "done: two\\nlines task01" in text.err
        assert main(argv("evaluate", tmp_path, out, "--resume", "-v")) == 0
        assert "4 of 4 cases are done already" in capsys.readouterr().err
    assert (tmp_path / "out1/cases.csv").read_bytes() == (tmp_path / "out2/cases.csv").read_bytes()


def test_nothing_is_unpickled_and_no_address_is_asked_for() -> None:
    """No module of the adapter reads pickles or opens connections to anywhere by itself."""
    import dice_semimetric_study

    paths = list(Path(dice_semimetric_study.__file__).parent.rglob("*.py"))
    assert len(paths) > 20
    for path in paths:
        source = path.read_text(encoding="utf-8")
        for word in ("pickle", "marshal", "shelve", "urllib", "socket", "requests", "http."):
            assert f"import {word}" not in source, (path.name, word)
            assert f"from {word}" not in source, (path.name, word)
        assert "allow_pickle" not in source
