"""The training loop: exact resume, schedule, and checkpoints that are refused."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import write_discs

from benchmarks.paper import trainer
from benchmarks.paper.cases import read_split
from benchmarks.paper.config import Config

SMALL = Config(model="unet-small", crop=16, jitter=3, epochs=3, batch_size=2)


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
