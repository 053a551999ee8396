"""Layouts that have names, the labels in a dataset.json, folders of raters, and images apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study import Study, UsageError, find_cases, read_regions
from dice_semimetric_study.cli import main
from study_files import load, masks, nnunet_case, rows, save, study, touch

NAMES: dict[str, tuple[list[str], list[str], dict[tuple[str, str], list[str]]]] = {
    "nnunet": (
        ["labelsTr/a_1.nii.gz", "imagesTr/a_1_0000.nii.gz", "imagesTr/a_1_0001.nii.gz"],
        ["a_1.nii.gz"],
        {("a_1", "task01"): []},
    ),
    "msd": (
        ["labelsTr/liver_1.nii.gz", "imagesTr/liver_1.nii.gz", "imagesTs/liver_9.nii.gz"],
        ["liver_1.nii.gz"],
        {("liver_1", "task01"): []},
    ),
    "bids": (
        [
            "sub-01/ses-1/anat/sub-01_ses-1_space-T1w_label-lesion_desc-A_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_space-T1w_label-lesion_desc-B_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
            "sub-02/anat/sub-02_label-lesion_desc-A_mask.nii.gz",
            "sub-02/anat/sub-02_label-lesion_desc-B_mask.nii.gz",
        ],
        [
            "sub-01/sub-01_ses-1_label-lesion_desc-net_probseg.nii.gz",
            "sub-02/sub-02_space-T1w_label-lesion_probseg.nii.gz",
        ],
        {("sub-01_ses-1", "lesion"): ["A", "B"], ("sub-02", "lesion"): ["A", "B"]},
    ),
    "brats": (
        ["BraTS-GLI-1/BraTS-GLI-1-seg.nii.gz", "B_2/B_2_seg.nii.gz", "B_2/B_2_flair.nii.gz"],
        ["BraTS-GLI-1.nii.gz", "B_2/B_2_seg.nii.gz"],
        {("BraTS-GLI-1", "task01"): [], ("B_2", "task01"): []},
    ),
    "qubiq": (
        ["a/task01_seg01.nii.gz", "a/task01_seg02.nii.gz", "a/image.nii.gz"],
        ["a/task01.nii.gz"],
        {("a", "task01"): ["01", "02"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("end", [".nii.gz", ".nrrd", ".png"])
@pytest.mark.parametrize("layout", NAMES)
def test_the_files_of_a_layout(tmp_path: Path, layout: str, end: str) -> None:
    refs, preds, expected = NAMES[layout]
    touch(tmp_path / "r", *(name.replace(".nii.gz", end) for name in refs), "readme.txt")
    touch(tmp_path / "p", *(name.replace(".nii.gz", end) for name in preds))
    pairs, faults = Study(tmp_path / "r", tmp_path / "p", layout=layout).pairs()
    assert not faults
    assert {(p.case, p.task): list(p.reference.masks) for p in pairs} == expected
    assert not any(p.fault for p in pairs)
    images = [p.reference.image for p in pairs]
    assert any(images) == (layout != "bids")


def test_a_pattern_goes_before_the_layout(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.nii.gz", "labelsTr/b.nii.gz")
    (case,) = Study(tmp_path, pattern="x/{case}.nii.gz", layout="nnunet").references()
    assert case.case == "a"


@pytest.mark.parametrize(
    ("labels", "regions", "ignore", "channels"),
    [
        ({"background": 0, "liver": 1, "spleen": 2}, {"liver": (1,), "spleen": (2,)}, (), ()),
        ({"0": "background", "1": "liver", "2": "x"}, {"liver": (1,), "x": (2,)}, (), ()),
        ({"0": "Background", "1": "x", "2": "x"}, {"x": (1, 2)}, (), ()),
        ({"background": "0", "liver": "1"}, {"liver": (1,)}, (), ()),
        (
            {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "et": 3, "ignore": 4},
            {"whole": (1, 2, 3), "core": (2, 3), "et": (3,)},
            (4,),
            ("whole", "core", "et"),
        ),
    ],
)
def test_dataset_json(
    tmp_path: Path, labels: Any, regions: Any, ignore: Any, channels: Any
) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({"labels": labels, "numTraining": 3}))
    found = read_regions(path)
    assert (found.labels, found.ignore, found.channels) == (regions, ignore, channels)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot read the regions in"),
        ("[]", 'must hold "labels"'),
        ('{"labels": {}}', 'must hold "labels"'),
        ('{"labels": {"background": 0}}', "there are no regions"),
        ('{"labels": {"liver": 1.5}}', "region liver in"),
        ('{"labels": {"liver": []}}', "region liver in"),
        ('{"labels": {"liver": true}}', "region liver in"),
        ('{"labels": {"all": 1}}', "cannot have the name all"),
        ('{"labels": ' + "[" * 100_000, "too much is nested"),
    ],
)
def test_a_dataset_json_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_regions(path)


def dataset(root: Path, labels: dict[str, Any]) -> dict[str, np.ndarray]:
    """Write a data set of nnU-Net's with label maps, probabilities and their segmentations."""
    rng = np.random.default_rng(0)
    kept = {}
    for case in ("a", "b"):
        truth = rng.integers(0, 3, (6, 7, 5)).astype(np.uint8)
        save(root / f"data/labelsTr/{case}.nii.gz", truth)
        prob = rng.dirichlet(np.ones(3), truth.shape).astype(np.float32)
        nnunet_case(root / "pred", case, prob)
        save(root / f"pred/{case}.nii.gz", prob.argmax(axis=-1).astype(np.uint8))
        kept[case] = truth
    (root / "data/dataset.json").write_text(json.dumps({"labels": labels}))
    (root / "regions.toml").write_text("[regions]\none = [1]\ntwo = [2]\n")
    return kept


@pytest.mark.parametrize("ref", ["data", "data/labelsTr"])
def test_a_project_of_nnunet_is_scored_by_its_labels(tmp_path: Path, ref: str) -> None:
    dataset(tmp_path, {"background": 0, "one": 1, "two": 2})
    common = ["evaluate", "--pred", str(tmp_path / "pred"), "-q", "--no-pictures", "--ref"]
    for kind in ((), ("--pred-pattern", "{case}.npz")):
        argv = [*common, str(tmp_path / ref), "--layout", "nnunet", *kind]
        assert main([*argv, "--out", str(tmp_path / f"o{len(kind)}")]) == 0
        given = [*common, str(tmp_path / "data/labelsTr"), *kind]
        given += ["--regions", str(tmp_path / "regions.toml")]
        assert main([*given, "--out", str(tmp_path / f"e{len(kind)}")]) == 0
        found = rows(tmp_path / f"o{len(kind)}/cases.csv")
        assert found == rows(tmp_path / f"e{len(kind)}/cases.csv")
        assert {row["task"] for row in found} == {"one", "two"}
    assert main([*argv, "--label", "1", "--out", str(tmp_path / "l")]) == 0
    assert {row["task"] for row in rows(tmp_path / "l/cases.csv")} == {"task01"}


def test_folders_of_raters_are_recognised(tmp_path: Path) -> None:
    from PIL import Image

    seen = {case: masks(number) for number, case in enumerate("ab")}
    for case, raters in seen.items():
        for r, mask in enumerate(raters):
            path = tmp_path / f"ref/Rater_{r}/{case}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask.T.astype(np.uint8) * 255).save(path)
    cases = find_cases(tmp_path / "ref")
    assert [c.case for c in cases] == ["a", "b"]
    assert all(list(c.masks) == [f"Rater_{r}" for r in range(3)] for c in cases)
    argv = ["fuse", str(tmp_path / "ref"), "--method", "uniform", "--scale", "255", "-q"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 0
    for case, raters in seen.items():
        found = load(tmp_path / f"out/{case}/task01.nii.gz")[0]
        np.testing.assert_allclose(found, raters.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        ("rater1/a.nii.gz", "rater1/b.nii.gz"),  # one folder is no proof
        ("train/a.nii.gz", "test/b.nii.gz"),
        ("rater1/a.nii.gz", "rater2/a.nii.gz", "mean/a.nii.gz"),
    ],
)
def test_other_folders_are_parts_of_the_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    cases = find_cases(touch(tmp_path, *names))
    assert {c.case for c in cases} == {name.removesuffix(".nii.gz") for name in names}


def test_images_of_the_page_may_lie_apart(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path, cases=["a", "b"])
    for case in "ab":
        (ref / case / "image.nii.gz").rename(ref / case / "x.tmp")
        data, image = load(pred / case / "task01.nii.gz")
        save(tmp_path / f"scans/{case}_0000.nii.gz", data, image.affine)
    argv = ["evaluate", "--pred", str(pred), "--ref", str(ref), "-q", "--out", str(tmp_path / "o")]
    argv += ["--report", str(tmp_path / "page.html"), "--images", str(tmp_path / "scans")]
    more = ["--image-pattern", "{case}_0000.nii.gz"]
    assert main([*argv, *more]) == 0
    assert "the case has no image" not in (tmp_path / "page.html").read_text()
    (tmp_path / "scans/b_0000.nii.gz").unlink()
    assert main([*argv, *more, "--overwrite"]) == 0
    assert "the case has no image" in (tmp_path / "page.html").read_text()
    save(tmp_path / "scans/b_0000.nii.gz", np.zeros((3, 3)))
    assert main([*argv, *more, "--overwrite"]) == 1
    assert "b_0000.nii.gz and the masks have different shapes" in capsys.readouterr().err
    argv[argv.index("--images") :] = more
    assert main(argv) == 2
    assert "--image-pattern has no use without --images" in capsys.readouterr().err


@pytest.mark.parametrize("slab", ["67108864", "50"])
def test_all_labels_are_scored_if_asked(tmp_path: Path, slab: str, capsys) -> None:
    dataset(tmp_path, {"background": 0})
    (tmp_path / "regions.toml").write_text("[regions]\n1 = [1]\n2 = [2]\n")
    common = ["evaluate", "--pred", str(tmp_path / "pred"), "-q", "--no-pictures", "--slab", slab]
    common += ["--ref", str(tmp_path / "data/labelsTr")]
    for kind in ((), ("--pred-pattern", "{case}.npz")):
        found = []
        for how in (["--label", "all"], ["--regions", str(tmp_path / "regions.toml")]):
            out = tmp_path / f"o{len(found)}{len(kind)}"
            assert main([*common, *kind, *how, "--out", str(out)]) == 0
            found.append(rows(out / "cases.csv"))
        assert found[0] == found[1]
        assert [row["task"] for row in found[0]] == ["1", "2"] * 2
    assert main([*common, "--label", "all", "--ignore", "2", "--out", str(tmp_path / "i")]) == 0
    assert {row["task"] for row in rows(tmp_path / "i/cases.csv")} == {"1"}
    argv = [*common, "--label", "all", "--ignore", "1", "2", "--out", str(tmp_path / "n")]
    assert main(argv) == 2
    assert "--label all finds no label above 0" in capsys.readouterr().err
    argv = ["fuse", str(tmp_path / "data/labelsTr"), "--method", "majority", "--label", "alle"]
    assert main([*argv, "--out", str(tmp_path / "f")]) == 2
    assert "must be an integer, got 'alle'" in capsys.readouterr().err
