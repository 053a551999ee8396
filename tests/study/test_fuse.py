"""``dice-semimetric fuse`` as a user runs it."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import AFFINE, COMMAND, data_folder, load, masks, save, study

from dice_semimetric import staple


def fuse(folder: Path, out: Path, method: str, *options: str) -> int:
    return main(["fuse", str(folder), "--out", str(out), "--method", method, *options])


def test_majority_and_mean_of_every_case(tmp_path: Path) -> None:
    ref, _ = study(tmp_path, tasks=("task01", "task02"))
    for method in ("majority", "uniform"):
        assert fuse(ref, tmp_path / method, method) == 0
    for number in range(3):
        for index in range(2):
            seen = masks(10 * number + index)
            name = f"case0{number + 1}/task0{index + 1}.nii.gz"
            hard, image = load(tmp_path / "majority" / name)
            np.testing.assert_array_equal(hard, seen.sum(axis=0) >= 2)
            assert hard.dtype == np.uint8
            np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
            soft, image = load(tmp_path / "uniform" / name)
            np.testing.assert_allclose(soft, seen.mean(axis=0), rtol=1e-6)
            assert soft.dtype == np.float32
            np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    assert not list(tmp_path.rglob("raters.csv"))


def test_random_depends_on_seed_and_name_alone(tmp_path: Path) -> None:
    names = [f"case{c:02d}" for c in range(12)]
    ref, _ = study(tmp_path, cases=names)
    runs = {}
    for seed, again in (("0", "a"), ("0", "b"), ("1", "a")):
        out = tmp_path / f"{seed}{again}"
        assert fuse(ref, out, "random", "--seed", seed) == 0
        runs[out.name] = [load(out / n / "task01.nii.gz")[0] for n in names]
    assert all(np.array_equal(a, b) for a, b in zip(runs["0a"], runs["0b"], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(runs["0a"], runs["1a"], strict=True))
    chosen = [
        next(r for r in range(3) if np.array_equal(masks(10 * c)[r], label))
        for c, label in enumerate(runs["0a"])
    ]
    assert set(chosen) == {0, 1, 2}
    (ref / "case00/task01_seg01.nii.gz").unlink()
    assert fuse(ref, tmp_path / "less", "random") == 1
    for c in range(1, 12):
        label = load(tmp_path / "less" / names[c] / "task01.nii.gz")[0]
        np.testing.assert_array_equal(label, runs["0a"][c])


@pytest.mark.parametrize("method", ["weighted", "staple"])
def test_a_terminal_has_what_was_found_of_raters(tmp_path: Path, method: str, capsys: Any) -> None:
    ref, _ = study(tmp_path, tasks=("task01", "task02"))
    assert fuse(ref, tmp_path / "out", method) == 0
    lines = capsys.readouterr().out.splitlines()
    with (tmp_path / "out/raters.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])[3:]
    assert lines[0].split() == ["task", "rater", "cases", *names]
    for line in lines[2:8]:
        task, rater, cases, *means = line.split()
        own = [r for r in rows if (r["task"], r["rater"]) == (task, rater)]
        assert int(cases) == len(own) == 3
        expected = [np.mean([float(r[name]) for r in own]) for name in names]
        np.testing.assert_allclose([float(m) for m in means], expected, atol=6e-5)
    assert lines[8].startswith("6 labels written to")


def test_a_rater_who_did_not_mark_a_case(tmp_path: Path, capsys: Any) -> None:
    """It is a fault, or the case is fused from the others, as the core does with ``present``."""
    ref, _ = study(tmp_path)
    (ref / "case02/task01_seg03.nii.gz").unlink()
    for rater in ("02", "03"):
        (ref / f"case03/task01_seg{rater}.nii.gz").unlink()
    assert fuse(ref, tmp_path / "all", "staple") == 1
    assert "the mask of rater 03 is missing (see --raters)" in capsys.readouterr().err
    assert fuse(ref, tmp_path / "any", "staple", "--raters", "any") == 0
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()[2:5]] == list("321")
    present = np.array([True, True, False])
    expected = staple(masks(10), present=present)
    label, _ = load(tmp_path / "any/case02/task01.nii.gz")
    np.testing.assert_allclose(label, expected, atol=1e-5)
    alone, _ = load(tmp_path / "any/case03/task01.nii.gz")
    np.testing.assert_allclose(alone, masks(20)[0], atol=1e-3)


def test_weights_and_performances_are_written(tmp_path: Path) -> None:
    ref, _ = study(tmp_path)
    tables = {}
    for method in ("weighted", "staple"):
        assert fuse(ref, tmp_path / method, method) == 0
        with (tmp_path / method / "raters.csv").open(encoding="utf-8") as file:
            tables[method] = list(csv.DictReader(file))
        assert [r["rater"] for r in tables[method]] == ["01", "02", "03"] * 3
    for number in range(3):
        seen = masks(10 * number).astype(float)
        hard = seen.sum(axis=0) >= 2
        dice = np.array([2 * (m * hard).sum() / (m.sum() + hard.sum()) for m in seen])
        weight = [float(r["weight"]) for r in tables["weighted"][3 * number : 3 * number + 3]]
        np.testing.assert_allclose(weight, dice / dice.sum(), atol=1e-6)
        label, _ = load(tmp_path / f"weighted/case0{number + 1}/task01.nii.gz")
        np.testing.assert_allclose(
            label, np.tensordot(dice / dice.sum(), seen, 1), rtol=1e-5, atol=1e-6
        )
        prob, _ = load(tmp_path / f"staple/case0{number + 1}/task01.nii.gz")
        for rater in range(3):
            row = tables["staple"][3 * number + rater]
            sensitivity = (prob * seen[rater]).sum() / prob.sum()
            specificity = ((1 - prob) * (1 - seen[rater])).sum() / (1 - prob).sum()
            assert float(row["sensitivity"]) == pytest.approx(sensitivity, abs=1e-4)
            assert float(row["specificity"]) == pytest.approx(specificity, abs=1e-4)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
def test_layouts_and_odd_names(tmp_path: Path, flat: bool, end: str) -> None:
    names = ("case 1", "käse_二", "a,b;'c")
    ref, _ = study(tmp_path, cases=names, flat=flat, end=end)
    assert fuse(ref, tmp_path / "out dir", "uniform") == 0
    for number, name in enumerate(names):
        path = tmp_path / "out dir" / f"{name}{'_' if flat else '/'}task01.nii.gz"
        np.testing.assert_allclose(load(path)[0], masks(10 * number).mean(axis=0), rtol=1e-6)


def test_float_label_maps_other_orders_and_three_axes(tmp_path: Path) -> None:
    seen = masks(5, raters=4, shape=(12, 14, 6))
    kinds = (np.float32, np.uint8, np.int16, np.float64)
    for r, (mask, dtype) in enumerate(zip(seen, kinds, strict=True), start=1):
        order = "C" if r % 2 else "F"
        save(tmp_path / f"in/x/task01_seg{r:02d}.nii.gz", np.asarray(mask, dtype, order=order))
    assert fuse(tmp_path / "in", tmp_path / "out", "uniform") == 0
    label, image = load(tmp_path / "out/x/task01.nii.gz")
    np.testing.assert_array_equal(label, seen.mean(axis=0))
    assert image.header.get_zooms() == pytest.approx((0.7, 0.7, 2.5))


def test_one_structure_of_label_maps_and_a_pattern(tmp_path: Path) -> None:
    seen = masks(6)
    for r, mask in enumerate(seen):
        save(tmp_path / f"in/p1/liver_R{r}.nii.gz", np.where(mask, 5, 2).astype(np.int32))
    options = ["--pattern", "{case}/{task}_R{rater}.nii.gz"]
    assert fuse(tmp_path / "in", tmp_path / "out", "uniform", *options) == 1
    assert fuse(tmp_path / "in", tmp_path / "out", "majority", *options, "--label", "5") == 0
    label, _ = load(tmp_path / "out/p1/liver.nii.gz")
    np.testing.assert_array_equal(label, seen.sum(axis=0) >= 2)


def test_faulty_cases_are_named_and_the_others_fused(tmp_path: Path, capsys) -> None:
    ref, _ = study(tmp_path, cases=[f"case{c}" for c in range(8)])
    (ref / "case1/task01_seg02.nii.gz").write_bytes(b"")
    save(ref / "case2/task01_seg02.nii.gz", np.zeros((20, 23), np.uint8))
    save(ref / "case3/task01_seg03.nii.gz", np.zeros((20, 24), np.uint8), AFFINE * 1.1)
    (ref / "case4/task01_seg01.nii.gz").unlink()
    save(ref / "case5/task01_seg01.nii.gz", np.full((20, 24), 0.5, np.float32))
    save(ref / "case6/image.nii.gz", np.zeros((20, 25), np.int16))
    assert fuse(ref, tmp_path / "out", "majority") == 1
    text = capsys.readouterr()
    assert "2 labels written" in text.out
    for case, words in {
        "case1": "task01_seg02.nii.gz is empty",
        "case2": "different shapes: (20, 24) and (20, 23)",
        "case3": "different affines",
        "case4": "rater 01 is missing",
        "case5": "must hold 0 and 1 only, got values from 0.5 to 0.5",
        "case6": "different shapes: (20, 25) and (20, 24)",
    }.items():
        line = next(t for t in text.err.splitlines() if case in t)
        assert words in line
        assert not (tmp_path / "out" / case).exists()
    assert "Traceback" not in text.err
    assert len(list((tmp_path / "out").rglob("*.nii.gz"))) == 2
    assert fuse(ref, tmp_path / "more", "majority", "--affine-tolerance", "inf") == 1
    assert (tmp_path / "more/case3/task01.nii.gz").is_file()
    assert fuse(ref, tmp_path / "any", "majority", "--raters", "any") == 1
    assert (tmp_path / "any/case4/task01.nii.gz").is_file()


def test_bad_folders_and_options(tmp_path: Path, capsys) -> None:
    ref, _ = study(tmp_path)
    (tmp_path / "file").write_text("in the way")
    for folder, out, words in (
        (ref, tmp_path / "file" / "out", "cannot write to"),
        (ref, tmp_path / "file", "cannot write to"),
        (tmp_path / "absent", tmp_path / "out", "is not a folder"),
        (ref, ref, "must not lie in"),
        (ref, ref / "fused", "must not lie in"),
    ):
        assert fuse(folder, out, "majority") == 2
        assert words in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "in the way"
    for argv in ([], ["fuse"], ["fuse", str(ref), "--out", "x", "--method", "guess"], ["nothing"]):
        assert main(argv) == 2
    assert main(["fuse", "--help"]) == 0
    assert "examples:" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path, capsys) -> None:
    ref, _ = study(tmp_path)
    (tmp_path / "out").mkdir(mode=0o500)
    assert fuse(ref, tmp_path / "out", "majority") == 2
    assert "cannot write to" in capsys.readouterr().err


def test_as_a_process(tmp_path: Path) -> None:
    ref, _ = study(tmp_path)
    (ref / "case02/task01_seg02.nii.gz").write_bytes(b"not an image")
    argv = [*COMMAND, "fuse", str(ref), "--out", str(tmp_path / "out"), "--method", "majority"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1  # the fault; no progress bar where there is no terminal
    assert "case02 task01: task01_seg02.nii.gz is corrupt" in done.stderr
    assert "2 labels written" in done.stdout


def test_killed_while_writing(tmp_path: Path) -> None:
    """The process dies by SIGKILL when the second file's bytes are on the disk but not its name."""
    ref, _ = study(tmp_path)
    out = tmp_path / "out"
    script = (
        "import os, signal, sys\n"
        "sync, calls = os.fsync, []\n"
        "def fsync(fd):\n"
        "    calls.append(fd)\n"
        "    if len(calls) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    sync(fd)\n"
        "os.fsync = fsync\n"
        "from dice_semimetric_study.cli import main\n"
        f"main(['fuse', {str(ref)!r}, '--out', {str(out)!r}, '--method', 'uniform'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -9
    seen = [p for p in out.rglob("*.nii.gz") if p.is_file() and not p.name.startswith(".")]
    assert [p.relative_to(out).as_posix() for p in seen] == ["case01/task01.nii.gz"]
    np.testing.assert_allclose(load(seen[0])[0], masks(0).mean(axis=0), rtol=1e-6)
    assert fuse(ref, out, "uniform") == 0
    assert not list(out.rglob("*.part"))
    assert len(list(out.rglob("*.nii.gz"))) == 3


def test_killed_at_any_moment(tmp_path: Path) -> None:
    ref, _ = study(tmp_path, cases=[f"case{c:02d}" for c in range(60)], shape=(60, 60, 4))
    out = tmp_path / "out"
    argv = [*COMMAND, "fuse", str(ref), "--out", str(out), "--method", "uniform"]
    for wanted in (1, 9):
        run = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None and len(list(out.glob("case*/task01.nii.gz"))) < wanted:
            pass
        run.kill()
        run.wait()
        written = list(out.glob("case*/task01.nii.gz"))
        assert len(written) >= wanted  # it did not end before
        for path in written:
            image = nib.load(path)
            assert np.asanyarray(image.dataobj).shape == (60, 60, 4)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    ref, _ = study(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert fuse(ref, tmp_path / "out", "majority") == 1
    assert capsys.readouterr().err.count("No space left on device") == 3
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


@pytest.mark.parametrize("method", ["majority", "uniform", "weighted", "staple", "random"])
def test_real_volumes_keep_their_geometry(tmp_path: Path, method: str) -> None:
    """Four radiologists on two CT volumes with voxels of 0.7 x 0.7 x 2.5 mm."""
    source = data_folder() / "lidc3d/lidc-nodule3d"
    assert fuse(source, tmp_path, method) == 0
    for case in ("Training/case01", "Training/case02"):
        seen = [load(p) for p in sorted((source / case).glob("task01_seg*.nii.gz"))]
        raters = np.stack([data for data, _ in seen])
        label, image = load(tmp_path / case / "task01.nii.gz")
        assert image.header.get_zooms() == seen[0][1].header.get_zooms()
        np.testing.assert_array_equal(image.affine, seen[0][1].affine)
        votes = raters.sum(axis=0)
        assert label[votes == 0].max() < (1e-3 if method == "staple" else 1e-9)
        assert label[votes == 4].min() > 0.99
        if method == "majority":
            np.testing.assert_array_equal(label, votes > 2)
        elif method == "uniform":
            np.testing.assert_array_equal(label, (votes / 4).astype(np.float32))
        elif method == "random":
            assert any(np.array_equal(label, r) for r in raters)
        else:
            assert np.corrcoef(label.ravel(), votes.ravel())[0, 1] > 0.9
