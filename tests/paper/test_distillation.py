"""Distillation: what a student learns from, by term, and exact resume."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import write_discs

from benchmarks.paper import trainer
from benchmarks.paper.calibration import Predictor
from benchmarks.paper.cases import Case, read_split
from benchmarks.paper.config import Config
from benchmarks.paper.crops import Crops
from benchmarks.paper.distillation import StudentLoss, student_data, with_teacher
from benchmarks.paper.networks.build import build_model

SMALL = Config(
    labels="majority",
    crop=16,
    jitter=2,
    epochs=3,
    batch_size=2,
    n_keys=20,
    bandwidth=1e-2,
    rung="kde",
    model="unet-small",
    teacher_sees="image",
)


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> list[Case]:
    """Bright discs, each marked by three raters who differ in size."""
    root = write_discs(tmp_path / "data", rng, {"Training": 4})
    return read_split(root, "Training", 1)


@pytest.fixture
def teacher() -> Predictor:
    return Predictor(build_model("unet-small", 1))


@pytest.fixture
def stacks(data: list[Case], rng: np.random.Generator) -> list[Case]:
    return with_teacher(data, [rng.random(c.image.shape[1:]).astype(np.float32) for c in data])


def test_crops_carry_the_teacher_and_the_mean_where_the_image_is(stacks: list[Case]) -> None:
    crops = Crops(stacks, SMALL)
    for index, case in enumerate(stacks):
        stack, label = crops[index]
        image, teacher, mean = stack.numpy()
        place = np.flatnonzero(np.isin(case.image[0].ravel(), image.ravel()))
        assert place.size == 16 * 16  # noise makes every pixel known by its value
        by_value = {row[0]: tuple(row[1:]) for row in case.image.reshape(3, -1).T}
        for pixel in np.ndindex(16, 16):
            assert (teacher[pixel], mean[pixel]) == by_value[image[pixel]]
        np.testing.assert_array_equal(label[0].numpy(), mean > 0.5)


def test_the_teacher_predicts_wherever_a_crop_can_lie(data: list[Case], teacher: Predictor) -> None:
    stacks, _ = student_data(SMALL, teacher, data)
    for case, stack in zip(data, stacks, strict=True):
        image, prob, mean = stack.image
        np.testing.assert_array_equal(image, case.image[0])
        np.testing.assert_allclose(mean, case.raters.mean(axis=0), rtol=1e-6)
        assert np.all(prob[2:22] > 0)
        assert not np.any(prob[:2])
        assert not np.any(prob[22:])
    with pytest.raises(ValueError, match=r"crop \+ 2 jitter at most 20"):
        student_data(replace(SMALL, jitter=3), teacher, data)


def test_a_teacher_of_crops_sees_what_the_student_sees(
    data: list[Case], teacher: Predictor
) -> None:
    config = replace(SMALL, teacher_sees="crop", rung="dml")
    cases, objective = student_data(config, teacher, data)
    assert cases is data
    image, label = (part[None] for part in Crops(data, config)[0])
    network = build_model("unet-small", 1).eval()
    prob = teacher.probabilities(image)
    expected = StudentLoss(config, epoch=0)(network(image), label, prob, label)
    found = objective(0)(network, image, label)
    assert found.item() == pytest.approx(expected.item())


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


def train(config: Config, teacher: Predictor, data: list[Case], out: Path) -> tuple:
    out.mkdir(exist_ok=True)
    cases, objective = student_data(config, teacher, data)
    place = torch.device("cpu")
    return trainer.train(config, cases, out, device=place, objective=objective, channels=1)


@pytest.mark.parametrize("rung", ["dml", "kde"])
def test_a_broken_run_ends_as_an_unbroken_one(
    data: list[Case], teacher: Predictor, tmp_path: Path, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SMALL, rung=rung)
    whole, _ = train(config, teacher, data, tmp_path / "whole")
    one_epoch = trainer.Step.epoch

    def killed(step, epoch, loss):
        if epoch == 2:
            raise KeyboardInterrupt
        return one_epoch(step, epoch, loss)

    monkeypatch.setattr(trainer.Step, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, teacher, data, tmp_path / "broken")
    monkeypatch.undo()
    broken, log = train(config, teacher, data, tmp_path / "broken")
    assert [line["epoch"] for line in log] == [1, 2, 3]
    for a, b in zip(whole.state_dict().values(), broken.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(ValueError, match="another configuration"):
        train(replace(config, n_keys=7), teacher, data, tmp_path / "broken")
