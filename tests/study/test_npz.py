"""The probabilities that nnU-Net saves beside a segmentation, read by every command."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study import read_volume
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import CaseError
from dice_semimetric_study.files.slabs import read_slabs
from dice_semimetric_study.files.volumes import read_geometry, read_header_of, read_voxels
from study_files import AFFINE, load, nnunet_case, rows, save, study

SHAPE = (7, 6, 5)


def prob_of(rng: np.random.Generator, channels: int, dtype: Any = np.float32) -> np.ndarray:
    return rng.random((*SHAPE, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("channels", [1, 2])
def test_axes_and_geometry(tmp_path: Path, rng, channels: int, fortran: bool, dtype) -> None:
    prob = prob_of(rng, channels, dtype)
    path = nnunet_case(tmp_path, "a", prob, fortran=fortran)
    data, geometry = read_voxels(path)
    np.testing.assert_array_equal(data, prob if channels > 1 else prob[..., 0])
    assert geometry.shape == (SHAPE if channels == 1 else (*SHAPE, 2))
    np.testing.assert_allclose(geometry.affine, AFFINE, atol=1e-6)
    assert read_header_of(path).get_data_shape() == SHAPE


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_slabs(tmp_path: Path, rng, channel: int) -> None:
    prob = prob_of(rng, 3)
    path = nnunet_case(tmp_path, "a", prob)
    found = list(read_slabs(path, 3, 2, channel=channel))
    assert [f.size for f in found] == [84, 84, 42]
    np.testing.assert_array_equal(np.concatenate(found), prob[..., channel].ravel(order="F"))


def test_one_plane(tmp_path: Path, rng) -> None:
    prob = rng.random((9, 4, 2)).astype(np.float32)
    path = nnunet_case(tmp_path, "a", prob)
    assert read_geometry(path).shape == (9, 4, 1, 2)
    np.testing.assert_array_equal(read_voxels(path)[0][:, :, 0], prob)
    found = np.concatenate(list(read_slabs(path, 2, 3, channel=1)))
    np.testing.assert_array_equal(found, prob[..., 1].ravel(order="F"))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Return where a study lies with predictions as NIfTI, and the same as nnU-Net has them."""
    _, pred = study(tmp_path, shape=(20, 24, 3))
    for path in pred.rglob("*.nii.gz"):
        data, _ = load(path)
        name = path.parent.name
        nnunet_case(tmp_path / "sigmoid", name, data[..., None])
        nnunet_case(tmp_path / "softmax", name, np.stack([1 - data, data], -1))
    return tmp_path


def scores(root: Path, pred: str, *options: str) -> list[dict[str, str]]:
    out = root / "out" / "_".join([pred, *options]).replace("/", "_")
    argv = ["evaluate", "--pred", str(root / pred), "--ref", str(root / "ref"), "--out", str(out)]
    assert main([*argv, "--no-pictures", "-q", *options]) == 0
    return rows(out / "cases.csv")


NPZ = ("--pred-pattern", "{case}.npz")


def test_scores_are_those_of_the_same_maps_in_nifti(folders: Path) -> None:
    expected = scores(folders, "pred")
    assert scores(folders, "sigmoid", *NPZ) == expected
    assert scores(folders, "sigmoid", *NPZ, "--slab", "500") == expected
    assert scores(folders, "softmax", *NPZ, "--label", "1") == expected
    assert scores(folders, "softmax", *NPZ, "--label", "1", "--slab", "500") == expected
    toml = folders / "regions.toml"
    toml.write_text("[regions]\ntumour = [1]\n")
    named = scores(folders, "softmax", *NPZ, "--regions", str(toml))
    assert [row | {"task": "task01"} for row in named] == expected


def test_a_label_chooses_the_channel_of_a_nifti_file_too(folders: Path) -> None:
    for path in (folders / "pred").rglob("*.nii.gz"):
        data, _ = load(path)
        both = np.stack([1 - data, data], -1)
        save(folders / "two" / path.relative_to(folders / "pred"), both)
    assert scores(folders, "two", "--label", "1") == scores(folders, "pred")


def test_other_commands_read_them(folders: Path) -> None:
    argv = ["calibrate", "--method", "temperature", "--fit-ref", str(folders / "ref"), "-q"]
    for name, more in (("pred", ()), ("sigmoid", NPZ), ("softmax", (*NPZ, "--label", "1"))):
        pred = str(folders / name)
        out = str(folders / f"{name}-calibrated")
        assert main([*argv, "--fit-pred", pred, "--pred", pred, "--out", out, *more]) == 0
    expected, _ = load(folders / "pred-calibrated/case01/task01.nii.gz")
    for name in ("sigmoid", "softmax"):
        found, image = load(folders / f"{name}-calibrated/case01/task01.nii.gz")
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)


def test_what_is_not_read_names_the_pattern(folders: Path, capsys) -> None:
    argv = ["evaluate", "--pred", str(folders / "sigmoid"), "--ref", str(folders / "ref")]
    assert main([*argv, "--out", str(folders / "out"), "--no-pictures"]) == 0
    shown = capsys.readouterr().err
    assert "3 .npz files beside segmentations; the pattern {case}.npz reads" in shown


def test_several_channels_need_a_choice(folders: Path, capsys) -> None:
    argv = ["evaluate", "--pred", str(folders / "softmax"), "--ref", str(folders / "ref")]
    assert main([*argv, "--out", str(folders / "out"), *NPZ]) == 1
    assert "case01.npz has 2 channels: give --label N" in capsys.readouterr().err
    assert main([*argv, "--out", str(folders / "other"), *NPZ, "--label", "2"]) == 1
    assert "got --label 2" in capsys.readouterr().err


class Trap:
    """Leaves a mark if it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = nnunet_case(tmp_path, "a", np.ones((2, 2, 2, 1), np.float32))
    trap = np.full((1, 2, 2, 2), Trap(tmp_path / "mark"), object)
    np.savez(path, probabilities=trap)
    with pytest.raises(CaseError, match=r"a\.npz holds pickled objects.*not read"):
        read_voxels(path)
    assert not (tmp_path / "mark").exists()


def broken(path: Path, kind: str) -> None:
    """Break one thing about an archive."""
    content = path.read_bytes()
    if kind == "alone":
        path.with_suffix(".nii.gz").unlink()
    elif kind == "shape":
        save(path.with_suffix(".nii.gz"), np.zeros((7, 6, 4), np.uint8))
    elif kind == "transposed":
        save(path.with_suffix(".nii.gz"), np.zeros(SHAPE[::-1], np.uint8))
    elif kind == "key":
        np.savez(path, softmax=np.zeros((1, 5, 6, 7), np.float32))
    elif kind == "integers":
        np.savez(path, probabilities=np.zeros((1, 5, 6, 7), np.int16))
    elif kind == "axes":
        np.savez(path, probabilities=np.zeros((5, 6, 7), np.float32))
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "header":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("probabilities.npy", b"\x93NUMPY\x01\x00v\x00{'descr': 1}")
    elif kind == "claim":
        head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999, 99999, 99999)}"
        with zipfile.ZipFile(path, "w") as archive:
            text = head.ljust(117) + "\n"
            archive.writestr("probabilities.npy", b"\x93NUMPY\x01\x00v\x00" + text.encode())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("alone", r"a\.npz does not tell where its voxels lie: the segmentation a\.nii\.gz"),
        ("shape", r"different shapes: \(7, 6, 5\) and \(7, 6, 4\)"),
        ("transposed", r"different shapes: \(7, 6, 5\) and \(5, 6, 7\)"),
        ("key", r"must hold probabilities\.npy.*--save_probabilities.*holds softmax\.npy"),
        ("integers", r"numbers with a point in the axes \(channel, z, y, x\), got int16"),
        ("axes", r"got float32 of shape \(5, 6, 7\)"),
        ("cut", r"a\.npz is corrupt"),
        ("flipped", r"a\.npz is corrupt"),
        ("empty", r"a\.npz is empty"),
        ("header", r"a\.npz is corrupt"),
        ("claim", r"a\.npz is truncated or corrupt: it claims"),
    ],
)
def test_bad_archives(tmp_path: Path, rng, kind: str, expected: str) -> None:
    path = nnunet_case(tmp_path, "a", prob_of(rng, 1))
    broken(path, kind)
    with pytest.raises(CaseError, match=expected):
        read_voxels(path)


def test_read_volume_has_the_header_of_the_segmentation(tmp_path: Path, rng) -> None:
    prob = prob_of(rng, 1)
    found = read_volume(nnunet_case(tmp_path, "a", prob))
    np.testing.assert_array_equal(found.data, prob[..., 0])
    assert found.header.get_data_shape() == SHAPE
