"""The library's default dtype: no value depends on whether PyTorch's is a half precision."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from backends import leaves

import dice_semimetric as ds

torch = pytest.importorskip("torch")


@contextmanager
def default(dtype: Any) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def draw() -> dict[str, Any]:
    """Return what the calls below take: integers, booleans and float32, one image of 3 classes."""
    rng = np.random.default_rng(5)
    prob = rng.dirichlet([1.0, 1.0, 1.0], size=(1, 20, 20)).transpose(0, 3, 1, 2)
    masks = rng.random((5, 600)) < 0.6
    return {
        "prob": torch.tensor(prob, dtype=torch.float32),
        "label": torch.tensor(rng.integers(0, 3, (1, 20, 20))),
        "masks": torch.tensor(masks),
        "ints": torch.tensor(masks.astype(np.int64)),
        "maps": torch.tensor(rng.integers(0, 3, (5, 1, 12, 12))),
    }


def generator() -> np.random.Generator:
    return np.random.default_rng(1)


def teacher(d: dict[str, Any]) -> Any:
    return ds.calibrate_teacher(d["prob"], d["label"], n_keys=50, rng=generator())


def calibrated(d: dict[str, Any]) -> Any:
    calibrator = ds.KernelCalibrator(bandwidth=0.01, n_keys=50, rng=generator())
    return calibrator.fit(d["prob"], d["label"]).predict_proba(d["prob"])


def scaled(d: dict[str, Any], scaling: Any = None) -> Any:
    logits = d["prob"].log()
    return (scaling or ds.TemperatureScaling()).fit(logits, d["label"]).predict_proba(logits)


def rows(d: dict[str, Any]) -> tuple[Any, Any]:
    return d["prob"][0].flatten(1).T[:60], d["label"].flatten()[:60]


PAIRS = ("dml1", "dml2", "jml1", "jml2", "sdl", "sjl", "dice_score", "jaccard_score")
TVERSKY = {"alpha": 0.3, "beta": 0.6}
CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{name: lambda d, n=name: getattr(ds, n)(d["masks"][0], d["ints"][1]) for name in PAIRS},
    "ctl": lambda d: ds.ctl(d["ints"][0], d["ints"][1], **TVERSKY),
    "stl": lambda d: ds.stl(d["ints"][0], d["masks"][1], **TVERSKY),
    "cftl": lambda d: ds.cftl(d["ints"][0], d["ints"][1], gamma=2.0, **TVERSKY),
    "overlap": lambda d: ds.overlap(d["masks"][0], d["masks"][1]),
    "overlap_loss": lambda d: ds.overlap_loss(ds.overlap(d["ints"][0], d["masks"][1])),
    "binarized_dice": lambda d: ds.binarized_dice(d["masks"][0], d["ints"][1]),
    "threshold_counts": lambda d: ds.threshold_counts(d["masks"][0], d["ints"][1]).dice(),
    "pairwise_loss": lambda d: ds.pairwise_loss(
        d["prob"][0].flatten(1), d["masks"][:3].flatten(1)[:, : d["prob"][0].flatten(1).shape[1]]
    ),
    "VectorScaling": lambda d: (
        ds.VectorScaling().fit(d["prob"], d["label"]).predict_proba(d["prob"])
    ),
    "calibration_loss": lambda d: ds.calibration_loss(d["prob"], d["label"]),
    "region_overlap": lambda d: ds.region_overlap(d["prob"], d["label"]),
    "region_loss": lambda d: ds.region_loss(d["prob"], d["label"], weight=[0.1, 0.2, 0.3]),
    "region_score": lambda d: ds.region_score(d["prob"], d["label"], score="bdice"),
    "calibration_bins": lambda d: ds.calibration_bins(d["prob"], d["label"]),
    "proper_score": lambda d: ds.proper_score(d["prob"], d["label"], score="log").mean(),
    "brier_score": lambda d: ds.brier_score(d["prob"], d["label"]),
    "log_loss": lambda d: ds.log_loss(d["prob"], d["label"][None], rater_axis=0),
    "crps": lambda d: ds.crps(d["ints"].sum(0), d["ints"], distribution="normal"),
    "generalized_energy_distance": lambda d: ds.generalized_energy_distance(
        d["masks"][:2], d["ints"]
    ),
    "expected_calibration_error": lambda d: ds.expected_calibration_error(d["prob"], d["label"]),
    "reliability_curve": lambda d: ds.reliability_curve(
        d["prob"], d["label"], strategy="quantile", kind="classwise"
    ),
    "kernel_regression": lambda d: ds.kernel_regression(
        rows(d)[0], rows(d)[0][:40], rows(d)[1][:40], bandwidth=0.01
    ),
    "kernel_calibration_error": lambda d: ds.kernel_calibration_error(*rows(d), bandwidth=0.01),
    "select_bandwidth": lambda d: torch.tensor(ds.select_bandwidth(*rows(d)), dtype=torch.float64),
    "sample_keys": lambda d: ds.sample_keys(d["label"], 30, rng=generator()),
    "calibrate_teacher": teacher,
    "KernelCalibrator": calibrated,
    "TemperatureScaling": scaled,
    "one_hot": lambda d: ds.one_hot(d["label"], 3),
    "smooth_labels": lambda d: ds.smooth_labels(d["label"], 3, epsilon=0.1),
    "smooth_boundary": lambda d: ds.smooth_boundary(d["label"], 3, epsilon=0.1),
    "label_boundary": lambda d: ds.label_boundary(d["label"]),
    "majority_vote": lambda d: ds.majority_vote(d["maps"], num_classes=3),
    "random_rater": lambda d: ds.random_rater(d["masks"], rng=generator()),
    "uniform_average": lambda d: ds.uniform_average(d["maps"], num_classes=3),
    "dice_weighted_average": lambda d: ds.dice_weighted_average(
        d["maps"], num_classes=3, return_weights=True
    ),
    "staple": lambda d: (
        ds.staple(d["masks"], return_performance=True),
        ds.staple(d["maps"], num_classes=3, present=d["maps"] != 1, return_performance=True),
    ),
    "rater_agreement": lambda d: ds.rater_agreement(d["masks"]),
    "disagreement": lambda d: ds.disagreement(d["masks"]),
}
FORMULAS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{
        f"Agreement.{name}": lambda d, n=name: getattr(ds.rater_agreement(d["masks"]), n)()
        for name in ("dice", "jaccard", "dice_to_majority", "cohen_kappa", "fleiss_kappa")
    },
    **{
        f"ThresholdCounts.{name}": lambda d, n=name: getattr(
            ds.threshold_counts(d["masks"][0], d["ints"][1]), n
        )()
        for name in ("jaccard", "binarized_dice")
    },
    **{
        f"CalibrationBins.{name}": lambda d, n=name: getattr(
            ds.calibration_bins(d["prob"], d["label"]), n
        )()
        for name in ("error", "frequency", "mean_confidence", "decompose")
    },
}


def tensors(result: Any) -> list[Any]:
    """Return what a result holds but thresholds, which are numbers of Python."""
    found = [part for part in leaves(result) if not isinstance(part, float)]
    assert found
    return found


def test_every_public_function_is_asked() -> None:
    takes = {n for n in ds.__all__ if inspect.isfunction(getattr(ds, n))} - {"value_checks"}
    assert takes <= CALLS.keys()


@pytest.mark.parametrize("name", [*CALLS, *FORMULAS])
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_a_half_default_changes_no_value(name, half) -> None:
    call, given = (CALLS | FORMULAS)[name], draw()
    expected = tensors(call(given))
    with default(getattr(torch, half)):
        found = tensors(call(given))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", [*CALLS, *FORMULAS])
def test_a_wide_default_changes_only_the_dtype(name) -> None:
    call, given = (CALLS | FORMULAS)[name], draw()
    expected = tensors(call(given))
    with default(torch.float64):
        found = tensors(call(given))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(
            one, other, check_dtype=False, rtol=2e-6, atol=1e-7, equal_nan=True
        )


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_torch_losses_and_metrics_under_a_half_default(half) -> None:
    from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss

    given = draw()
    for loss in (DiceSemimetricLoss, DiceSemimetricCELoss):
        logits = given["prob"].log()
        expected = loss(softmax=True)(logits, given["label"])
        with default(getattr(torch, half)):
            found = loss(softmax=True)(logits, given["label"])
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
