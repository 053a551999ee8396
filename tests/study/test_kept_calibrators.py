"""Calibrators that ``dice-semimetric calibrate`` keeps, and applies to other predictions."""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import load, organs, study, tree

from dice_semimetric import KernelCalibrator, TemperatureScaling, VectorScaling

METHODS = {"kernel": KernelCalibrator, "temperature": TemperatureScaling, "vector": VectorScaling}


def fit(root: Path, out: Path, method: str, *options: str) -> int:
    ref, pred = str(root / "ref"), str(root / "pred")
    folders = ["--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref]
    return main(["calibrate", *folders, "--out", str(out), "--method", method, *options])


def apply(root: Path, out: Path, files: list[Path], *options: str) -> int:
    argv = ["--pred", str(root / "pred"), "--out", str(out), "-q", *options]
    return main(["calibrate", *argv, "--calibrator", *map(str, files)])


def kept_in(out: Path) -> list[Path]:
    return sorted(out.glob("*.calibrator.npz"))


def summary(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    return found


def maps(out: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(out).items() if name.endswith(".nii.gz")}


def of_logits(method: str, prob: np.ndarray) -> np.ndarray:
    """Return what the calibrator of a method is given of probabilities, as (n, 1)."""
    p = prob.astype(float).reshape(-1, 1)
    return p if method == "kernel" else np.log(p) - np.log1p(-p)


@pytest.mark.parametrize("method", METHODS)
def test_a_kept_calibrator_does_the_same_again(tmp_path: Path, method: str) -> None:
    study(tmp_path)
    out, again = tmp_path / "out", tmp_path / "again"
    assert fit(tmp_path, out, method) == 0
    (file,) = kept_in(out)
    assert file.name == "task01.calibrator.npz"
    described = [{"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}]
    assert summary(out)["calibrators"] == described
    assert file.name in json.loads((out / "files.json").read_text())["files"]
    assert apply(tmp_path, again, [file], "--ref", str(tmp_path / "ref")) == 0
    assert maps(again) == maps(out) != {}
    first, second = summary(out), summary(again)
    assert second["pred"] == first["pred"]
    assert second["tasks"] == first["tasks"]
    assert second["calibrators"] == described
    assert "fit" not in second
    assert json.loads((again / "run.json").read_text())["settings"]["calibrators"] == described
    assert not kept_in(again)  # it stays where it is
    assert not (again / "reliability-fit.png").exists()


@pytest.mark.parametrize("method", METHODS)
def test_python_reads_it(tmp_path: Path, method: str) -> None:
    study(tmp_path)
    assert fit(tmp_path, tmp_path / "out", method) == 0
    fitted = METHODS[method].load(tmp_path / "out/task01.calibrator.npz")
    for path in sorted((tmp_path / "pred").rglob("*.nii.gz")):
        old, new = load(path)[0], load(tmp_path / "out" / path.parent.name / path.name)[0]
        some = (old > 0.01) & (old < 1)
        expected = fitted.predict_proba(of_logits(method, old[some]))[:, 0]
        np.testing.assert_allclose(new[some], expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_one_saved_in_python_is_applied_as_it_is(tmp_path: Path, method: str, capsys) -> None:
    study(tmp_path, tasks=("task01", "task02"))
    rng = np.random.default_rng(0)
    prob = rng.uniform(0.001, 0.999, (200, 1))
    given = of_logits(method, prob)
    fitted = METHODS[method]().fit(given, (rng.random(200) < prob[:, 0] ** 2).astype(int))
    fitted.save(tmp_path / "mine.npz")
    assert apply(tmp_path, tmp_path / "out", [tmp_path / "mine.npz"]) == 0
    for path in sorted((tmp_path / "pred").rglob("*.nii.gz")):
        old, new = load(path)[0], load(tmp_path / "out" / path.parent.name / path.name)[0]
        some = (old > 0) & (old < 1)  # what is below the floor of a fit too
        expected = fitted.predict_proba(of_logits(method, old[some]))[:, 0]
        np.testing.assert_allclose(new[some], expected, atol=1e-5)
        assert not new[old == 0].any()
    assert sorted(summary(tmp_path / "out")["tasks"]) == ["task01", "task02"]
    assert fit(tmp_path, tmp_path / "kept", method) == 0
    files = [tmp_path / "mine.npz", *kept_in(tmp_path / "kept")]
    assert apply(tmp_path, tmp_path / "both", files) == 2
    assert "mine.npz names no task or region; give it alone" in capsys.readouterr().err


def test_without_references_there_are_maps_and_no_scores(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    assert fit(tmp_path, tmp_path / "out", "vector", "-q") == 0
    argv = ["--pred", str(tmp_path / "pred"), "--out", str(tmp_path / "new")]
    files = ["--calibrator", str(tmp_path / "out/task01.calibrator.npz")]
    assert main(["calibrate", *argv, *files]) == 0
    assert capsys.readouterr() == (f"3 maps written\nresults in {tmp_path / 'new'}\n", "")
    assert maps(tmp_path / "new") == maps(tmp_path / "out")
    made = {p.name for p in (tmp_path / "new").iterdir() if p.is_file()}
    assert made == {"calibration.json", "files.json", "run.json"}


def test_tasks_of_flat_folders_jobs_and_what_is_not_calibrated(tmp_path: Path, capsys) -> None:
    study(tmp_path, tasks=("task01", "task02"), flat=True)
    assert fit(tmp_path, tmp_path / "out", "temperature") == 0
    assert [p.name[:6] for p in kept_in(tmp_path / "out")] == ["task01", "task02"]
    assert apply(tmp_path, tmp_path / "new", kept_in(tmp_path / "out"), "--jobs", "2") == 0
    assert maps(tmp_path / "new") == maps(tmp_path / "out")
    capsys.readouterr()
    assert apply(tmp_path, tmp_path / "one", kept_in(tmp_path / "out")[1:]) == 1
    text = capsys.readouterr().err
    assert "case02 task01: no calibrator was fitted to task01, only to task02" in text
    assert len(maps(tmp_path / "one")) == 3


def test_another_calibrator_does_all_again(tmp_path: Path) -> None:
    study(tmp_path)
    for method in ("vector", "temperature"):
        assert fit(tmp_path, tmp_path / method, method) == 0
    new = tmp_path / "new"
    assert apply(tmp_path, new, kept_in(tmp_path / "vector")) == 0
    made = maps(new)
    times = {p: p.stat().st_mtime_ns for p in new.rglob("*.nii.gz")}
    assert apply(tmp_path, new, kept_in(tmp_path / "vector"), "--resume") == 0
    assert {p: p.stat().st_mtime_ns for p in new.rglob("*.nii.gz")} == times
    other = kept_in(tmp_path / "temperature")
    assert apply(tmp_path, new, other) == 2
    assert maps(new) == made
    assert apply(tmp_path, new, other, "--resume") == 0
    assert maps(new) == maps(tmp_path / "temperature") != made


@pytest.mark.parametrize("flat", [False, True])
def test_it_is_no_case_of_later_commands(tmp_path: Path, flat: bool, capsys) -> None:
    study(tmp_path, flat=flat)
    out = tmp_path / "out"
    assert fit(tmp_path, out, "kernel") == 0
    mark = "_" if flat else "/"
    for number, (pattern, status) in enumerate(
        {"": 0, f"{{case}}{mark}{{task}}": 0, f"{{case}}{mark}{{task}}.nii": 2, "{case}": 1}.items()
    ):
        options = ["--pred-pattern", pattern] if pattern else []
        argv = ["--pred", str(out), "--ref", str(tmp_path / "ref"), "--no-pictures", *options]
        capsys.readouterr()
        assert main(["evaluate", *argv, "--out", str(tmp_path / f"scores{number}")]) == status
        text = capsys.readouterr().err
        assert "calibrator" not in text
        assert ".npz" not in text
        assert text == "" or status
    argv = ["--pred", str(out), "--out", str(tmp_path / "x"), "--pred-pattern", "{case}.npz"]
    assert main(["calibrate", *argv, "--calibrator", str(out / "task01.calibrator.npz")]) == 2
    assert "no case in" in capsys.readouterr().err


def test_regions_are_told_apart(tmp_path: Path, capsys) -> None:
    organs(tmp_path)
    (tmp_path / "soft").rename(tmp_path / "pred")
    out, options = tmp_path / "out", ("--regions", str(tmp_path / "channels.toml"))
    assert fit(tmp_path, out, "vector", *options) == 0
    files = kept_in(out)
    assert [f.name for f in files] == ["kidneys.calibrator.npz", "liver.calibrator.npz"]
    ref = ("--ref", str(tmp_path / "ref"))
    assert apply(tmp_path, tmp_path / "new", files, *ref, *options) == 0
    assert maps(tmp_path / "new") == maps(out)
    assert len(maps(out)) == 4
    capsys.readouterr()
    refused = tmp_path / "refused"
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "channels.toml").read_text().replace("[2, 3]", "[2]"))
    (tmp_path / "fewer.toml").write_text("channels = [0, 2, 3, 5]\n[regions]\nliver = [5]\n")
    VectorScaling().fit(np.ones((4, 1)), np.array([0, 1, 1, 1])).save(tmp_path / "mine.npz")
    for given, regions, words in (
        (files[1:], tmp_path / "channels.toml", "there is none of kidneys, only of liver"),
        (files, other, "was fitted to labels [2, 3] of kidneys, which has [2] now"),
        (files, None, "there is none of task01, only of kidneys, liver"),
        ([*files, files[0]], other, "are both for kidneys; give one of them"),
        ([tmp_path / "mine.npz"], other, "mine.npz names no region, and there are 2"),
    ):
        more = () if regions is None else ("--regions", str(regions))
        assert apply(tmp_path, refused, given, *more) == 2
        assert words in capsys.readouterr().err
        assert not refused.exists()
    assert apply(tmp_path, tmp_path / "f", files, "--regions", str(tmp_path / "fewer.toml")) == 0
    assert len(maps(tmp_path / "f")) == 2
    one = ("--regions", str(tmp_path / "fewer.toml"))
    assert apply(tmp_path, tmp_path / "m", [tmp_path / "mine.npz"], *one) == 0


def test_a_label_is_told_apart(tmp_path: Path, capsys) -> None:
    organs(tmp_path)
    (tmp_path / "soft").rename(tmp_path / "pred")
    options = ("--label", "2", "--ignore", "9")
    assert fit(tmp_path, tmp_path / "out", "temperature", *options) == 0
    files = kept_in(tmp_path / "out")
    assert apply(tmp_path, tmp_path / "new", files, "--label", "2") == 0
    assert apply(tmp_path, tmp_path / "other", files, "--label", "3") == 2
    assert "was fitted to labels [2] of task01, which has [3] now" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["kernel", "vector"])
def test_channels_of_a_plane(tmp_path: Path, method: str) -> None:
    """As if the plane were a volume of one slice, whether a reference tells its axes or not."""
    for name, shape in (("plane", (14, 12)), ("volume", (14, 12, 1))):
        root = tmp_path / name
        organs(root, shape=shape)
        (root / "soft").rename(root / "pred")
        options = ("--regions", str(root / "channels.toml"))
        assert fit(root, root / "out", method, *options) == 0
        assert len(maps(root / "out")) == 4
        assert load(root / "out/a/task01_liver.nii.gz")[0].shape == (14, 12)
        files = kept_in(root / "out")
        assert apply(root, root / "lone", files, *options) == 0
        assert apply(root, root / "both", files, *options, "--ref", str(root / "ref")) == 0
        assert maps(root / "both") == maps(root / "out")
        seen = load(root / "ref/a/task01_seg01.nii.gz")[0].reshape(14, 12)
        for region in ("liver", "kidneys"):
            lone, both = (load(root / f"{o}/a/task01_{region}.nii.gz")[0] for o in ("lone", "out"))
            np.testing.assert_allclose(both, np.where(seen == 9, 0, lone), atol=1e-6)
        (root / "one.toml").write_text("channels = [0, 2, 3, 5]\n[regions]\nliver = [5]\n")
        TemperatureScaling().fit(np.ones((4, 1)), np.array([0, 1, 1, 1])).save(root / "mine.npz")
        one = ("--regions", str(root / "one.toml"), "--ref", str(root / "ref"))
        assert apply(root, root / "mine", [root / "mine.npz"], *one) == 0
        assert len(maps(root / "mine")) == 2
    for of, to in (("plane", "volume"), ("volume", "plane")):  # what the references say comes first
        files, root = kept_in(tmp_path / of / "out"), tmp_path / to
        more = ("--regions", str(root / "channels.toml"), "--ref", str(root / "ref"))
        assert apply(root, root / "others", files, *more) == 0
        assert maps(root / "others") == maps(root / "out")
    first, second = (maps(tmp_path / name / "out") for name in ("plane", "volume"))
    assert first == second


def damaged(root: Path, good: Path) -> dict[str, str]:
    """Write files that are no calibrators, and return what is said of each."""
    content = good.read_bytes()
    (root / "empty.npz").write_bytes(b"")
    (root / "short.npz").write_bytes(content[:300])
    (root / "flipped.npz").write_bytes(content[:400] + b"\0\1" + content[402:])
    (root / "pickle.npz").write_bytes(pickle.dumps({"temperature": 2.0}))
    np.savez(root / "objects.npz", header=np.array({"a": 1}, dtype=object))
    np.savez(root / "network.npz", probabilities=np.zeros((2, 1, 3, 3), np.float32))
    np.save(root / "array.npy", np.zeros(3))
    (root / "link.npz").symlink_to("nowhere.npz")
    os.mkfifo(root / "pipe.npz")
    logits = np.random.default_rng(0).normal(size=(50, 3))
    TemperatureScaling().fit(logits, np.arange(50) % 3).save(root / "three.npz")
    with np.load(good) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    note = header["structure"]
    for name, change in {
        "other": {"class": "Another"},
        "later": {"version": 2},
        "note": {"structure": note | {"floor": 3}},
        "nameless": {"structure": note | {"name": ""}},
        "axes": {"structure": note | {"axes": float("inf")}},
        "list": {"structure": [1]},
    }.items():
        np.savez(root / f"{name}.npz", header=np.array(json.dumps(header | change)), **arrays)
    no = "holds no calibrator of dice_semimetric"
    return {
        "none.npz": "is not there",
        ".": "is a folder, not a file",
        "pipe.npz": "is a named pipe, not a file",
        "link.npz": "is a link to a file that is not there",
        "array.npy": "must end with .npz or .safetensors",
        "pickle.npz": "it has a pickle; pickles are never loaded",
        "objects.npz": "it has a pickle; pickles are never loaded",
        **dict.fromkeys(("empty.npz", "short.npz", "flipped.npz", "network.npz"), no),
        "three.npz": "was fitted to 3 classes, and a map holds the probability of one",
        "other.npz": "holds a Another, not one of KernelCalibrator, TemperatureScaling, Vector",
        "later.npz": "is of format version 2",
        **dict.fromkeys(
            ("note.npz", "nameless.npz", "axes.npz", "list.npz"), "its note does not fit"
        ),
    }


def test_files_that_cannot_be_applied_change_nothing(tmp_path: Path, capsys) -> None:
    study(tmp_path, cases=("case01",))
    out = tmp_path / "out"
    assert fit(tmp_path, out, "temperature") == 0
    before = tree(out)
    capsys.readouterr()
    for name, words in damaged(tmp_path, out / "task01.calibrator.npz").items():
        for where in (out, tmp_path / "new"):
            assert apply(tmp_path, where, [tmp_path / name], "--overwrite") == 2
            text = capsys.readouterr().err
            assert words in text, (name, text)
            assert str(tmp_path / name) in text
            assert text.count("\n") == 1
        assert apply(tmp_path, tmp_path / "new", [tmp_path / name], "--dry-run") == 2
        assert words in capsys.readouterr().err
    assert tree(out) == before
    assert not (tmp_path / "new").exists()
    assert apply(tmp_path, out, kept_in(out), "--overwrite") == 2
    assert "must not lie in the output" in capsys.readouterr().err
    assert tree(out) == before


def test_a_file_that_no_run_wrote_stays(tmp_path: Path, capsys) -> None:
    study(tmp_path, cases=("case01",))
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out/task01.calibrator.npz"
    mine.write_bytes(b"mine")
    assert fit(tmp_path, tmp_path / "out", "vector", "--overwrite") == 2
    assert "task01.calibrator.npz, which no run of dice-semimetric wrote" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "kernel"], "not allowed with argument"),
        (["--fit-pred", "x"], "--fit-pred has no use without --method"),
        (["--fit-ref", "x"], "--fit-ref has no use without --method"),
        (["--target", "mean"], "--target has no use without --method"),
        (["--seed", "0"], "--seed has no use without --method"),
        (["--keys", "9"], "--keys has no use without --method kernel"),
        (["--bandwidth", "auto"], "--bandwidth has no use without --method kernel"),
    ],
)
def test_options_of_the_fit_are_refused(
    tmp_path: Path, options: list[str], words: str, capsys
) -> None:
    study(tmp_path, cases=("case01",))
    assert apply(tmp_path, tmp_path / "out", [tmp_path / "any.npz"], *options) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_method_needs_cases_to_fit_to(tmp_path: Path, capsys) -> None:
    study(tmp_path, cases=("case01",))
    argv = ["calibrate", "--pred", str(tmp_path / "pred"), "--out", str(tmp_path / "out")]
    assert main(argv) == 2
    assert "one of the arguments --method --calibrator is required" in capsys.readouterr().err
    assert main([*argv, "--method", "vector", "--fit-pred", "x"]) == 2
    assert "--method needs --fit-pred and --fit-ref" in capsys.readouterr().err


def test_it_lists_what_would_be_calibrated(tmp_path: Path, capsys) -> None:
    study(tmp_path, cases=("case01",))
    assert fit(tmp_path, tmp_path / "out", "vector") == 0
    capsys.readouterr()
    assert apply(tmp_path, tmp_path / "new", kept_in(tmp_path / "out"), "--dry-run") == 0
    assert "case01/task01.nii.gz" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()
