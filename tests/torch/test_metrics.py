"""Streaming metrics: life cycle, aggregation, merging, processes; torchmetrics where absent."""

import copy
import importlib
import itertools
import math
import re
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from dice_semimetric import expected_calibration_error, region_score

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics")

SCORES = {"DiceSemimetricScore": "dice", "JaccardMetricScore": "jaccard", "BinarizedDice": "bdice"}
METRICS = "dice_semimetric_torch.metrics"


@pytest.fixture
def metrics() -> ModuleType:
    """The module of metrics."""
    return importlib.import_module(METRICS)


def soft_batch(rng: np.random.Generator, *shape: int) -> tuple:
    """Return soft arrays with ties, zeros and an image without any of class 0."""
    x, y = np.round(rng.random((2, *shape)) * 5) / 5
    x[0, 0], y[0, 0] = 0, 0
    return torch.tensor(x), torch.tensor(y)


def add(metric, pred, target, step: int = 2, **options) -> None:
    """Update with batches of ``step`` images."""
    for start in range(0, len(pred), step):
        part = slice(start, start + step)
        given = {k: v[part] for k, v in options.items()}
        metric.update(pred[part], target[part], **given)


def test_without_torchmetrics_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    for name in [n for n in sys.modules if n.startswith(METRICS)]:
        monkeypatch.delitem(sys.modules, name)
    for name in (METRICS, f"{METRICS}.scores", f"{METRICS}.calibration"):
        with pytest.raises(ImportError, match=r"pip install 'dice-semimetric\[metrics\]'"):
            importlib.import_module(name)


def test_the_losses_neither_need_nor_import_torchmetrics() -> None:
    code = (
        "import sys; sys.modules['torchmetrics'] = None;"
        "from dice_semimetric_torch import *; DistillationLoss(softmax=True)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, dice_semimetric_torch; assert 'torchmetrics' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["DiceSemimetricScore", "JaccardMetricScore"])
def test_mean_over_images_is_the_mean_of_the_papers_formula(metrics, rng, name: str) -> None:
    x, y = soft_batch(rng, 5, 3, 4, 4)
    metric = getattr(metrics, name)(3)
    add(metric, x, y)
    form = {"dice": "dml1", "jaccard": "jml1"}[SCORES[name]]
    losses = [reference.loss(form, x[b, c], y[b, c]) for b in range(5) for c in range(3)]
    assert float(metric.compute()) == pytest.approx(1 - np.mean(losses), rel=1e-12)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("per", ["image", "class", "dataset"])
@pytest.mark.parametrize("classes", ["all", "present", (0, 2), (2,)])
@pytest.mark.parametrize("empty", [1.0, 0.0, math.nan, "skip"])
def test_batches_equal_the_core_on_the_whole(rng, name, per, classes, empty) -> None:
    metrics = importlib.import_module(METRICS)
    x, y = soft_batch(rng, 5, 3, 4, 4)
    mask = torch.tensor(rng.random((5, 4, 4)) < 0.8)
    options = {"classes": classes, "empty": empty}
    metric = getattr(metrics, name)(3, per=per, **options)
    add(metric, x, y, mask=mask)
    pool = "batch" if per == "dataset" else per
    expected = region_score(x, y, score=SCORES[name], per=pool, mask=mask, **options)
    np.testing.assert_allclose(metric.compute(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_logits_and_labels_with_ignored_pixels(metrics, rng, name: str) -> None:
    logits = torch.tensor(rng.normal(size=(4, 3, 6)))
    label = torch.tensor(rng.integers(0, 3, size=(4, 6)))
    label[:, 0] = 255
    metric = getattr(metrics, name)(3, activation="softmax", ignore_index=255)
    add(metric, logits, label)
    expected = region_score(
        logits, label, score=SCORES[name], activation="softmax", ignore_index=255
    )
    assert float(metric.compute()) == pytest.approx(float(expected), rel=1e-12)


@given(cuts=st.sets(st.integers(1, 6)), per=st.sampled_from(["image", "class", "dataset"]))
def test_batch_size_never_matters(cuts: set[int], per: str) -> None:
    metrics = importlib.import_module(METRICS)
    x, y = soft_batch(np.random.default_rng(0), 7, 2, 5)
    whole, parts = metrics.BinarizedDice(2, per=per), metrics.BinarizedDice(2, per=per)
    whole.update(x, y)
    edges = [0, *sorted(cuts), 7]
    for start, stop in itertools.pairwise(edges):
        parts.update(x[start:stop], y[start:stop])
    assert float(parts.compute()) == pytest.approx(float(whole.compute()), rel=1e-12)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("per", ["class", "dataset"])
def test_one_score_a_class(metrics, rng, name: str, per: str) -> None:
    x, y = soft_batch(rng, 4, 3, 5)
    metric = getattr(metrics, name)(3, per=per, reduction="none", classes=(2, 0))
    add(metric, x, y)
    for place, c in enumerate((2, 0)):
        one = getattr(metrics, name)(1, per=per)
        add(one, x[:, c : c + 1], y[:, c : c + 1])
        assert float(metric.compute()[place]) == pytest.approx(float(one.compute()), rel=1e-12)


@pytest.mark.parametrize("per", ["image", "dataset"])
def test_hard_labels_agree_with_torchmetrics(rng, per: str) -> None:
    segmentation = pytest.importorskip("torchmetrics.segmentation")
    metrics = importlib.import_module(METRICS)
    label = rng.integers(0, 3, size=(4, 20))
    label[:, :3] = np.arange(3)  # every class in every image: torchmetrics leaves others out
    pred = np.where(rng.random(label.shape) < 0.3, rng.integers(0, 3, size=label.shape), label)
    level = {"image": "samplewise", "dataset": "global"}[per]
    peer = segmentation.DiceScore(3, average="macro", aggregation_level=level, input_format="index")
    ours = metrics.DiceSemimetricScore(3, per=per)
    for part in (slice(0, 1), slice(1, 4)):
        peer.update(torch.tensor(pred[part]), torch.tensor(label[part]))
        hot = torch.tensor(reference.one_hot(pred[part], 3))
        ours.update(hot, torch.tensor(label[part]))
    assert float(ours.compute()) == pytest.approx(float(peer.compute()), rel=1e-6)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("per", ["image", "dataset"])
def test_reset_merge_and_forward(metrics, rng, name: str, per: str) -> None:
    x, y = soft_batch(rng, 6, 2, 5)
    whole, first, second = (getattr(metrics, name)(2, per=per) for _ in range(3))
    whole.update(x, y)
    first.update(torch.ones(1, 2, 5), torch.zeros(1, 2, 5))
    first.reset()
    first.update(x[:2], y[:2])
    alone = getattr(metrics, name)(2, per=per)
    alone.update(x[2:], y[2:])
    assert float(second(x[2:], y[2:])) == pytest.approx(float(alone.compute()), rel=1e-12)
    first.merge_state(second)
    assert float(first.compute()) == pytest.approx(float(whole.compute()), rel=1e-12)
    twin = copy.deepcopy(first)
    twin.reset()
    assert float(first.compute()) == pytest.approx(float(whole.compute()), rel=1e-12)


def test_nothing_seen_is_nan(metrics) -> None:
    for name in SCORES:
        for per in ("image", "class", "dataset"):
            metric = getattr(metrics, name)(2, per=per, empty="skip")
            metric.update(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
            assert math.isnan(metric.compute())


def test_states_are_small_and_do_not_grow(metrics, rng) -> None:
    metric = metrics.BinarizedDice(4, per="dataset")
    names = ("sums", "present")
    before = [getattr(metric, n).numel() for n in names]
    add(metric, *soft_batch(rng, 6, 4, 50))
    assert [getattr(metric, n).numel() for n in names] == before == [3 * 9 * 4, 4]


def test_half_precision_and_gradients_do_not_reach_the_states(metrics) -> None:
    x = torch.full((1, 1, 70_000), 0.5, dtype=torch.float16, requires_grad=True)
    metric = metrics.DiceSemimetricScore(1, per="dataset")
    metric.update(x, torch.ones_like(x).detach())
    metric.half()
    assert float(metric.compute()) == pytest.approx(2 / 3, rel=1e-6)
    assert not metric.compute().requires_grad
    for kept in (metric, metrics.ExpectedCalibrationError(2), metrics.BinarizedDice(2)):
        with pytest.raises(TypeError, match=r"torch.float64 or torch.float32, got torch.float16"):
            kept.set_dtype(torch.float16)


def test_metric_collection(rng) -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    metrics = importlib.import_module(METRICS)
    x, y = soft_batch(rng, 4, 2, 6)
    collection = torchmetrics.MetricCollection(
        [metrics.DiceSemimetricScore(2), metrics.JaccardMetricScore(2), metrics.BinarizedDice(2)]
    )
    for part in (slice(0, 2), slice(2, 4)):
        collection.update(x[part], y[part])
    for name, value in collection.compute().items():
        expected = region_score(x, y, score=SCORES[name])
        assert float(value) == pytest.approx(float(expected), rel=1e-12)


def calibrated(rng: np.random.Generator, classes: int, soft: bool) -> tuple:
    """Return logits and labels drawn from sharper probabilities, and a mask."""
    logits = rng.normal(size=(6, classes, 5, 4)) * 2
    label = rng.integers(0, max(classes, 2), size=(6, 5, 4))
    if soft:
        label = reference.softmax(logits * 0.5) if classes > 1 else rng.random(logits.shape)
    return torch.tensor(logits), torch.tensor(label), torch.tensor(rng.random((6, 5, 4)) < 0.8)


KINDS = [("top_label", 3), ("top_label", 1), ("classwise", 3), ("classwise", 1), ("binary", 1)]


@pytest.mark.parametrize(("kind", "classes"), KINDS)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("norm", ["l1", "l2", "max", "average"])
def test_ece_of_batches_equals_the_core_on_the_whole(metrics, rng, kind, classes, soft, norm):
    logits, label, mask = calibrated(rng, classes, soft)
    activation = "softmax" if classes > 1 else "sigmoid"
    options = {"kind": kind, "norm": norm, "n_bins": 7}
    metric = metrics.ExpectedCalibrationError(classes, activation=activation, **options)
    add(metric, logits, label, mask=mask)
    prob = torch.softmax(logits, 1) if classes > 1 else torch.sigmoid(logits)
    if kind == "binary":
        label, mask = label.reshape(prob.shape), mask[:, None]
    expected = expected_calibration_error(prob, label, mask=mask, **options)
    assert float(metric.compute()) == pytest.approx(float(expected), rel=1e-12)
    assert metric.bins.numel() == 3 * 7 * (max(classes, 2) if kind == "classwise" else 1)


def test_ece_pixel_by_pixel(metrics, rng) -> None:
    prob, label = rng.random((4, 1, 30)), np.round(rng.random((4, 1, 30)) * 4) / 4
    prob[0, 0, :3] = 0, 1, 0.3  # an edge belongs to the bin above it, 1 to the last bin
    metric = metrics.ExpectedCalibrationError(1, kind="binary")
    add(metric, torch.tensor(prob), torch.tensor(label))
    gaps = np.zeros(10)
    for p, y in zip(prob.ravel(), label.ravel(), strict=True):
        inside = [k for k in range(10) if k / 10 <= p]
        gaps[inside[-1]] += p - y
    assert float(metric.compute()) == pytest.approx(np.abs(gaps).sum() / 120, rel=1e-9)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_ece_agrees_with_torchmetrics_on_hard_labels(rng, norm: str) -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    metrics = importlib.import_module(METRICS)
    logits, label, _ = calibrated(rng, 3, soft=False)
    label[:, 0] = 255
    peer = classification.MulticlassCalibrationError(3, n_bins=10, norm=norm, ignore_index=255)
    ours = metrics.ExpectedCalibrationError(3, activation="softmax", norm=norm, ignore_index=255)
    for part in (slice(0, 1), slice(1, 6)):
        peer.update(torch.softmax(logits[part], 1), label[part])
        ours.update(logits[part], label[part])
    assert float(ours.compute()) == pytest.approx(float(peer.compute()), rel=1e-5)


def test_ece_merges_and_forgets(metrics, rng) -> None:
    logits, label, _ = calibrated(rng, 3, soft=True)
    whole, first, second = (
        metrics.ExpectedCalibrationError(3, activation="softmax", kind="classwise")
        for _ in range(3)
    )
    whole.update(logits, label)
    first.update(logits[:1], label[:1])
    first.reset()
    assert math.isnan(first.bins.sum() / first.bins.sum())
    first.update(logits[:2].half(), label[:2].half())
    first.reset()
    first.update(logits[:2], label[:2])
    second.update(logits[2:], label[2:])
    first.merge_state(second)
    assert float(first.compute()) == pytest.approx(float(whole.compute()), rel=1e-12)


def test_bad_input(metrics) -> None:
    with pytest.raises(ValueError, match="kind='binary' is for one channel, got num_classes=2"):
        metrics.ExpectedCalibrationError(2, kind="binary")
    with pytest.raises(ValueError, match="n_bins must be at least 1, got 0"):
        metrics.ExpectedCalibrationError(2, n_bins=0)
    with pytest.raises(TypeError, match="pred must be of a floating dtype"):
        metrics.ExpectedCalibrationError(2).update(*torch.zeros(2, 1, 2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"\(B, 3, \*spatial\), got \(1, 2, 4\)"):
        metrics.BinarizedDice(3).update(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
    for name, shape in itertools.product(EVERY, [(5,), ()]):
        with pytest.raises(ValueError, match=rf"\(B, 3, \*spatial\), got {re.escape(str(shape))}"):
            getattr(metrics, name)(3).update(torch.zeros(shape), torch.zeros(shape))
    with pytest.raises(ValueError, match="per must be one of 'image', 'class', 'dataset'"):
        metrics.BinarizedDice(3, per="batch")
    with pytest.raises(ValueError, match="reduction='none'"):
        metrics.DiceSemimetricScore(3, reduction="none")
    with pytest.raises(ValueError, match="empty must be one of"):
        metrics.DiceSemimetricScore(3, empty=0.5)
    with pytest.raises(ValueError, match="thresholds must be"):
        metrics.BinarizedDice(3, thresholds=(0.0,))
    with pytest.raises(ValueError, match="pred is on meta and the metric on cpu"):
        metrics.DiceSemimetricScore(1).update(torch.zeros(1, 1, 4, device="meta"), None)


def in_process(rank: int, folder: str) -> None:
    """Score every second image in one of two processes, and keep what it computes."""
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    metrics = importlib.import_module(METRICS)
    x, y = soft_batch(np.random.default_rng(5), 5, 2, 6)
    values = []
    for name in SCORES:
        for per in ("image", "class", "dataset"):
            metric = getattr(metrics, name)(2, per=per)
            metric.update(x[rank::2], y[rank::2])
            values.append(metric.compute())
            metric.update(x[:0], y[:0])  # a process may run out of images first
            values.append(metric.compute())  # and what was synchronised is not added again
    ece = metrics.ExpectedCalibrationError(2, kind="classwise")
    ece.update(x[rank::2], y[rank::2])
    torch.save(torch.stack([*values, ece.compute()]), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_score_of_all_images(tmp_path) -> None:
    torch.multiprocessing.spawn(in_process, args=(str(tmp_path),), nprocs=2)
    x, y = soft_batch(np.random.default_rng(5), 5, 2, 6)
    expected = [
        float(region_score(x, y, score=score, per=per))
        for score in SCORES.values()
        for per in ("image", "class", "batch")
        for _ in range(2)
    ]
    expected.append(float(expected_calibration_error(x, y, kind="classwise")))
    for rank in range(2):
        got = torch.load(tmp_path / f"{rank}.pt")
        np.testing.assert_allclose(got, expected, rtol=1e-12)


EVERY = [*SCORES, "ExpectedCalibrationError"]


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("options", [{}, {"per": "class", "reduction": "none"}])
def test_every_metric_draws_itself(metrics: ModuleType, name: str, options: dict) -> None:
    pytest.importorskip("matplotlib").use("agg")
    options = options if name in SCORES else {}
    metric = getattr(metrics, name)(3, activation="softmax", **options)
    metric.update(torch.randn(2, 3, 8), torch.randint(0, 3, (2, 8)))
    value = metric.compute()
    _, axes = metric.plot()
    drawn = [y for line in axes.lines for y in line.get_ydata()]
    assert set(np.atleast_1d(value.numpy())) <= {float(y) for y in drawn}
    assert axes.get_ylim()[0] <= 0
    _, axes = metric.plot([value, value])
    assert axes.get_ylabel() == name


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("kind", ["bool", "uint8", "int64"])
def test_one_hot_labels_are_labels(metrics: ModuleType, name: str, kind: str) -> None:
    pred, label = torch.randn(2, 3, 8), torch.randint(0, 3, (2, 8))
    hot = (label[:, None] == torch.arange(3)[:, None]).to(getattr(torch, kind))
    values = []
    for target in (hot, label):
        metric = getattr(metrics, name)(3, activation="softmax")
        metric.update(pred, target)
        values.append(metric.compute())
    torch.testing.assert_close(*values)
    single = getattr(metrics, name)(1, activation="sigmoid")
    single.update(pred[:, :1], hot[:, :1])
    other = getattr(metrics, name)(1, activation="sigmoid")
    other.update(pred[:, :1], hot[:, 0])
    torch.testing.assert_close(single.compute(), other.compute())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("per", ["image", "dataset"])
def test_shapes_go_through_without_values(metrics: ModuleType, name: str, per: str) -> None:
    options = {"per": per} if name in SCORES else {}
    metric = getattr(metrics, name)(3, activation="softmax", **options).to("meta")
    metric.update(torch.empty(2, 3, 8, device="meta"), torch.empty(2, 8, device="meta").long())
    value = metric.compute()
    assert (value.shape, value.device.type) == ((), "meta")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_classes": "3"}, TypeError, "num_classes must be an integer, got '3'"),
        ({"num_classes": True}, TypeError, "num_classes must be an integer, got True"),
        ({"num_classes": 0}, ValueError, "num_classes must be at least 1, got 0"),
        ({"ignore_index": "255"}, TypeError, "ignore_index must be an integer, got '255'"),
        ({"dtype": "float32"}, TypeError, "dtype must be torch.float64 or .* got 'float32'"),
        ({"dtype": np.float32}, TypeError, "dtype must be torch.float64 or .*numpy.float32"),
        ({"dtype": torch.float16}, TypeError, "dtype must be torch.float64 or .*torch.float16"),
    ],
)
def test_a_bad_option_is_named(metrics: ModuleType, name: str, options, error, message) -> None:
    with pytest.raises(error, match=message):
        getattr(metrics, name)(**{"num_classes": 3} | options)


@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_dense_tensor_ends_with_what_to_write(metrics: ModuleType, name: str) -> None:
    metric = getattr(metrics, name)(3, activation="softmax")
    pred, label = torch.randn(2, 3, 8), torch.randint(0, 3, (2, 8))
    with pytest.raises(TypeError, match=r"write torch.from_numpy\(pred\)"):
        metric.update(pred.numpy(), label)
    with pytest.raises(TypeError, match=r"write pred.to_dense\(\)"):
        metric.update(pred.to_sparse(), label)
