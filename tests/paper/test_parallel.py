"""One training on several processes: shares of a batch, equal networks, one writer."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

import torch.distributed as dist
from paper_data import prepared_discs

from benchmarks.paper import parallel
from benchmarks.paper.config import Config
from benchmarks.paper.study import Splits, Study

SMALL = Config(train_split="all", model="unet-small", epochs=2, batch_size=4, folds=2)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_the_shares_of_a_batch_are_the_batch(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    order = [5, 3, 1, 0, 2, 4, 6]
    monkeypatch.setattr(parallel, "size", lambda: number)
    shares = []
    for rank in range(number):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        shares.append(parallel.share(order, 4))
    for k, batches in enumerate(zip(*shares, strict=True)):
        assert len({len(batch) for batch in batches}) == 1
        joined = [case for step in zip(*batches, strict=True) for case in step]
        wanted = order[4 * k : 4 * k + 4]
        assert joined[: len(wanted)] == wanted
        assert set(joined) <= set(order)
    monkeypatch.setattr(parallel, "size", lambda: 3)
    with pytest.raises(ValueError, match="multiple of the 3 processes"):
        parallel.share(order, 4)


def test_alone_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert parallel.start("cpu") == "cpu"
    assert (parallel.size(), parallel.first(), parallel.group()) == (1, True, None)


def train(out: Path) -> None:
    data = prepared_discs(np.random.default_rng(1), [1] * 8)
    study = Study(data, out, Splits(2))
    study.make(study.parts(SMALL)[0])
    study.make(study.parts(replace(SMALL, per="image", labels="majority"))[0])


def worker(rank: int, port: int, out: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    parallel.start("cpu")
    train(out)
    parallel.stop()


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(worker, (port, tmp_path / "two"), nprocs=2)
    train(tmp_path / "one")
    for path in (tmp_path / "one").rglob("log.csv"):
        one = np.loadtxt(path, delimiter=",", skiprows=1)
        two = np.loadtxt(
            tmp_path / "two" / path.relative_to(tmp_path / "one"), delimiter=",", skiprows=1
        )
        assert two[:, :2].tolist() == one[:, :2].tolist()  # as many epochs and steps
        # batch normalisation sees half a batch
        np.testing.assert_allclose(two[:, 2], one[:, 2], rtol=0.05)
    assert len(list((tmp_path / "two").rglob("scores.csv"))) == 2
