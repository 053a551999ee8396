"""Labels that occur nowhere, and fused maps that lose what raters marked."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import load, save

SHAPE = (6, 7, 5)
REGIONS = "[regions]\none = [1]\norgan = [11, 12]\n"


def maps(root: Path) -> list[str]:
    """Write label maps of 0, 1 and, in case a alone, 2; return the options for both folders."""
    rng = np.random.default_rng(4)
    for case in "abc":
        truth = rng.choice([0, 0, 1, 2 if case == "a" else 0], SHAPE).astype(np.uint8)
        for r in (1, 2, 3):
            seen = np.where(rng.random(SHAPE) < 0.9, truth, 0).astype(np.uint8)
            save(root / f"ref/{case}/task01_seg0{r}.nii.gz", seen)
        save(root / f"pred/{case}/task01.nii.gz", truth)
    (root / "r.toml").write_text(REGIONS)
    return ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]


def argv_of(command: str, root: Path) -> list[str]:
    files = maps(root)
    ref, pred = files[3], files[1]
    fit = ("--fit-pred", pred, "--fit-ref", ref)
    return {
        "fuse": ["fuse", ref, "--method", "uniform"],
        "agreement": ["agreement", ref, "--no-pictures"],
        "evaluate": ["evaluate", *files],
        "calibrate": ["calibrate", *fit, "--pred", pred, "--ref", ref, "--method", "temperature"],
        "compare": ["compare", "--pred", pred, f"other={pred}", *files[2:]],
    }[command]


def tasks(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["task"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("fuse", ["--slab", "50"]),
        ("agreement", []),
        ("evaluate", ["--slab", "50"]),
        ("evaluate", ["--jobs", "2"]),
    ],
)
def test_a_label_that_no_case_has_is_no_perfect_one(
    tmp_path: Path, capsys, command: str, more: list[str]
) -> None:
    argv = [*argv_of(command, tmp_path), "--label", "7", "--out", str(tmp_path / "out"), *more]
    where = "reference or prediction" if command == "evaluate" else "rater's map"
    then = "its maps are empty" if command == "fuse" else "it gets no score"
    fault = f"faulty: study task01: no {where} of 3 cases has the label 7: {then}; check --label"
    for resume in ([], ["--resume"]):
        assert main([*argv, *resume]) == 1
        printed = capsys.readouterr()
        assert fault in printed.err.splitlines()
        assert "1.0000" not in printed.out
    if command != "fuse":
        assert tasks(tmp_path / "out/cases.csv") == set()


def test_nothing_is_fitted_to_a_label_that_no_reference_has(tmp_path: Path, capsys) -> None:
    argv = argv_of("calibrate", tmp_path)
    assert main([*argv, "--label", "7", "--out", str(tmp_path / "out")]) == 2
    assert "task01 cannot be fitted: no reference of its fit cases has" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.nii.gz"))


def test_models_are_not_compared_by_a_label_that_no_case_has(tmp_path: Path, capsys) -> None:
    argv = argv_of("compare", tmp_path)
    assert main([*argv, "--label", "7", "--out", str(tmp_path / "out")]) == 2
    assert "has no scored case" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fuse", "agreement", "evaluate"])
def test_the_other_regions_are_done(tmp_path: Path, capsys, command: str) -> None:
    argv = [*argv_of(command, tmp_path), "--regions", str(tmp_path / "r.toml")]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 1
    assert "study organ: no " in capsys.readouterr().err
    if command == "fuse":
        assert load(tmp_path / "out/a/task01_one.nii.gz")[0].any()
        return
    assert tasks(tmp_path / "out/cases.csv") == {"one"}
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert [f["task"] for f in summary["faults"]] == ["organ"]
    assert summary["overall"]["patients"] == 3


def test_cases_without_a_label_are_counted_and_named(tmp_path: Path, capsys) -> None:
    for command in ("fuse", "agreement", "evaluate"):
        argv = [*argv_of(command, tmp_path), "--label", "2", "--out", str(tmp_path / command)]
        for more in ([], ["--resume", "-v"]):
            assert main([*argv, *more]) == 0
            lines = capsys.readouterr().err.splitlines()
            where = "reference or prediction" if command == "evaluate" else "rater's map"
            assert f"task01: no {where} of 2 of 3 cases has the label 2" in lines
            named = [f"task01: no {where} of {c} has the label 2" for c in "bc"]
            assert [t in lines for t in named] == [bool(more)] * 2


@pytest.mark.parametrize("side", ["pred", "ref"])
def test_a_label_of_one_side_alone_is_named(tmp_path: Path, capsys, side: str) -> None:
    argv = argv_of("evaluate", tmp_path)
    for path in (tmp_path / side).rglob("*.nii.gz"):
        data, _ = load(path)
        save(path, np.where(data == 1, 3, data).astype(np.float32))
    assert main([*argv, "--label", "1", "--out", str(tmp_path / "out")]) == 0
    name = {"pred": "prediction", "ref": "reference"}[side]
    assert f"task01: no {name} of 3 cases has the label 1" in capsys.readouterr().err


def test_a_floating_map_under_a_label_is_a_label_map(tmp_path: Path, capsys) -> None:
    ones = np.zeros(SHAPE, np.float32)
    ones[:3] = 1
    for side in ("pred", "ref"):
        save(tmp_path / side / "x.nii.gz", ones)
    files = ["--pred", str(tmp_path / "pred"), "--ref", str(tmp_path / "ref"), "--no-pictures"]
    argv = ["evaluate", *files, "--overwrite", "--out", str(tmp_path / "out")]
    assert main([*argv, "--label", "2"]) == 1
    assert "no reference or prediction of 1 case has the label 2" in capsys.readouterr().err
    assert main([*argv, "--label", "1"]) == 0
    save(tmp_path / "pred/x.nii.gz", ones * 2)
    assert main([*argv, "--label", "1"]) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["overall"]["dice"] == 0
    capsys.readouterr()
    save(tmp_path / "pred/x.nii.gz", ones / 2)
    assert main([*argv, "--label", "1"]) == 1
    text = capsys.readouterr().err
    assert "x.nii.gz must be a map of labels for --label 1, got 0.5; if it is the prob" in text
    # What the error says is what works.
    (tmp_path / "r.toml").write_text('channels = ["one"]\n[regions]\none = [1]\n')
    save(tmp_path / "pred/x.nii.gz", ones * 0.75)
    assert main([*argv, "--regions", str(tmp_path / "r.toml")]) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["tasks"]["one"]["dice"] == 1
    assert summary["tasks"]["one"]["ece_soft"] == pytest.approx(0.25)


def test_empty_masks_without_a_label_are_no_fault(tmp_path: Path, capsys) -> None:
    for r in (1, 2):
        save(tmp_path / f"ref/x/task01_seg0{r}.nii.gz", np.zeros(SHAPE, np.uint8))
    argv = ["agreement", str(tmp_path / "ref"), "--out", str(tmp_path / "out"), "--no-pictures"]
    assert main(argv) == 0
    assert capsys.readouterr().err == "task01: no rater's map of 1 case marks anything\n"
    save(tmp_path / "ref/y/task01_seg01.nii.gz", np.ones(SHAPE, np.uint8))
    save(tmp_path / "ref/y/task01_seg02.nii.gz", np.zeros(SHAPE, np.uint8))
    assert main(argv) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("more", [[], ["--slab", "50"]])
@pytest.mark.parametrize("method", ["weighted", "majority", "uniform", "random"])
def test_maps_that_lose_what_raters_marked(
    tmp_path: Path, capsys, method: str, more: list[str]
) -> None:
    """Against an empty majority an empty mask is perfect, and weighs all."""
    marks = {
        "disjoint": (0, 1, None),
        "halves": (0, 0, None, None),
        "kept": (0, 0, None),
        "few": (0, None, None),
    }
    for case, places in marks.items():
        for r, place in enumerate(places):
            mask = np.zeros(SHAPE, np.uint8)
            if place is not None:
                mask[..., place] = 1
            save(tmp_path / f"in/{case}/task01_seg0{r}.nii.gz", mask)
    argv = ["fuse", str(tmp_path / "in"), "--method", method, "--out", str(tmp_path / "out"), *more]
    argv += ["--raters", "any"]
    lost = method in ("weighted", "majority")
    for verbose in ([], ["-v", "--resume"]):
        assert main([*argv, *verbose]) == 0
        text = capsys.readouterr().err
        assert ("2 of 4 fused maps lost what half of the raters or more marked; -v" in text) == lost
        named = [f"marked: {case} task01" in text for case in marks]
        assert named == [lost and bool(verbose)] * 2 + [False] * 2
    found = {case: load(tmp_path / f"out/{case}/task01.nii.gz")[0].any() for case in marks}
    if method != "random":
        assert list(found.values()) == [not lost, not lost, True, method == "uniform"]
