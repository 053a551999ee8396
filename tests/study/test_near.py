"""The ECE near marks: over the pixels of a box that is the same for every prediction."""

import json
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study import score_case
from dice_semimetric_study.cases.near import box_around, within
from dice_semimetric_study.scores.options import Options
from study_files import case_rows, ece, load, masks, near_marks, organs, save, study

from dice_semimetric import expected_calibration_error


@pytest.mark.parametrize("shape", [(30, 34), (20, 24, 30)])
@pytest.mark.parametrize(
    ("how", "margin"),
    [((), 5), ((), 100), (("--slab", "700"), 2), (("--slab", "1"), 0), (("--bins", "150"), 5)],
)
def test_it_is_that_of_a_box_around_all_marks(
    tmp_path: Path, shape: tuple[int, ...], how: tuple[str, ...], margin: int
) -> None:
    study(tmp_path, cases=("case01", "case02"), shape=shape)
    options = (*how, *(("--margin", str(margin)) if margin != 5 else ()))
    bins = 150 if "--bins" in how else 10
    for case, row in enumerate(case_rows(tmp_path, *options)):
        p, _ = load(tmp_path / f"pred/{row['case']}/task01.nii.gz")
        seen = masks(10 * case, 3, shape)
        near = near_marks(seen, margin)
        assert near.all() == (margin == 100)
        expected = ece(p[near], seen.mean(axis=0)[near], bins)
        assert row["ece_near"] == pytest.approx(expected, abs=1e-6)
    raters = json.loads((tmp_path / "out/raters.json").read_text())
    alone = [ece(p[near], mask[near], bins) for mask in seen]  # of the last case
    assert [r["ece_near"] for r in raters[-3:]] == pytest.approx(alone, abs=1e-6)


def test_a_floor_in_the_prediction_changes_no_pixel_of_it(tmp_path: Path) -> None:
    study(tmp_path, shape=(60, 64))
    before = case_rows(tmp_path)
    for row in before:
        path = tmp_path / f"pred/{row['case']}/task01.nii.gz"
        save(path, np.maximum(load(path)[0], np.float32(0.0101)))
    for old, new in zip(before, case_rows(tmp_path), strict=True):
        assert new["ece_soft"] < 0.75 * old["ece_soft"]
        assert new["ece_near"] == pytest.approx(old["ece_near"], abs=0.01)


@pytest.mark.parametrize("slab", [(), ("--slab", "300")])
def test_only_marks_and_pixels_that_count_are_in_it(tmp_path: Path, slab: tuple[str, ...]) -> None:
    kept = organs(tmp_path)
    counts = {case: np.random.default_rng(3).random(seen.shape[1:]) < 0.4 for case, (seen, _) in
              kept.items()}  # fmt: skip
    for case, mask in counts.items():
        mask[:, :, 5:] = mask[9:] = False
        save(tmp_path / f"mask/{case}/task01.nii.gz", mask.astype(np.uint8))
        (tmp_path / "soft").rename(tmp_path / "pred") if case == "a" else None
    options = ("--regions", str(tmp_path / "channels.toml"), "--mask", str(tmp_path / "mask"))
    for row in case_rows(tmp_path, *options, *slab, "--margin", "1"):
        seen, prob = kept[str(row["case"])]
        labels = {"liver": [5], "kidneys": [2, 3]}[str(row["task"]).split("_")[-1]]
        p = prob[..., [[0, 2, 3, 5].index(n) for n in labels]].sum(axis=-1)
        some = counts[str(row["case"])] & ~(seen == 9).any(axis=0)
        marks = np.isin(seen, labels) & some
        near = near_marks(marks, 1) & some
        assert row["ece_near"] == pytest.approx(ece(p[near], marks.mean(axis=0)[near]), abs=1e-6)


@pytest.mark.parametrize("slab", [(), ("--slab", "40")])
def test_where_nobody_marked_nothing_is_near(tmp_path: Path, slab: tuple[str, ...]) -> None:
    study(tmp_path, raters=2)
    for r in (1, 2):
        save(tmp_path / f"ref/case02/task01_seg0{r}.nii.gz", np.zeros((20, 24), np.uint8))
    first, none, last = case_rows(tmp_path, *slab)
    assert none["ece_near"] is None
    summary = json.loads((tmp_path / "out/summary.json").read_text())["overall"]
    assert summary["ece_near"] == pytest.approx((first["ece_near"] + last["ece_near"]) / 2)
    assert summary["cases"]["scored"] == 3


def test_a_single_pixel_a_single_rater_and_a_soft_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    p, one = rng.random((9, 11)).astype(np.float32), np.zeros((9, 11), np.float32)
    one[0, 10] = 1
    for name, reference in (("hard", one), ("soft", one * np.float32(0.4))):
        save(tmp_path / f"pred/{name}/task01.nii.gz", p)
        save(tmp_path / f"ref/{name}/task01_seg01.nii.gz" if name == "hard" else
             tmp_path / f"ref/{name}/task01.nii.gz", reference)  # fmt: skip
    for row in case_rows(tmp_path, "--raters", "any", "--margin", "2"):
        y = one * (1 if row["case"] == "hard" else np.float32(0.4))
        near = near_marks(one[None] > 0, 2)
        expected = ece(p[near], y[near])
        assert row["ece_near"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_have_a_box_of_their_own_axes(dtype: type) -> None:
    rng = np.random.default_rng(1)
    p, seen = rng.random((12, 7, 9)).astype(dtype), np.zeros((3, 12, 7, 9), bool)
    seen[:, 5:7, 0, 3], seen[1, 6, 2, 8] = True, True
    soft = seen.mean(axis=0)
    found = score_case(p, soft, soft > 0.5, options=Options(margin=1))
    near = near_marks(seen, 1)
    p32, soft32 = p.astype(np.float32), soft.astype(np.float32)
    expected = float(expected_calibration_error(p32, soft32, kind="binary", mask=near))
    assert found.ece_near == pytest.approx(expected)
    assert found.near_bins.count.sum() == near.sum() == 4 * 4 * 7


def test_a_box_around_marks_and_a_margin() -> None:
    marked = np.zeros((4, 5, 6), bool)
    assert box_around(marked) is None
    assert not within(None, (6, 5, 4), 3).any()
    marked[1, 2, 3] = marked[2, 4, 0] = True
    assert box_around(marked) == ((1, 3), (2, 5), (0, 4))
    for margin in range(3):
        assert np.array_equal(
            within(box_around(marked), (6, 5, 4), margin), near_marks(marked[None], margin)
        )
    slabs = [within(box_around(marked), (6, 5, 1), 1, first) for first in range(4)]
    assert np.array_equal(np.concatenate(slabs), near_marks(marked[None], 1))
