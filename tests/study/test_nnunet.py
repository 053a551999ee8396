"""``dice-semimetric nnunet``: a data set that counts the raters' votes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import AFFINE, load, masks, organs, save, study, tree


def nnunet(folder: Path, out: Path, *options: str) -> int:
    return main(["nnunet", str(folder), "--out", str(out), *options])


def described(out: Path) -> dict[str, Any]:
    return json.loads((out / "dataset.json").read_text())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "nnUNet_raw/Dataset007_Blobs"


def test_labels_count_votes_and_images_are_links(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path, shape=(20, 24, 3))
    assert nnunet(ref, out) == 0
    shown = capsys.readouterr().out
    assert "3 cases written" in shown
    assert "nnUNetv2_train 7 2d 0 -tr nnUNetTrainerDMLRaters" in shown
    for number in range(3):
        name = f"case0{number + 1}"
        label, image = load(out / f"labelsTr/{name}.nii.gz")
        np.testing.assert_array_equal(label, masks(10 * number, 3, (20, 24, 3)).sum(axis=0))
        assert label.dtype == np.uint8
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
        link = out / f"imagesTr/{name}_0000.nii.gz"
        assert link.is_symlink()
        assert link.resolve() == (ref / name / "image.nii.gz").resolve()
    assert described(out) == {
        "name": "Blobs",
        "channel_names": {"0": "image"},
        "labels": {"background": 0, "task01": [1, 2, 3]},
        "regions_class_order": [3],
        "numTraining": 3,
        "file_ending": ".nii.gz",
        "raters": {"case01": 3, "case02": 3, "case03": 3},
    }


def test_cases_that_lack_raters_share_one_denominator(tmp_path: Path, out: Path) -> None:
    ref, _ = study(tmp_path)
    (ref / "case02/task01_seg03.nii.gz").unlink()
    assert nnunet(ref, out, "--raters", "any") == 0
    whole, _ = load(out / "labelsTr/case01.nii.gz")
    np.testing.assert_array_equal(whole, 2 * masks(0).sum(axis=0))
    lacking, _ = load(out / "labelsTr/case02.nii.gz")
    np.testing.assert_array_equal(lacking, 3 * masks(10)[:2].sum(axis=0))
    found = described(out)
    assert found["labels"]["task01"] == [1, 2, 3, 4, 5, 6]
    assert found["raters"] == {"case01": 3, "case02": 2, "case03": 3}


def test_a_case_that_lacks_a_rater_is_faulty(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path)
    (ref / "case02/task01_seg03.nii.gz").unlink()
    assert nnunet(ref, out) == 1
    assert "case02 task01: the mask of rater 03 is missing" in capsys.readouterr().err
    assert described(out)["numTraining"] == 2
    assert not list(out.rglob("case02*"))


@pytest.mark.parametrize("slab", ["99", "67108864"])
def test_what_does_not_count_has_the_ignore_label(tmp_path: Path, out: Path, slab: str) -> None:
    ref, _ = study(tmp_path)
    marked = masks(0)[0].astype(np.uint8)
    marked[:3] = 255
    save(ref / "case01/task01_seg01.nii.gz", marked)
    assert nnunet(ref, out, "--ignore", "255", "--slab", slab) == 0
    label, _ = load(out / "labelsTr/case01.nii.gz")
    assert np.all(label[:3] == 4)
    np.testing.assert_array_equal(label[3:], masks(0)[:, 3:].sum(axis=0))
    assert described(out)["labels"] == {"background": 0, "task01": [1, 2, 3], "ignore": 4}


def test_a_mask_of_what_counts(tmp_path: Path, out: Path) -> None:
    ref, _ = study(tmp_path)
    kept = np.ones((20, 24), np.uint8)
    kept[:, :5] = 0
    for case in ("case01", "case02", "case03"):
        save(tmp_path / f"kept/{case}.nii.gz", kept)
    assert nnunet(ref, out, "--mask", str(tmp_path / "kept")) == 0
    label, _ = load(out / "labelsTr/case03.nii.gz")
    assert np.all(label[:, :5] == 4)
    assert described(out)["labels"]["ignore"] == 4


def test_one_data_set_for_each_task(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path, tasks=("task01", "task02"), flat=True)
    assert nnunet(ref, out) == 2
    assert "task01, task02, and a data set counts the votes on one" in capsys.readouterr().err
    assert not out.exists()
    assert nnunet(ref, out, "--structure", "task02") == 0
    label, _ = load(out / "labelsTr/case01_task02.nii.gz")
    np.testing.assert_array_equal(label, masks(1).sum(axis=0))
    assert (out / "imagesTr/case01_task02_0000.nii.gz").exists()
    assert nnunet(ref, out.with_name("Dataset008_X"), "--structure", "task3") == 2
    assert "has no task3; it has task01, task02" in capsys.readouterr().err


def test_a_region_of_label_maps(tmp_path: Path, out: Path, capsys) -> None:
    kept = organs(tmp_path)
    for case in kept:
        save(tmp_path / f"ref/{case}/image.nii.gz", np.zeros((14, 12, 8), np.int16))
    toml = ("--regions", str(tmp_path / "organs.toml"))
    assert nnunet(tmp_path / "ref", out, *toml) == 2
    assert "several structures, liver, kidneys" in capsys.readouterr().err
    assert nnunet(tmp_path / "ref", out, *toml, "--structure", "kidneys") == 0
    label, _ = load(out / "labelsTr/a.nii.gz")
    seen, _ = kept["a"]
    expected = np.isin(seen, (2, 3)).sum(axis=0)
    expected[(seen == 9).any(axis=0)] = 3
    np.testing.assert_array_equal(label, expected)
    assert described(out)["labels"] == {"background": 0, "kidneys": [1, 2], "ignore": 3}


@pytest.mark.parametrize("axis", [-1, 0])
def test_channels_of_one_file_are_written_apart(tmp_path: Path, out: Path, axis, capsys) -> None:
    ref, _ = study(tmp_path, shape=(20, 24, 3))
    image = np.random.default_rng(0).normal(0, 900, (2, 20, 24, 3)).astype(np.float32)
    for case in ("case01", "case02", "case03"):
        save(ref / case / "image.nii.gz", np.moveaxis(image, 0, axis))
    assert nnunet(ref, out) == 1
    assert "image.nii.gz has 2 channels, and the data set 1" in capsys.readouterr().err
    assert nnunet(ref, out, "--channels", "T1", "FLAIR", "--overwrite") == 0
    for channel in range(2):
        data, found = load(out / f"imagesTr/case02_000{channel}.nii.gz")
        np.testing.assert_array_equal(data, image[channel])
        np.testing.assert_allclose(found.affine, AFFINE, atol=1e-6)
        assert found.header["cal_max"] == 0
    assert described(out)["channel_names"] == {"0": "T1", "1": "FLAIR"}
    assert load(out / "labelsTr/case02.nii.gz")[0].shape == (20, 24, 3)


def test_channels_in_files_of_another_folder(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path, tasks=("task02",), shape=(20, 24, 3))
    for image in ref.rglob("image.nii.gz"):
        image.unlink()
    scans = tmp_path / "scans"
    for number, case in enumerate(("case01", "case02", "case03")):
        for channel in ("t1", "flair"):
            save(scans / f"{case}_{channel}.nii.gz", np.full((20, 24, 3), number, np.int16))
    (scans / "case03_t1.nii.gz").unlink()
    assert nnunet(ref, out) == 2
    assert "there is no image: expected image.nii.gz beside" in capsys.readouterr().err
    pattern = ("--images", str(scans), "--image-pattern", "{case}_{channel}.nii.gz")
    assert nnunet(ref, out, *pattern, "--channels", "t1", "flair") == 1
    assert "case03 task02: there is no image of channel t1" in capsys.readouterr().err
    link = out / "imagesTr/case02_task02_0001.nii.gz"
    assert link.resolve() == (scans / "case02_flair.nii.gz").resolve()
    assert described(out)["numTraining"] == 2
    assert not list(out.rglob("case03*"))


def test_copies_and_images_that_are_not_compressed(tmp_path: Path, out: Path) -> None:
    ref, _ = study(tmp_path)
    (ref / "case01/image.nii.gz").unlink()
    image = np.arange(480, dtype=np.int16).reshape(20, 24)
    save(ref / "case01/image.nii", image)
    assert nnunet(ref, out, "--copy") == 0
    assert not any(path.is_symlink() for path in out.rglob("*"))
    np.testing.assert_array_equal(load(out / "imagesTr/case01_0000.nii.gz")[0], image)
    copied = (out / "imagesTr/case02_0000.nii.gz").read_bytes()
    assert copied == (ref / "case02/image.nii.gz").read_bytes()


def test_workers_and_resuming_change_nothing(tmp_path: Path, out: Path) -> None:
    ref, _ = study(tmp_path)
    assert nnunet(ref, out, "--jobs", "2") == 0
    first = tree(out / "labelsTr") | {"json": (out / "dataset.json").read_bytes()}
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*.nii.gz")}
    assert nnunet(ref, out, "--resume") == 0
    assert stamps == {p: p.stat().st_mtime_ns for p in out.rglob("*.nii.gz")}
    assert first == tree(out / "labelsTr") | {"json": (out / "dataset.json").read_bytes()}


def test_overwriting_links_by_copies_leaves_the_study_alone(tmp_path: Path, out: Path) -> None:
    ref, _ = study(tmp_path)
    before = tree(ref)
    assert nnunet(ref, out) == 0
    assert nnunet(ref, out, "--copy") == 2
    assert nnunet(ref, out, "--copy", "--overwrite") == 0
    assert nnunet(ref, out, "--overwrite") == 0
    assert tree(ref) == before


def test_dry_run(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path)
    (ref / "case03/image.nii.gz").unlink()
    assert nnunet(ref, out, "--dry-run") == 1
    shown = capsys.readouterr()
    assert "case01 task01  case01/image.nii.gz  case01/task01_seg01.nii.gz, " in shown.out
    assert "case03 task01: there is no image" in shown.err
    assert not out.exists()


@pytest.mark.parametrize("name", ["Blobs", "Dataset7_Blobs", "Dataset000_Blobs", "Dataset007"])
def test_the_name_is_one_that_nnunet_takes(tmp_path: Path, name: str, capsys) -> None:
    ref, _ = study(tmp_path)
    assert nnunet(ref, tmp_path / name) == 2
    assert "must be named DatasetNNN_NAME, NNN from 001 to 999, such as" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("where", ["beside", "nnUNet_preprocessed", "nnUNet_results"])
def test_the_number_is_free(tmp_path: Path, out: Path, where: str, monkeypatch, capsys) -> None:
    ref, _ = study(tmp_path)
    home = out.parent if where == "beside" else tmp_path / where
    (home / "Dataset007_Other").mkdir(parents=True)
    if where != "beside":
        monkeypatch.setenv(where, str(home))
    assert nnunet(ref, out) == 2
    assert "the number 007 belongs to" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("there", ["dataset.json", "imagesTr/case99_0000.nii.gz"])
def test_a_data_set_that_exists_is_refused(tmp_path: Path, out: Path, there: str, capsys) -> None:
    ref, _ = study(tmp_path)
    (out / there).parent.mkdir(parents=True)
    (out / there).write_bytes(b"theirs")
    before = tree(out)
    for more in ((), ("--overwrite",)):
        assert nnunet(ref, out, *more) == 2
        shown = capsys.readouterr().err
        assert there in shown
        assert "choose another --out" in shown
    assert tree(out) == before


def test_one_rater_has_no_votes(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path, raters=1)
    assert nnunet(ref, out) == 2
    assert "no case in" in (shown := capsys.readouterr().err)
    assert "has two raters or more" in shown


def test_labels_must_fit_into_bytes(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path, cases=("a", "b"), raters=17, shape=(8, 8))
    for path in sorted((ref / "b").glob("task01_seg*"))[16:]:
        path.unlink()
    assert nnunet(ref, out, "--raters", "any") == 2
    shown = capsys.readouterr().err
    assert "must not be above 254, and 272 is the least that is a multiple of" in shown
    assert "16, 17" in shown


def test_many_raters(tmp_path: Path, out: Path) -> None:
    for case in ("a", "b"):
        save(tmp_path / f"ref/{case}/image.nii.gz", np.zeros((3, 2), np.int16))
        for rater in range(254):
            save(tmp_path / f"ref/{case}/task01_seg{rater:03d}.nii.gz", np.ones((3, 2), np.uint8))
    assert nnunet(tmp_path / "ref", out) == 0
    assert np.all(load(out / "labelsTr/a.nii.gz")[0] == 254)


def faulty(ref: Path, kind: str) -> None:
    """Make one thing about case01 faulty."""
    case = ref / "case01"
    if kind == "fractions":
        save(case / "task01_seg01.nii.gz", np.full((20, 24), 0.25, np.float32))
    elif kind == "geometry":
        save(case / "task01_seg02.nii.gz", np.zeros((20, 23), np.uint8))
    elif kind == "affine":
        save(case / "task01_seg02.nii.gz", np.zeros((20, 24), np.uint8), np.eye(4))
    elif kind == "image":
        save(case / "image.nii.gz", np.zeros((20, 23), np.int16))
    elif kind == "image affine":
        save(case / "image.nii.gz", np.zeros((20, 24), np.int16), np.eye(4))
    elif kind == "ignored":
        for path in case.glob("task01_seg*"):
            save(path, np.full((20, 24), 255, np.uint8))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("fractions", "task01_seg01.nii.gz must hold 0 and 1 only, got values from 0.25"),
        ("geometry", "different shapes: (20, 24) and (20, 23)"),
        ("affine", "different affines"),
        ("image", "image.nii.gz and the masks have different shapes"),
        ("image affine", "image.nii.gz and the masks have different affines"),
        ("ignored", "no voxel counts: all labels are ignored"),
    ],
)
def test_a_faulty_case_is_left_out(tmp_path: Path, out: Path, kind, expected, capsys) -> None:
    ref, _ = study(tmp_path)
    faulty(ref, kind)
    assert nnunet(ref, out, "--ignore", "255") == 1
    assert expected in capsys.readouterr().err
    assert not list(out.rglob("case01*.nii.gz"))
    assert described(out)["numTraining"] == 2


def test_two_cases_of_one_name(tmp_path: Path, out: Path, capsys) -> None:
    ref, _ = study(tmp_path, cases=("Training/a", "Testing/a"))
    assert nnunet(ref, out) == 2
    assert "Testing/a and Training/a would both be named a" in capsys.readouterr().err


def test_the_data_set_lies_apart_from_the_study(tmp_path: Path, capsys) -> None:
    ref, _ = study(tmp_path)
    assert nnunet(ref, ref / "Dataset001_X") == 2
    assert "must not lie in the folder that is read" in capsys.readouterr().err
