"""A Dask cluster that runs elsewhere: the same results, and no doubt about who can reach it."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.runs import scheduler
from study_files import study, tree

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed", reason="--scheduler needs distributed")
ARGV = ["evaluate", "--pred", "pred", "--ref", "ref", "--no-pictures"]


def cluster_of(protocol: str, **how: Any) -> Any:
    return distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=4,
        processes=False,
        dashboard_address=None,
        host="127.0.0.1",
        protocol=protocol,
        **how,
    )


def test_a_cluster_that_runs_elsewhere(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    study(tmp_path, tasks=("task01", "task02"))
    assert main([*ARGV, "--out", "one"]) == 0
    assert capsys.readouterr().err == ""
    with cluster_of("tcp") as cluster:
        assert main([*ARGV, "--out", "two", "--scheduler", cluster.scheduler_address]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"--scheduler {cluster.scheduler_address} is neither encrypted")
    assert "can run programs as you" in line
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_a_cluster_with_certificates(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    study(tmp_path)
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem "
        "-subj /CN=localhost",
        shell=True,
        check=True,
        capture_output=True,
    )
    names = {"ca-file": "cert.pem", "client.cert": "cert.pem", "client.key": "key.pem"}
    own = {f"distributed.comm.tls.{name}": value for name, value in names.items()}
    both = {"tls_ca_file": "cert.pem"} | {
        f"tls_{role}_{what}": f"{what}.pem"
        for role in ("client", "scheduler", "worker")
        for what in ("cert", "key")
    }
    security = distributed.Security(require_encryption=True, **both)
    assert main([*ARGV, "--out", "one"]) == 0
    with cluster_of("tls", security=security) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        assert main([*ARGV, "--out", "two", "--scheduler", address]) == 2
        text = capsys.readouterr().err
        assert f"no scheduler at {address}" in text
        assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in text
        with dask.config.set(own):
            assert main([*ARGV, "--out", "two", "--scheduler", address]) == 0
    assert capsys.readouterr().err == ""
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_no_scheduler_and_bad_numbers(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(scheduler, "_PATIENCE", "1s")
    ref, pred = study(tmp_path)
    argv = ["evaluate", "--pred", str(pred), "--ref", str(ref), "--out", str(tmp_path / "out")]
    for options, words in (
        (["--scheduler", "tcp://127.0.0.1:1"], "no scheduler at tcp://127.0.0.1:1"),
        (["--scheduler", "nonsense://x"], "no scheduler at nonsense://x"),
        (["--jobs", "-1"], "must be at least 0"),
        (["--jobs", "2", "--scheduler", "tcp://x:1"], "not allowed with"),
    ):
        assert main([*argv, *options]) == 2, options
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("broken", [False, True])
def test_without_the_package(tmp_path: Path, monkeypatch, capsys, broken: bool) -> None:
    study(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "distributed")
    if broken:
        (tmp_path / "distributed.py").write_text("raise AttributeError('no such name')")
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*ARGV, "--out", "one", "--scheduler", "tls://x:1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--scheduler needs the package distributed" in line
    assert "pip install 'dice-semimetric[cluster]'" in line
    assert line.endswith("or in a clone pip install -e '.[cluster]'")
    assert ("no such name" in line) == broken
    assert main([*ARGV, "--out", "one", "--jobs", "2"]) == 0


class Lost:
    """What Dask's future is when the process that held its result was killed before it was read."""

    def __init__(self, status: str, error: BaseException | None = None) -> None:
        self.status, self._error = status, error

    def exception(self) -> BaseException | None:
        return self._error

    def result(self) -> scheduler.Found:
        if self._error is not None:
            raise self._error
        return scheduler.Found(["one", "two"], 0.5)


def test_a_result_that_was_lost_is_made_again() -> None:
    killed = distributed.KilledWorker("task", None, 1)
    cancelled = distributed.client.FutureCancelledError("task", "lost")
    for future in (
        Lost("pending"),
        Lost("lost"),
        Lost("cancelled"),
        Lost("error", killed),
        Lost("finished", killed),
        Lost("finished", cancelled),
    ):
        assert scheduler._found(future, 2) is None
    assert scheduler._found(Lost("finished"), 2) == scheduler.Found(["one", "two"], 0.5)
    failures = scheduler._found(Lost("error", ValueError("no such module")), 2).outcomes
    assert ["no such module" in f.reason for f in failures] == [True, True]
