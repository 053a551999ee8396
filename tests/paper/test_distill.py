"""Distillation on the training recipe: what the student hears, exact resume, and the report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nibabel = pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import write_discs

from benchmarks.paper import distill, distill_teacher, trainer
from benchmarks.paper.cases import Case, read_split
from benchmarks.paper.data import Crops
from benchmarks.paper.distill_report import paired_tests, sweep
from benchmarks.paper.distill_scores import REACH, score
from benchmarks.paper.distill_training import (
    RUNGS,
    DistillConfig,
    StudentLoss,
    teacher_probs,
    train_student,
    with_teacher,
)
from benchmarks.paper.model import build_model

SMALL = DistillConfig(
    labels="majority", crop=16, jitter=2, epochs=3, batch_size=2, n_keys=20, bandwidth=1e-2
)


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A data set of bright discs, each marked by three raters who differ in size."""
    splits = {"Training": 4, "Validation": 2, "Testing": 3}
    return write_discs(tmp_path / "data", rng, splits)


@pytest.fixture
def heard(data: Path, rng: np.random.Generator) -> list[Case]:
    cases = read_split(data, "Training", 1)
    return with_teacher(cases, [rng.random(c.image.shape[1:]).astype(np.float32) for c in cases])


def test_crops_carry_the_teacher_and_the_mean_where_the_image_is(heard: list[Case]) -> None:
    crops = Crops(heard, SMALL)
    for index, case in enumerate(heard):
        stack, label = crops[index]
        image, teacher, mean = stack.numpy()
        place = np.flatnonzero(np.isin(case.image[0].ravel(), image.ravel()))
        assert place.size == 16 * 16  # noise makes every pixel known by its value
        by_value = {row[0]: tuple(row[1:]) for row in case.image.reshape(3, -1).T}
        for pixel in np.ndindex(16, 16):
            assert (teacher[pixel], mean[pixel]) == by_value[image[pixel]]
        np.testing.assert_array_equal(label[0].numpy(), mean > 0.5)


def test_the_teacher_speaks_wherever_a_crop_can_lie(data: Path) -> None:
    cases = read_split(data, "Training", 1)
    teacher = build_model("unet-wide", 1)
    probs = teacher_probs(teacher, cases, SMALL)
    for prob in probs:
        assert np.all(prob[2:22] > 0)
        assert not np.any(prob[:2])
        assert not np.any(prob[22:])
    with pytest.raises(ValueError, match=r"crop \+ 2 jitter at most 20"):
        teacher_probs(teacher, cases, replace(SMALL, jitter=3))


def dml(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.abs(x - y).sum() / (x.sum() + y.sum()))


def test_each_rung_adds_its_terms(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(2, 1, 8, 8))
    label = (rng.random((2, 1, 8, 8)) < 0.5).astype(float)
    teacher = rng.random((2, 1, 8, 8))
    x = 1 / (1 + np.exp(-logits))

    def entropy(y: np.ndarray) -> float:
        return float(-(y * np.log(x) + (1 - y) * np.log(1 - x)).mean())

    expected = {"hard": 0.25 * entropy(label) + 0.75 * dml(x, label)}
    expected["ce"] = expected["hard"] + 0.25 * entropy(teacher)
    expected["dml"] = expected["ce"] + 0.75 * dml(x, teacher)
    expected["temperature"] = expected["dml"]  # whose teacher is another one
    given = [torch.tensor(a) for a in (logits, label, teacher, label)]
    for rung, value in expected.items():
        loss = StudentLoss(replace(SMALL, rung=rung), epoch=0)
        assert float(loss(*given)) == pytest.approx(value, rel=1e-5), rung
    kde = float(StudentLoss(replace(SMALL, rung="kde"), epoch=0)(*given))
    assert kde != pytest.approx(expected["dml"], rel=1e-3)


def test_the_kernel_moves_a_wrong_teacher_to_the_labels(rng: np.random.Generator) -> None:
    label = torch.zeros(1, 1, 12, 12)
    label[..., 4:8, 4:8] = 1
    mean = label * 0.75
    wrong = 0.2 + 0.6 * (1 - label)  # the teacher has it the wrong way round
    for keys, inside in (("majority", 1.0), ("uniform", 0.75)):
        loss = StudentLoss(replace(SMALL, rung="kde", key_labels=keys), epoch=0)
        signal = loss.signal(label, wrong, mean)
        assert float(signal[0, 0, 5, 5]) == pytest.approx(inside, abs=0.02)
        assert float(signal[0, 0, 0, 0]) == pytest.approx(0.0, abs=0.02)
        again = StudentLoss(loss.config, epoch=0).signal(label, wrong, mean)
        np.testing.assert_array_equal(signal.numpy(), again.numpy())
    near = wrong + 0.02 * torch.tensor(rng.normal(size=wrong.shape), dtype=torch.float32)
    first, second = (
        StudentLoss(replace(SMALL, rung="kde"), epoch=e).signal(label, near, mean) for e in (0, 1)
    )
    assert not np.array_equal(first.numpy(), second.numpy())


@pytest.mark.parametrize("rung", ["dml", "kde"])
def test_a_broken_run_ends_as_an_unbroken_one(
    heard: list[Case], tmp_path: Path, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SMALL, rung=rung)
    place = torch.device("cpu")
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole, _ = train_student(config, heard, tmp_path / "whole", device=place)
    one_epoch = trainer.Step.epoch

    def killed(step, epoch, loss):
        if epoch == 2:
            raise KeyboardInterrupt
        return one_epoch(step, epoch, loss)

    monkeypatch.setattr(trainer.Step, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train_student(config, heard, tmp_path / "broken", device=place)
    monkeypatch.undo()
    broken, log = train_student(config, heard, tmp_path / "broken", device=place)
    assert [line["epoch"] for line in log] == [1, 2, 3]
    for a, b in zip(whole.state_dict().values(), broken.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(ValueError, match="another configuration"):
        train_student(replace(config, n_keys=7), heard, tmp_path / "broken", device=place)


def test_haze_cannot_dilute_the_error_near_the_marks() -> None:
    raters = np.zeros((2, 40, 40), bool)
    raters[:, 18:22, 18:22] = True
    case = Case("one", np.zeros((1, 40, 40), np.float32), raters)
    clean = np.where(raters[0], 0.5, 0.0).astype(np.float32)
    haze = np.maximum(clean, np.float32(0.02))
    (_, before), (_, after) = score([clean], [case]), score([haze], [case])
    assert before["ece"] == pytest.approx(0.5)
    assert after["ece"] < 0.05  # the recipe's error falls by a worse map
    assert after["ece_near"] > before["ece_near"]
    grid = np.indices((40, 40))
    inside = np.clip(grid, 18, 21)
    near = np.abs(grid - inside).sum(axis=0) <= REACH
    assert before["ece_near"] == pytest.approx(0.5 * 16 / near.sum(), rel=1e-5)
    assert before["ece_near"] == pytest.approx(before["ece_near_pooled"])


def test_tests_use_the_seeds_that_both_rows_have() -> None:
    rows = {key: np.array([0.1, 0.2, 0.3]) for key in ("dice", "bdice", "ece", "ece_near")}
    more = {key: value + 0.1 for key, value in rows.items()}
    far = {key: value + 9.0 for key, value in rows.items()}
    cases = {"hard": {0: rows, 1: far}, "+kde": {0: more}}
    teacher = {"raw": rows, "temperature": rows, "kernel": more}
    found = paired_tests(cases, teacher, np.arange(3))
    assert found["+kde - hard"]["dice"]["mean"] == pytest.approx(0.1)
    assert found["teacher: temperature - raw"]["ece"]["p"] == 1.0
    assert found["teacher: kernel - raw"]["ece"]["mean"] == pytest.approx(0.1)
    assert "+kde - +dml" not in found


def test_the_command_trains_reports_and_is_read_again(
    data: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = [str(data), "--out", str(tmp_path / "runs"), "--seeds", "0", "1", "--sweep-seeds", "1"]
    argv += ["--bandwidths", "0.001", "0.01", "--crop", "16", "--jitter", "2", "--epochs", "1"]
    argv += ["--teacher-epochs", "2", "--batch-size", "2", "--n-keys", "20"]
    report = tmp_path / "results" / "small"
    distill.main([*argv, "--report", str(report)])
    found = json.loads(report.with_suffix(".json").read_text())
    assert list(found["runs"]) == [*distill.LADDER, "h = 0.01"]
    assert found["runs"]["+kde"]["seeds"] == [0, 1]
    assert found["runs"]["h = 0.01"]["seeds"] == [1]
    assert set(found["signals"]) == {"+dml", "+temperature", "+kde", "+kde, soft keys"}
    assert found["teacher_config"]["labels"] == "uniform"
    assert found["config"]["labels"] == "majority"
    fits = found["teacher"]["fits"]
    assert 0.01 < fits["temperature"]["temperature"] < 100
    text = report.with_suffix(".md").read_text()
    for name in (*distill.LADDER, "0", "0.001", "0.01"):
        assert f"| {name} |" in text
    assert report.with_suffix(".png").stat().st_size > 10_000
    monkeypatch.setattr(distill, "run_student", None)  # what is finished is not trained again
    monkeypatch.setattr(distill_teacher, "run_cases", None)
    (tmp_path / "runs" / "dml-seed1" / "result.json").unlink()
    distill.main([*argv, "--report", str(report), "--finished"])
    again = json.loads(report.with_suffix(".json").read_text())
    assert again["runs"]["+dml"]["seeds"] == [0]
    assert again["runs"]["hard"] == found["runs"]["hard"]
    rows = sweep(found)
    assert list(rows) == ["0", "0.001", "0.01"]
    assert [r["seeds"] for r in rows.values()] == [[1]] * 3
    assert rows["0.001"]["scores"]["dice"] == found["runs"]["+kde"]["scores"]["dice"][1:]
    assert "--seeds 0 1 --sweep-seeds 1" in text
    assert str(tmp_path) not in text
    capsys.readouterr()
    with pytest.raises(SystemExit, match="jitter at most 20"):
        distill.main([*argv, "--jitter", "4"])


def test_the_names_of_rungs_are_those_of_the_ladder() -> None:
    assert {fields["rung"] for fields in distill.LADDER.values()} == set(RUNGS)
