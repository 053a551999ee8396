"""Errors of targets and raters end with what to write, and what they name is right."""

import re

import numpy as np
import pytest

import dice_semimetric as ds

PRED, LOGITS = np.full((2, 1, 4, 5), 0.5), np.full((2, 3, 4, 5), 1 / 3)
RATERS = np.random.default_rng(1).integers(0, 2, (2, 4, 4, 5))


def refused(function, *arguments, **options) -> str:
    with pytest.raises((TypeError, ValueError)) as error:
        function(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("pred", "target", "end"),
    [
        (PRED, np.zeros((2, 1, 4, 6)), ": axis 3 is 6, not 5"),
        (PRED, np.zeros((3, 1, 4, 6)), ": axis 0 is 3, not 2 and axis 3 is 6, not 5"),
        (LOGITS, np.zeros((2, 4, 6), int), ": axis 2 is 6, not 5"),
        (LOGITS, np.zeros((2, 4, 4, 5)), ": axis 1 is 4, not 3"),
        (LOGITS, np.zeros((3, 1, 5, 6)), "dtype float64"),  # nothing agrees
        (
            LOGITS,
            np.zeros((3, 4, 5), int),
            "axis 0 is 3, not 2; if the axis of the images is "
            "missing: write target[None], and the same of pred",
        ),
        (LOGITS, np.zeros((2, 4, 5)), "; for labels write target.astype(int)"),
        (
            LOGITS,
            np.full((2, 4, 5), 0.5),
            "one channel a class, as uniform_average(raters, "
            "num_classes=3, rater_axis=1) makes them",
        ),
        (
            LOGITS[:, :2],
            np.full((2, 4, 5), 0.5),
            "write stack([1 - target, target], axis=1), or of "
            "raters uniform_average(raters, num_classes=2, rater_axis=1)",
        ),
        (
            PRED,
            RATERS,
            "; of the masks of 4 raters along axis 1 write "
            "uniform_average(target, num_classes=1, rater_axis=1)",
        ),
        (PRED, RATERS.astype(float), "uniform_average(target > 0.5, num_classes=1, rater_axis=1)"),
        (PRED, np.where(RATERS, 1, np.nan), "np.nanmean(target, axis=1, keepdims=True)"),
        (PRED, RATERS * 0.3, ": axis 1 is 4, not 1"),
        (
            LOGITS,
            RATERS,
            "; of the label maps of 4 raters along axis 1 write "
            "uniform_average(target, num_classes=3, rater_axis=1)",
        ),
        (LOGITS, RATERS > 0, "uniform_average(target.astype(int), num_classes=3, rater_axis=1)"),
        (
            np.moveaxis(LOGITS, 1, -1),
            np.zeros((2, 4, 5), int),
            "; the classes of pred are last: write moveaxis(pred, -1, 1)",
        ),
    ],
)
def test_a_target_that_does_not_fit(pred, target, end) -> None:
    text = refused(ds.region_loss, pred, target)
    assert text.endswith(end), text


def test_what_is_to_be_written_for_raters_is_right() -> None:
    masks = ds.uniform_average(RATERS, num_classes=1, rater_axis=1)
    assert masks.shape == PRED.shape
    both = ds.uniform_average(RATERS, num_classes=2, rater_axis=1)
    np.testing.assert_allclose(both, np.concatenate([1 - masks, masks], 1), atol=1e-12)
    np.testing.assert_allclose(both, np.stack([1 - masks[:, 0], masks[:, 0]], 1), atol=1e-12)
    missing = RATERS.astype(float)
    missing[1, 2:] = np.nan
    share = eval(
        refused(ds.uniform_average, missing, rater_axis=1).split("write ")[1],
        {"np": np, "raters": missing},
    )
    np.testing.assert_allclose(share[0], masks[0])
    np.testing.assert_allclose(share[1, 0], ds.uniform_average(RATERS[1, :2]))


@pytest.mark.parametrize(
    ("value", "dtype"), [(-1, int), (-1, np.int8), (255, np.uint8), (255, int)]
)
def test_a_number_for_a_missing_rater_is_no_vote(value, dtype) -> None:
    raters = RATERS.astype(dtype)
    raters[1, 2:] = value
    text = refused(ds.uniform_average, raters, rater_axis=1)
    assert f"if {value} stands for a missing rater, it is no vote" in text
    share = eval(text.split("write ")[1], {"np": np, "raters": raters})
    np.testing.assert_allclose(share[1, 0], ds.uniform_average(RATERS[1, :2]))
    assert share.shape == PRED.shape
    text = refused(ds.majority_vote, raters, num_classes=2, rater_axis=1)
    assert text.endswith(
        f"if {value} stands for a missing rater, it is no vote: leave that rater out"
    )
    text = refused(ds.majority_vote, 2 * RATERS, num_classes=2, rater_axis=1)
    assert text.endswith("got values from 0 to 2")


def test_raters_that_miss_no_one() -> None:
    assert refused(ds.majority_vote, RATERS * 255).endswith(
        "of masks of 0 and 255 write raters > 0"
    )
    assert refused(ds.majority_vote, RATERS * 3).endswith("got values from 0 to 3")
    assert refused(ds.majority_vote, RATERS * 1.0).endswith(
        "; write raters > 0.5, or cast label maps to integers"
    )
    text = refused(ds.majority_vote, RATERS * 1.0, num_classes=3)
    assert text.endswith("write raters.astype(int) to cast label maps to integers")
    assert refused(ds.majority_vote, RATERS > 0, num_classes=2).endswith("raters.astype(int)")
    text = refused(ds.majority_vote, RATERS * np.nan, num_classes=3)
    assert text.endswith("NaN, which is no vote; leave out the raters who are missing")


@pytest.mark.parametrize(
    ("labels", "end"),
    [
        ([0, 2, 255], "; for pixels that do not count set ignore_index=255"),
        ([0, 2, -1], "; for pixels that do not count set ignore_index=-1"),
        ([0, 2, -100], "; for pixels that do not count set ignore_index=-100"),
        ([0, 0, 255], "; for pixels that do not count set ignore_index=255"),
        ([1, 2, 3], "got values from 1 to 3"),
        ([-1, 2, 255], "got values from -1 to 255"),
        ([-2, -1, 2], "got values from -2 to 2"),
    ],
)
def test_a_label_of_pixels_that_do_not_count(labels, end) -> None:
    pred = np.full((1, 3, 3), 1 / 3)
    for function in (ds.region_loss, ds.expected_calibration_error):
        text = refused(function, pred, np.array([labels]))
        assert text.endswith(end), text
    ignored = re.search(r"ignore_index=(-?\d+)$", end)
    if ignored:
        ds.region_loss(pred, np.array([labels]), ignore_index=int(ignored[1]))


def test_masks_of_0_and_255() -> None:
    mask, pred = np.array([[[0, 255, 255]]]), np.full((1, 1, 3), 0.5)
    text = refused(ds.region_loss, pred, mask.astype(np.uint8))
    assert text.endswith(
        "; of masks write 1 * (target > 0), for pixels that do not count set ignore_index=255"
    )
    ds.region_loss(pred, 1 * (mask > 0))
    text = refused(ds.region_loss, pred, mask.astype(float))
    assert text.endswith("; of masks write target > 0, of probabilities divide by 255")
    ds.region_loss(pred, mask > 0)
    mask[0, 0, 1] = 128
    assert refused(ds.region_loss, pred, mask.astype(float)).endswith("; divide by 255")


@pytest.mark.parametrize("value", [-1.0, 255.0])
def test_a_number_in_soft_labels_for_pixels_that_do_not_count(value) -> None:
    soft, pred = np.array([[[0.5, 1.0, value]]]), np.full((1, 1, 3), 0.5)
    text = refused(ds.region_loss, pred, soft)
    assert text.endswith(f"; for pixels that do not count give mask=target != {value:g}")
    ds.region_loss(pred, soft, mask=soft != value)
    assert "logits" in refused(ds.region_loss, soft - 1, pred)


@pytest.mark.parametrize("array", [1, 2])
def test_a_list_of_outputs(array) -> None:
    fine = np.zeros((2, 2, 4))
    text = refused(ds.TemperatureScaling().fit, [fine] * array, np.zeros((2, 4), int))
    assert text.endswith(
        "got list of arrays; of a network's outputs give the finest, such as logits[0]"
    )
    assert refused(ds.dml1, [0.5], [0.5]).endswith("got list; write np.asarray(pred)")
