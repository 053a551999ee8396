"""What the values of a map are, in every command: labels, 0 and 1, or probabilities."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cases.values import (
    is_any_of,
    is_binary,
    probability,
    require_labels,
    to_mask,
    whole,
)
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import CaseError
from study_files import AFFINE, load, rows, save

SHAPE = (9, 10, 6)
FLOATS = (np.float32, np.float64)


def save_scaled(path: Path, data: np.ndarray, dtype: type = np.int16) -> np.ndarray:
    """Save a float array under an integer header, and return what it reads back as."""
    image = nib.Nifti1Image(data.astype(np.float64), AFFINE)
    image.set_data_dtype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return load(path)[0]


def test_nibabel_rounds_labels_under_an_integer_header(tmp_path: Path) -> None:
    data = save_scaled(tmp_path / "x.nii.gz", np.arange(6.0).reshape(2, 3))
    assert not np.array_equal(data, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(whole(data), np.arange(6).reshape(2, 3))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("off", [-9e-4, -1e-7, 0, 1e-7, 9e-4])
def test_what_is_nearly_whole_is_a_label(dtype: type, off: float) -> None:
    exact = np.array([-1, 0, 1, 2, 255])
    data = exact.astype(dtype) + dtype(off)
    found = whole(data)
    assert found is not None
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, exact)
    np.testing.assert_array_equal(is_any_of(data, (2, -1)), [True, False, False, True, False])
    assert not is_binary(data)
    assert is_binary(data[1:3])
    np.testing.assert_array_equal(to_mask(data[1:3], "x"), [False, True])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [0.5, 1.002, -0.01, np.nan, np.inf, -np.inf, 3e9])
def test_what_is_not_whole_is_refused_with_its_value(dtype: type, value: float) -> None:
    data = np.array([0, 1, value, 2], dtype)
    assert whole(data) is None
    with pytest.raises(CaseError) as caught:
        require_labels(data, "x.nii", "a map of labels")
    assert str(caught.value) == f"x.nii must be a map of labels, got {dtype(value)!s}"
    with pytest.raises(CaseError, match="x must hold 0 and 1 only, got "):
        to_mask(data, "x")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.int64])
def test_integers_stay_as_they_are(dtype: type) -> None:
    data = np.array([0, 1, 2], dtype)
    assert whole(data) is data
    assert is_binary(data[:2])
    assert not is_binary(data)
    np.testing.assert_array_equal(is_any_of(data, (2, 300, -4)), [False, False, True])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("off", [1e-7, 9e-6])
def test_probabilities_are_clipped_within_rounding(dtype: type, off: float) -> None:
    found = probability(np.array([-off, 0.25, 1 + off], dtype), "x")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [0, 0.25, 1])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.0, 1.00002], "got values from 0.0 to 1.00002"),
        ([-0.00002, 1.0], "got values from -2e-05 to 1.0"),
        ([0.5, np.nan], "got NaN"),
        ([-3.5, 4.25], "from -3.5 to 4.25: scores such as logits need a softmax or a sigmoid"),
        ([0.0, 0.5, 1.0, 255.0], "if 255 marks voxels of the reference not to count, give --"),
        ([0.0, 0.5, 254.5], "to 254.5: give --scale 255 (for predictions --pred-scale 255)"),
        ([0.0, 0.5, 99.5], "to 99.5: give --scale 100 (for"),
        ([0.0, 1.5], "from 0.0 to 1.5"),
        ([0.0, 1.0, 2.0], "to 2.0: for a map of labels see --label and --regions"),
        ([0.0, 7.0], "to 7.0: give --label 7"),
    ],
)
def test_what_is_no_probability_is_refused_with_a_remedy(values: list[float], words: str) -> None:
    with pytest.raises(CaseError) as caught:
        probability(np.array(values), "x")
    assert str(caught.value).startswith("x must hold probabilities from 0 to 1, got ")
    assert words in str(caught.value)
    assert ("--label" in str(caught.value)) == ("--label" in words)


@pytest.mark.parametrize(
    ("values", "words", "label"),
    [
        (np.arange(256), "give --scale 255 (for predictions --pred-scale 255)", False),
        (np.arange(200), "give --scale 255 (for predictions --pred-scale 255)", False),
        ([0, 64, 128, 191, 255], "give --scale 255", False),
        (np.arange(0, 65536, 100), "give --scale 65535", False),
        ([0, 255], "255); for labels give --label 255", True),
        ([0, 1, 2, 255], "for a map of labels see --label", True),
        ([0, 1, 255], "to 255: if 255 marks voxels of the reference not to count, give", False),
        (np.arange(118), "for a map of labels see --label", True),
        ([0, 1000, 14175], "for a map of labels see --label", True),
    ],
)
def test_stored_probabilities_are_no_labels(values: list[int], words: str, label: bool) -> None:
    with pytest.raises(CaseError) as caught:
        probability(np.array(values, np.uint16), "x")
    assert words in str(caught.value)
    assert ("--label" in str(caught.value)) == label
    with pytest.raises(CaseError) as caught:
        probability(np.array(values, np.uint16), "x", part=True)
    assert "see --label" not in str(caught.value)


def raters(root: Path, *, scaled: bool) -> None:
    """Write the label maps of three raters, with a label to ignore, and a prediction and mask."""
    rng = np.random.default_rng(5)
    for case in "ab":
        truth = rng.choice([0, 0, 1, 2, 3], SHAPE)
        maps = {"pred/{}/task01": truth, "inside/{}": rng.random(SHAPE) < 0.8}
        for r in (1, 2, 3):
            maps[f"ref/{{}}/task01_seg0{r}"] = np.where(rng.random(SHAPE) < 0.9, truth, 0)
        for name, data in maps.items():
            path = root / f"{name.format(case)}.nii.gz"
            if scaled:
                save_scaled(path, data)
            else:
                save(path, data.astype(np.uint8))
    (root / "r.toml").write_text("ignore = [3]\n[regions]\none = [1]\ntwo = [2]\n")


@pytest.mark.parametrize(
    ("what", "slab"), [("--label", []), ("--label", ["--slab", "100"]), ("--regions", [])]
)
def test_rounded_label_maps_give_what_exact_ones_give(
    tmp_path: Path, what: str, slab: list[str]
) -> None:
    found: list[list[object]] = []
    for kind in ("exact", "rounded"):
        root = tmp_path / kind
        raters(root, scaled=kind == "rounded")
        option = ["--label", "2", "--ignore", "3"] if what == "--label" else []
        option = option or ["--regions", str(root / "r.toml")]
        more = [*option, "--mask", str(root / "inside"), *slab, "-q"]
        ref, pred = str(root / "ref"), str(root / "pred")
        kernel = ("--method", "kernel", "--bandwidth", "0.1")
        for name, argv in {
            "fused": ["fuse", ref, "--method", "majority"],
            "agreed": ["agreement", ref, "--no-pictures"],
            "scored": ["evaluate", "--pred", pred, "--ref", ref, "--no-pictures"],
            "made": ["calibrate", *kernel, "--fit-pred", pred, "--fit-ref", ref, "--pred", pred],
        }.items():
            assert main([*argv, "--out", str(root / name), *more]) == 0
        maps = sorted(p for p in root.rglob("*.nii.gz") if p.parts[-3] in ("fused", "made"))
        values = [load(p)[0] for p in maps]
        assert all(v.any() for v in values)
        tables = ("agreed/cases.csv", "agreed/pairs.csv", "scored/cases.csv", "scored/raters.csv")
        found.append([[v.tolist() for v in values], *(rows(root / t) for t in tables)])
    assert found[0] == found[1]


def test_rounded_masks_give_what_exact_ones_give(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for r in (1, 2, 3):
        mask = rng.random(SHAPE) < 0.4
        save(tmp_path / f"exact/a/task01_seg0{r}.nii.gz", mask.astype(np.uint8))
        off = np.where(mask, 0.99999994, -1e-9)
        save(tmp_path / f"rounded/a/task01_seg0{r}.nii.gz", off.astype(np.float64))
    for name in ("exact", "rounded"):
        for method in ("majority", "staple"):
            out = str(tmp_path / f"{name}-{method}")
            argv = ["fuse", str(tmp_path / name), "--method", method, "--out", out]
            assert main(argv) == 0
    for method in ("majority", "staple"):
        exact, rounded = (
            load(tmp_path / f"{name}-{method}/a/task01.nii.gz")[0] for name in ("exact", "rounded")
        )
        np.testing.assert_array_equal(exact, rounded)


@pytest.mark.parametrize(
    ("side", "slab"), [("ref", []), ("ref", ["--slab", "100"]), ("inside", ["--slab", "100"])]
)
@pytest.mark.parametrize("command", ["fuse", "agreement", "evaluate", "calibrate"])
def test_fractions_are_refused_where_labels_are_compared(
    tmp_path: Path, capsys, command: str, side: str, slab: list[str]
) -> None:
    raters(tmp_path, scaled=False)
    name = "a/task01_seg02" if side == "ref" else "a"
    data = load(tmp_path / f"{side}/{name}.nii.gz")[0].astype(np.float32)
    data[..., -1] = 0.25  # in the last slab
    save(tmp_path / f"{side}/{name}.nii.gz", data)
    ref, pred = str(tmp_path / "ref"), str(tmp_path / "pred")
    argv = {
        "fuse": [ref, "--method", "uniform"],
        "agreement": [ref],
        "evaluate": ["--pred", pred, "--ref", ref, "--no-pictures"],
        "calibrate": ["--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref],
    }[command]
    argv += ["--method", "temperature"] * (command == "calibrate")
    options = ["--label", "2", "--mask", str(tmp_path / "inside"), *slab]
    assert main([command, *argv, "--out", str(tmp_path / "out"), *options]) == 1
    faults = [t for t in capsys.readouterr().err.splitlines() if t.startswith("faulty: ")]
    expected = {
        "ref": "task01_seg02.nii.gz must be a map of labels for --label 2, got 0.25",
        "inside": "the mask a.nii.gz must be a map of whole numbers, nonzero where voxels count, "
        "got 0.25",
    }[side]
    parts = ["", "in the fit: "] if command == "calibrate" else [""]
    assert set(faults) == {f"faulty: a task01: {part}{expected}" for part in parts}
    assert not (tmp_path / "out/a/task01.nii.gz").exists()


def test_nan_in_a_mask_counts_nowhere_and_is_refused(tmp_path: Path, capsys) -> None:
    raters(tmp_path, scaled=False)
    save(tmp_path / "inside/a.nii.gz", np.full(SHAPE, np.nan, np.float32))
    argv = ["agreement", str(tmp_path / "ref"), "--out", str(tmp_path / "out"), "--label", "2"]
    assert main([*argv, "--mask", str(tmp_path / "inside"), "--no-pictures"]) == 1
    assert "the mask a.nii.gz must be a map of whole numbers" in capsys.readouterr().err
