"""The scores over what all raters agree on, and the ECE against each rater."""

import json
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study import score_case
from dice_semimetric_study.results.registry import CONSENSUS_SCORES
from study_files import case_rows, ece, load, masks, near_marks, organs, save, study


def by_hand(p: np.ndarray, seen: np.ndarray, some: np.ndarray | None = None) -> dict[str, float]:
    """Return the scores of a prediction and raters' masks, over some of the pixels."""
    some = np.ones(p.shape, bool) if some is None else some
    every, none = seen.all(axis=0) & some, ~seen.any(axis=0) & some
    above, near = p[every | none] > 0.5, near_marks(seen & some) & some
    hits, marked = (above & every[every | none]).sum(), every.sum()
    each = [ece(p[near], m[near]) for m in seen] if near.any() else [np.nan]
    sure = [p[every].mean(dtype=float), 1 - p[none].mean(dtype=float)] if marked else [np.nan]
    return {
        "consensus_dice": 2 * hits / max(above.sum() + marked, 1),
        "consensus_confidence": float(np.mean(sure)),
        "ece_near_by_rater": float(np.mean(each)),
    }


def check(row: dict[str, float], expected: dict[str, float]) -> None:
    assert set(expected) == set(CONSENSUS_SCORES)
    for name, value in expected.items():
        found = np.nan if row[name] is None else row[name]
        assert found == pytest.approx(value, abs=2e-6, nan_ok=True), name


@pytest.mark.parametrize("options", [(), ("--slab", "40"), ("--thresholds", "0.005", "0.5")])
@pytest.mark.parametrize("raters", [1, 2, 5])
def test_every_number_against_the_slow_way(
    tmp_path: Path, raters: int, options: tuple[str, ...]
) -> None:
    study(tmp_path, raters=raters)
    found = case_rows(tmp_path, *options)
    for case, row in enumerate(found):
        p, _ = load(tmp_path / f"pred/{row['case']}/task01.nii.gz")
        check(row, by_hand(p, masks(10 * case, raters)))
    overall = json.loads((tmp_path / "out/summary.json").read_text())["overall"]
    for name in CONSENSUS_SCORES:
        assert overall[name] == pytest.approx(np.mean([row[name] for row in found]))
    assert "ece_near_by_rater" not in overall["pooled"]
    assert 0.5 < overall["pooled"]["consensus_dice"] <= 1


@pytest.mark.parametrize("slab", [(), ("--slab", "300")])
def test_regions_masks_and_ignored_labels(tmp_path: Path, slab: tuple[str, ...]) -> None:
    kept, rng = organs(tmp_path, raters=3), np.random.default_rng(5)
    (tmp_path / "soft").rename(tmp_path / "pred")
    counts = {case: rng.random(seen.shape[1:]) < 0.7 for case, (seen, _) in kept.items()}
    for case, mask in counts.items():
        save(tmp_path / f"mask/{case}/task01.nii.gz", mask.astype(np.uint8))
    options = ("--regions", str(tmp_path / "channels.toml"), "--mask", str(tmp_path / "mask"))
    for row in case_rows(tmp_path, *options, *slab):
        seen, prob = kept[str(row["case"])]
        labels = {"liver": [5], "kidneys": [2, 3]}[str(row["task"])]
        p = prob[..., [[0, 2, 3, 5].index(n) for n in labels]].sum(axis=-1)
        some = counts[str(row["case"])] & ~(seen == 9).any(axis=0)
        check(row, by_hand(p, np.isin(seen, labels), some))


@pytest.mark.parametrize("empty", ["1", "0", "skip"])
@pytest.mark.parametrize("slab", [(), ("--slab", "40")])
def test_raters_who_agree_on_no_foreground(
    tmp_path: Path, empty: str, slab: tuple[str, ...]
) -> None:
    study(tmp_path, raters=2)
    mask, none = np.zeros((20, 24), np.uint8), np.zeros((20, 24), np.uint8)
    mask[3:5, 4:9] = 1
    apart = (mask, np.roll(mask, 10, axis=1))  # no pixel in common
    for case, pair in (("case01", (none, none)), ("case02", apart), ("case03", apart)):
        for r, data in enumerate(pair, start=1):
            save(tmp_path / f"ref/{case}/task01_seg0{r}.nii.gz", data)
    for case, p in (("case01", none * 0.0), ("case02", apart[0] * 0.9), ("case03", none + 0.6)):
        save(tmp_path / f"pred/{case}/task01.nii.gz", p.astype(np.float32))
    found = case_rows(tmp_path, *slab, "--empty", empty)
    nothing = None if empty == "skip" else float(empty)
    assert [r["consensus_dice"] for r in found] == [nothing, nothing, 0]
    assert [r["consensus_confidence"] for r in found] == [None] * 3
    assert found[0]["ece_near_by_rater"] is None
    expected = by_hand(apart[0] * 0.9, np.stack(apart) > 0)["ece_near_by_rater"]
    assert found[1]["ece_near_by_rater"] == pytest.approx(expected)


def test_a_soft_reference_is_sure_where_it_is_0_or_1() -> None:
    soft = np.array([0, 0, 0.5, 1, 1, 1], np.float32)
    p = np.array([0.1, 0.6, 0.9, 0.2, 0.7, 0.9], np.float32)
    found = score_case(p, soft, soft > 0.5)
    assert found.consensus_dice == pytest.approx(2 * 2 / (3 + 3))
    assert found.consensus_confidence == pytest.approx((1.8 / 3 + 1 - 0.7 / 2) / 2)
    assert found.ece_near_by_rater == found.ece_near
    assert np.isnan(score_case(p, soft * 0, soft > 1).consensus_confidence)
    assert np.isnan(score_case(p, soft * 0 + 1, soft >= 0).consensus_confidence)


def test_the_mean_of_many_raters_is_exactly_one_where_all_marked(tmp_path: Path) -> None:
    study(tmp_path, cases=("case01",), raters=7)
    (row,) = case_rows(tmp_path)
    check(row, by_hand(load(tmp_path / "pred/case01/task01.nii.gz")[0], masks(0, 7)))
