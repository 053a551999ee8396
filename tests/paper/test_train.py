"""The training recipe: reading, labels, crops, exact resume, scores, comparison, and its faults."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
nibabel = pytest.importorskip("nibabel")
pytest.importorskip("monai")

from dice_semimetric_study.faults import UsageError
from paper_data import write, write_discs

from benchmarks.paper import compare, evaluate, trainer
from benchmarks.paper.cases import Case, read_split
from benchmarks.paper.config import LABELS, LOSSES, Config
from benchmarks.paper.data import Crops, epoch_loader, require_fit, window
from benchmarks.paper.labels import training_label
from benchmarks.paper.losses import TrainingLoss
from benchmarks.paper.statistics import paired_test
from benchmarks.paper.train import main, run

SMALL = Config(crop=16, jitter=3, epochs=3, batch_size=2)


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A data set of bright discs, each marked by three raters who differ in size."""
    return write_discs(tmp_path / "data", rng, {"Training": 5, "Testing": 3})


def weights(model: torch.nn.Module) -> list[np.ndarray]:
    return [value.numpy() for value in model.state_dict().values()]


def train(config: Config, data: Path, out: Path, **options) -> torch.nn.Module:
    out.mkdir(exist_ok=True)
    cases = read_split(data, config.train_split, config.task)
    return trainer.train(config, cases, out, device=torch.device("cpu"), **options)[0]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_cases_are_read_and_normalised(data: Path) -> None:
    cases = read_split(data, "Training", 1)
    assert [case.name for case in cases] == [f"case{k:02d}" for k in range(1, 6)]
    for case in cases:
        assert case.image.shape == (1, 24, 20)
        assert case.image.dtype == np.float32
        assert case.raters.shape == (3, 24, 20)
        assert case.raters.dtype == bool
        assert case.image.mean() == pytest.approx(0, abs=1e-5)
        assert case.image.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("axis", [0, 2])
def test_channels_may_come_first_or_last(data: Path, rng, axis: int) -> None:
    channels = rng.normal(size=(24, 20, 4))
    moved = np.moveaxis(channels, 2, axis).astype(np.float32)
    write(data / "Training" / "case01" / "image.nii.gz", moved)
    image = read_split(data, "Training", 1)[0].image
    expected = (channels - channels.mean(axis=(0, 1))) / channels.std(axis=(0, 1))
    np.testing.assert_allclose(image, np.moveaxis(expected, 2, 0), atol=1e-5)


def test_faulty_cases_are_all_named(data: Path) -> None:
    (data / "Training" / "case02" / "image.nii.gz").write_bytes(b"no image")
    (data / "Training" / "case03" / "task01_seg02.nii.gz").unlink()
    with pytest.raises(UsageError) as caught:
        read_split(data, "Training", 1)
    text = str(caught.value)
    assert "case02: image.nii.gz" in text
    assert "case03: the mask of rater 02 is missing (see --incomplete)" in text


def test_a_missing_rater_can_be_skipped_or_kept(data: Path) -> None:
    (data / "Training" / "case03" / "task01_seg02.nii.gz").unlink()
    skipped = read_split(data, "Training", 1, incomplete="skip")
    assert [case.name[-1] for case in skipped] == ["1", "2", "4", "5"]
    kept = read_split(data, "Training", 1, incomplete="keep")
    assert [len(case.raters) for case in kept] == [3, 3, 2, 3, 3]


def test_a_task_or_split_that_is_not_there(data: Path) -> None:
    with pytest.raises(UsageError, match=r"no case with files such as task02_seg01\.nii\.gz"):
        read_split(data, "Training", 2)
    with pytest.raises(UsageError, match="Validation is not a folder"):
        read_split(data, "Validation", 1)


def test_labels(rng: np.random.Generator) -> None:
    raters = rng.random((5, 6, 7)) < 0.5
    majority = (raters.sum(axis=0) > 2).astype(float)
    dice = np.array([1 - reference.loss("sdl", r, majority) for r in raters])
    expected = {
        "uniform": raters.mean(axis=0),
        "majority": majority,
        "weighted": np.tensordot(dice / dice.sum(), raters, axes=1),
        "ls": 0.8 * majority + 0.1,
    }
    for kind in LABELS:
        label = training_label(raters, Config(labels=kind, smoothing=0.2), rng)
        assert label.dtype == np.float32
        if kind == "random":
            assert any(np.array_equal(label, r) for r in raters)
        else:
            np.testing.assert_allclose(label, expected[kind], atol=1e-6)


def test_random_raters_change_with_the_epoch(data: Path) -> None:
    crops = Crops(read_split(data, "Training", 1), Config(labels="random", flip=False))
    sizes = set()
    for crops.epoch in range(10):
        sizes.add(float(crops[0][1].sum()))
    assert len(sizes) == 3


@pytest.mark.parametrize("labels", ["uniform", "random"])
def test_crops_depend_on_seed_epoch_and_case_only(data: Path, labels: str) -> None:
    config = replace(SMALL, labels=labels)
    cases = read_split(data, "Training", 1)

    def epoch(number: int, config: Config = config, workers: int = 0) -> list[np.ndarray]:
        loader = epoch_loader(Crops(cases, config), number, workers=workers)
        return [array.numpy() for pair in loader for array in pair]

    first = epoch(1)
    assert [a.shape for a in first] == [(n, 1, 16, 16) for n in (2, 2, 2, 2, 1, 1)]
    for same in (epoch(1), epoch(1, workers=2)):
        assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    for other in (epoch(2), epoch(1, replace(config, seed=1))):
        assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_image_and_label_are_cut_and_mirrored_alike() -> None:
    image = np.arange(24 * 20, dtype=np.float32).reshape(1, 24, 20) / 480
    case = Case("a", image, np.stack([image[0] > k / 10 for k in range(10)]))
    crops = Crops([case], SMALL)
    corners = set()
    for crops.epoch in range(30):
        cut, label = crops[0]
        expected = np.mean([cut[0].numpy() > k / 10 for k in range(10)], axis=0)
        np.testing.assert_allclose(label[0], expected, atol=1e-6)
        corners.add(float(cut[0, 0, 0]))
    assert len(corners) > 10


def test_window_is_central_and_stays_inside() -> None:
    assert window((24, 20), 16) == (slice(4, 20), slice(2, 18))
    assert window((24, 20), 16, (-9, 9)) == (slice(0, 16), slice(4, 20))
    assert window((24, 20), 0) == (slice(0, 24), slice(0, 20))


def test_images_that_do_not_fit_are_named() -> None:
    small, large = (
        Case(name, np.zeros((1, n, n), np.float32), np.zeros((3, n, n), bool))
        for name, n in (("small", 12), ("large", 16))
    )
    config = Config()
    require_fit([small, large], replace(config, crop=12))
    require_fit([large, large], config)
    with pytest.raises(ValueError, match="crop must be at most 12, the size of small"):
        require_fit([large, small], replace(config, crop=16))
    with pytest.raises(ValueError, match=r"small has \(1, 12, 12\), large has \(1, 16, 16\); see"):
        require_fit([small, large], config)
    with pytest.raises(ValueError, match=r"sides that 4 divides, got \[10\]"):
        require_fit([small], replace(config, crop=10))


@pytest.mark.parametrize("form", LOSSES)
@pytest.mark.parametrize("per", ["batch", "image"])
def test_training_loss(rng: np.random.Generator, form: str, per: str) -> None:
    logits, label = rng.normal(size=(3, 1, 4, 5)), np.round(rng.random((3, 1, 4, 5)) * 4) / 4
    prob = 1 / (1 + np.exp(-logits))
    entropy = -np.mean(label * np.log(prob) + (1 - label) * np.log(1 - prob))
    pairs = [(prob, label)] if per == "batch" else zip(prob, label, strict=True)
    region = np.mean([reference.loss(form, x, y) for x, y in pairs])
    loss = TrainingLoss(Config(loss=form, per=per, ce_weight=0.4))
    got = float(loss(torch.tensor(logits), torch.tensor(label)))
    assert got == pytest.approx(0.4 * entropy + 0.6 * region, rel=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_resumed_run_is_the_unbroken_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    config = replace(SMALL, labels="random", optimizer=optimizer)
    whole = train(config, data, tmp_path / "whole")
    one_epoch = trainer.Step.epoch

    def killed(step, epoch, loss):  # before its checkpoint
        line = one_epoch(step, epoch, loss)
        if epoch == 1:
            raise KeyboardInterrupt
        return line

    monkeypatch.setattr(trainer.Step, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, data, tmp_path / "broken")
    monkeypatch.undo()
    assert len(rows(tmp_path / "broken" / "log.csv")) == 1
    torch.rand(3)  # the state of the generators must not matter
    resumed = train(config, data, tmp_path / "broken")
    assert all(np.array_equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    logs = [(tmp_path / name / "log.csv").read_bytes() for name in ("whole", "broken")]
    assert logs[0] == logs[1]
    monkeypatch.setattr(trainer.Step, "epoch", None)  # a finished run does not train again
    again = train(config, data, tmp_path / "broken")
    assert all(np.array_equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))


def test_poly_schedule(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path / "run")
    steps = 9  # 3 epochs of 3 batches
    rates = [float(row["lr"]) for row in rows(tmp_path / "run" / "log.csv")]
    expected = [0.01 * (1 - step / steps) ** 0.9 for step in (2, 5, 8)]
    assert rates == pytest.approx(expected, rel=1e-12)


def test_another_seed_is_another_run(data: Path, tmp_path: Path) -> None:
    one = weights(train(SMALL, data, tmp_path / "one"))
    other = weights(train(replace(SMALL, seed=1), data, tmp_path / "other"))
    assert not np.array_equal(one[0], other[0])


def test_a_checkpoint_of_another_configuration_is_refused(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path / "run")
    other = replace(SMALL, loss="sdl")
    with pytest.raises(ValueError, match=r"another configuration \(loss: 'dml1' there, 'sdl' here"):
        train(other, data, tmp_path / "run")
    train(other, data, tmp_path / "run", restart=True)


def test_a_broken_checkpoint_is_named(data: Path, tmp_path: Path) -> None:
    train(SMALL, data, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint\.pt cannot be read .*--restart"):
        train(SMALL, data, tmp_path / "run")


def test_a_loss_that_explodes_stops_the_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="epoch 1; try a smaller --lr"):
        train(replace(SMALL, lr=1e30), data, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("loss", "dice", "loss must be one of dml1"),
        ("epochs", 0, "epochs must be at least 1"),
        ("crop", -1, "crop must be at least 0"),
        ("ce_weight", 1.5, "ce_weight must be from 0 to 1"),
        ("crop", 0, "jitter shifts a crop"),
    ],
)
def test_configurations_that_make_no_sense(field: str, value, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **{field: value})


def test_scores_of_a_case(rng: np.random.Generator) -> None:
    raters = rng.random((4, 8, 9)) < np.linspace(0, 1, 9)
    prob = rng.random((8, 9)).astype(np.float32) * (rng.random((8, 9)) < 0.7)
    scores, _ = evaluate.score_case(prob, raters)
    mean, majority = raters.mean(axis=0), raters.sum(axis=0) > 2
    assert scores["dice"] == pytest.approx(1 - reference.loss("sdl", prob >= 0.5, majority))
    levels = [k / 10 for k in range(1, 10)]
    bdice = [1 - reference.loss("sdl", prob >= np.float32(t), mean >= t) for t in levels]
    assert scores["bdice"] == pytest.approx(np.mean(bdice))
    seen = (prob > 0.01) | raters.any(axis=0)
    place = np.minimum((prob[seen] * 10).astype(int), 9)
    gaps = [abs((prob[seen] - mean[seen])[place == k].sum()) for k in range(10)]
    assert scores["ece"] == pytest.approx(sum(gaps) / seen.sum(), rel=1e-5)


def test_the_whole_command(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [str(data), "--out", str(tmp_path / "run"), "--epochs", "12", "--batch-size", "2"]
    arguments += ["--optimizer", "adamw", "--crop", "16", "--jitter", "2", "--per", "image"]
    main(arguments)
    shown = capsys.readouterr()
    assert shown.err == ""  # a bar is for terminals
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert json.loads(shown.out) == result["scores"]
    assert result["scores"]["dice"] > 0.8
    table = rows(tmp_path / "run" / "scores.csv")
    assert [row["case"] for row in table] == ["case01", "case02", "case03"]
    mean = np.mean([float(row["bdice"]) for row in table])
    assert result["scores"]["bdice"] == pytest.approx(mean)
    losses = [float(row["loss"]) for row in rows(tmp_path / "run" / "log.csv")]
    assert losses[-1] < 0.5 * losses[0]


def test_faults_are_one_line_on_the_command_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, message in (
        ([str(data), "--out", str(tmp_path / "file" / "run")], "error: cannot write to"),
        ([str(tmp_path / "none"), "--out", str(tmp_path / "run")], "error: .*not a folder"),
        ([str(data), "--out", str(tmp_path / "run"), "--crop", "64"], "error: .*crop must be"),
        ([str(data), "--out", str(tmp_path / "run"), "--epochs", "0"], "error: epochs must be"),
    ):
        with pytest.raises(SystemExit, match=message):
            main(arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(data: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot write to"):
        run(SMALL, data, tmp_path / "locked" / "run")


def test_paired_test_counts_patients_and_not_cases() -> None:
    first, second = np.array([0.9, 0.7, 0.5, 0.5]), np.array([0.5, 0.7, 0.4, 0.5])
    result = paired_test(first, second, np.array([0, 0, 1, 2]))
    assert result["mean"] == pytest.approx((0.2 + 0.1 + 0) / 3)
    assert result["patients"] == 3
    assert result["above_zero"] == pytest.approx(2 / 3)
    low, high = result["interval"]
    assert 0 <= low < result["mean"] < high <= 0.2 + 1e-12
    assert paired_test(first, first, np.arange(4))["p"] == 1


def test_compare_trains_once_and_reports(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    patients = [
        {"split": "Testing", "case": f"case{k:02d}", "patient": p}
        for k, p in ((1, "a"), (2, "a"), (3, "b"))
    ]
    (tmp_path / "index.json").write_text(json.dumps(patients))
    arguments = [str(data), "--out", str(tmp_path / "runs"), "--epochs", "1", "--crop", "16"]
    arguments += ["--runs", "dml1:uniform", "sdl:majority", "--seeds", "0", "1"]
    arguments += ["--groups", str(tmp_path / "index.json"), "--report", str(tmp_path / "report")]
    compare.main(arguments)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["groups"] == 2
    assert set(report["runs"]) == {"dml1:uniform", "sdl:majority"}
    table = report["runs"]["dml1:uniform"]["bdice"]
    assert table["mean"] == pytest.approx(np.mean(table["seeds"]))
    assert table["std"] == pytest.approx(np.std(table["seeds"], ddof=1))
    text = (tmp_path / "report.md").read_text()
    assert text == capsys.readouterr().out[:-1]
    assert f"{table['mean']:.4f} ± {table['std']:.4f}" in text
    monkeypatch.setattr(compare, "run_cases", None)
    compare.main(arguments)
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(SystemExit, match="names no patient for case01, case02, case03"):
        compare.main(arguments)
