"""Two images that lie elsewhere: the reason names the part, the unit and what helps."""

from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import CaseError
from dice_semimetric_study.files.geometry import Geometry, require_same_geometry, towards
from nibabel import orientations
from study_files import AFFINE, load, save, study

SHAPE = (20, 24, 6)


def reason(affine: np.ndarray, shape: tuple[int, ...] = SHAPE) -> str:
    with pytest.raises(CaseError) as error:
        require_same_geometry(Geometry(SHAPE, AFFINE), Geometry(shape, affine), "a and b", 1e-3)
    return str(error.value)


def changed(*entries: tuple[int, int, float]) -> np.ndarray:
    affine = AFFINE.copy()
    for row, column, value in entries:
        affine[row, column] = value
    return affine


def turned(order: list[list[int]]) -> Geometry:
    """Return the geometry with axes permuted and flipped, as nibabel does it."""
    transform = np.array(order)
    shape = np.empty(3, int)
    shape[transform[:, 0]] = SHAPE
    affine = AFFINE @ orientations.inv_ornt_aff(transform, SHAPE)
    return Geometry(tuple(int(n) for n in shape), affine)


def test_shift_and_spacing() -> None:
    assert reason(changed((0, 3, 10), (2, 3, -2.5))) == (
        "a and b have different affines: they differ by 10 mm, more than the tolerance of "
        "0.001 mm, since the second is shifted by (10, 0, -2.5) mm"
    )
    text = reason(changed((2, 2, 3.0)))
    assert "the second has a spacing of (0.7, 0.7, 3) mm, not (0.7, 0.7, 2.5) mm" in text
    text = reason(changed((2, 2, 3.0), (1, 3, 4)))
    assert "(0.7, 0.7, 2.5) mm and is shifted by (0, 4, 0) mm" in text
    assert "--" not in text


def test_rotation() -> None:
    c, s = np.cos(np.radians(7)), np.sin(np.radians(7))
    turn = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    text = reason(turn @ AFFINE)
    assert "the second is rotated by 7 degrees" in text
    assert "--" not in text


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([[0, -1], [1, 1], [2, 1]], "has flipped axes (LAS, not RAS)"),
        ([[0, -1], [1, -1], [2, 1]], "has flipped axes (LPS, not RAS)"),
        ([[1, 1], [0, 1], [2, 1]], "different shapes: (20, 24, 6) and (24, 20, 6)"),
        ([[2, 1], [0, 1], [1, -1]], "different shapes: (20, 24, 6) and (24, 6, 20)"),
    ],
)
def test_axes_that_reorienting_mends(order: list[list[int]], words: str) -> None:
    moved = turned(order)
    text = reason(moved.affine, moved.shape)
    assert words in text
    assert text.endswith("; --allow-reorient makes them equal")
    assert "shifted" not in text
    _, back = towards(moved, Geometry(SHAPE, AFFINE))
    assert back.shape == SHAPE
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-12)
    away = moved.affine.copy()
    away[0, 3] += 5
    text = reason(away, moved.shape)
    assert "--allow-reorient" not in text  # it alone does not
    if moved.shape == SHAPE:
        assert "is shifted by (5, 0, 0) mm" in text


def test_another_shape_alone_is_not_a_matter_of_axes() -> None:
    assert reason(AFFINE, (20, 24, 5)).endswith("different shapes: (20, 24, 6) and (20, 24, 5)")
    assert "--allow-reorient" not in reason(AFFINE, (24, 20, 6))


@pytest.mark.parametrize("shift", [0.002, 0.0301])
def test_a_small_difference_names_the_tolerance_that_accepts_it(shift: float) -> None:
    moved = changed((1, 3, shift))
    text = reason(moved)
    assert f"is shifted by (0, {shift:g}, 0) mm" in text
    given = text.split("--affine-tolerance ")[1].split()[0]
    one, other = Geometry(SHAPE, AFFINE), Geometry(SHAPE, moved)
    require_same_geometry(one, other, "a and b", float(given))
    assert float(given) < 2 * shift
    assert "--affine-tolerance" not in reason(changed((1, 3, 0.5)))
    # A little for one voxel is much for a hundred.
    assert "--affine-tolerance" not in reason(changed((0, 1, 0.03)))


def test_any_affine_is_accepted_on_demand() -> None:
    one, other = Geometry(SHAPE, AFFINE), Geometry(SHAPE, 3 * AFFINE)
    require_same_geometry(one, other, "a and b", np.inf)


def test_axes_without_a_direction_are_a_reason_not_a_crash() -> None:
    assert "different affines" in reason(np.zeros((4, 4)))
    assert "different affines" in reason(np.full((4, 4), 1e300))


def test_what_helps_where_a_case_is_read_in_slabs(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path, cases=["a"], shape=SHAPE)
    mask = tmp_path / "mask/a/task01.nii.gz"
    save(mask, np.ones(SHAPE, np.uint8))
    argv = ["evaluate", "--pred", str(pred), "--ref", str(ref), "--mask", str(tmp_path / "mask")]
    argv += ["--no-pictures", "--overwrite", "--out", str(tmp_path / "out")]

    def reason(*options: str) -> str:
        assert main([*argv, *options]) == 1
        return capsys.readouterr().err

    slabs, voxels = ("--slab", "500"), 20 * 24 * 6
    prob, _ = load(pred / "a/task01.nii.gz")
    flipped = turned([[0, -1], [1, 1], [2, 1]])
    save(pred / "a/task01.nii.gz", prob[::-1], flipped.affine)
    assert "flipped axes (LAS, not RAS); --allow-reorient makes them equal\n" in reason()
    text = reason(*slabs)
    assert f"; --allow-reorient makes them equal with --slab {voxels}\n" in text
    text = reason(*slabs, "--allow-reorient")
    assert f"; give --slab {voxels}, since what is read in slabs is not reoriented\n" in text
    assert main([*argv, "--allow-reorient", "--slab", str(voxels)]) == 0
    save(pred / "a/task01.nii.gz", prob)
    save(mask, np.ones((20, 24, 5), np.uint8))
    for options in ((), slabs, (*slabs, "--allow-reorient")):
        text = reason(*options)
        assert "the mask task01.nii.gz have different shapes: (20, 24, 6) and (20, 24, 5)\n" in text
