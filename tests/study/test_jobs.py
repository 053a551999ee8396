"""Many processes: the same results, and what is left when one or all of them die."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dice_semimetric_study.cases.layout import CaseFiles
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import Fault
from dice_semimetric_study.runs import cluster
from dice_semimetric_study.runs.cluster import Workers
from dice_semimetric_study.runs.each import each_case
from dice_semimetric_study.runs.processes import Processes
from study_files import COMMAND, study, tree


def lasting(folder: Path) -> dict[str, bytes]:
    """Return all files but the records of labels, which hold the time of their writing."""
    return {n: c for n, c in tree(folder).items() if not n.startswith("fused/records")}


def spoiled_study(root: Path) -> tuple[Path, Path]:
    ref, pred = study(root, cases=[f"case{c:02d}" for c in range(7)], tasks=("task01", "task02"))
    (pred / "case03/task02.nii.gz").write_bytes(b"this is not an image")
    (ref / "case05/task01_seg02.nii.gz").write_bytes(b"")
    return ref, pred


def test_two_processes_give_the_same_results(tmp_path: Path, capsys) -> None:
    ref, pred = spoiled_study(tmp_path)
    text = {}
    for jobs in ("1", "2"):
        out = tmp_path / jobs
        argv = ["--jobs", jobs, "--out"]
        files = ["--pred", str(pred), "--ref", str(ref)]
        assert main(["evaluate", *files, *argv, str(out / "scores")]) == 1
        assert main(["fuse", str(ref), "--method", "weighted", *argv, str(out / "fused")]) == 1
        text[jobs] = capsys.readouterr()
    assert lasting(tmp_path / "1") == lasting(tmp_path / "2")
    assert sorted(text["1"].err.splitlines()) == sorted(text["2"].err.splitlines())
    assert "case03 task02: task02.nii.gz is corrupt" in text["2"].err


def die_or_name(files: CaseFiles) -> str:
    """Kill the process at some cases: at "twice" always, at "once" where no file tells of it."""
    if files.case == "twice":
        os.kill(os.getpid(), signal.SIGKILL)
    if files.case.startswith("once"):
        mark = Path(files.task)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return files.case


def test_a_killed_process_costs_its_case_only(tmp_path: Path, capsys) -> None:
    names = ["a", "twice", *(f"c{i}" for i in range(6)), "once", "z"]
    items = [CaseFiles(n, str(tmp_path / n)) for n in names]
    results: list[str] = []
    workers = Workers(jobs=2)
    faults = each_case(die_or_name, items, results=results, action="test", workers=workers)
    assert results == [n for n in names if n != "twice"]
    assert [(f.case, "killed" in f.reason) for f in faults] == [("twice", True)]
    assert capsys.readouterr().err.count("\n") == 1


def slowly(files: CaseFiles) -> str:
    time.sleep(0.2)
    return files.case


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_done_stays_when_the_user_stops(tmp_path: Path, jobs: int) -> None:
    items = [CaseFiles(f"c{i:03d}", "") for i in range(100)]
    results: list[str] = []
    faults: list[Fault] = []

    def stop(item: Any, result: str) -> None:
        if item.case == "c004":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each_case(
            slowly,
            items,
            results=results,
            faults=faults,
            action="test",
            workers=Workers(jobs=jobs),
            keep=stop,
        )
    assert "c004" in results
    assert results == sorted(results)
    assert 1 <= len(results) < 12


def children(pid: int) -> set[int]:
    import psutil

    return {c.pid for c in psutil.Process(pid).children(recursive=True)}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_whole_group_is_stopped(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C reaches every process of the group; kill -9 only the first, and none stays behind."""
    import psutil

    ref, _ = study(tmp_path, cases=[f"c{i:03d}" for i in range(150)], shape=(60, 60, 8))
    out = tmp_path / "out"
    argv = [*COMMAND, "fuse", str(ref), "--out", str(out), "--method", "staple", "--jobs", "2"]
    run = subprocess.Popen(
        argv,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell has what it starts in the background ignore Ctrl-C, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while run.poll() is None and len(list(out.glob("c*/task01.nii.gz"))) < 5:
        time.sleep(0.01)
    others = children(run.pid)
    (os.killpg if how == signal.SIGINT else os.kill)(run.pid, how)
    _, err = run.communicate(timeout=60)
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert err.count("\n") == 1, err
        assert "stopped by the user after" in err
        assert (out / "raters.csv").is_file()
    done = list(out.glob("c*/task01.nii.gz"))
    assert 5 <= len(done) < 150
    deadline = time.monotonic() + 30
    while any(psutil.pid_exists(p) for p in others) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(psutil.pid_exists(p) for p in others)


def test_short_items_travel_together(monkeypatch) -> None:
    sent = []
    send = Processes.send
    monkeypatch.setattr(
        Processes, "send", lambda self, places: sent.append(len(places)) or send(self, places)
    )
    found = dict(cluster.outcomes(abs, range(-299, 1), Workers(jobs=2)))
    assert found == {i: 299 - i for i in range(300)}
    assert sum(sent) == 300
    assert max(sent) > 1
    assert len(sent) < 150


def listening(pid: int) -> set[str]:
    """Return the sockets of a process, by their inodes, that wait for others to connect."""
    own = {os.readlink(f) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()}
    found = set()
    for table, states in (("tcp", {"0A"}), ("tcp6", {"0A"}), ("udp", {"07"}), ("udp6", {"07"})):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] in states and f"socket:[{fields[9]}]" in own:
                found.add(f"{table} {fields[1]}")
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[3], 16) & 0x10000 and f"socket:[{fields[6]}]" in own:  # it accepts
            found.add(f"unix {fields[7:]}")
    return found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs Linux's /proc")
def test_nothing_listens_while_processes_work() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert len(listening(os.getpid())) == 1
    before = listening(os.getpid())
    seen = set()
    for _, pid in cluster.outcomes(pid_of, range(12), Workers(jobs=2)):
        seen.add(pid)
        for one in {os.getpid(), *children(os.getpid())}:
            with suppress(OSError):  # it has ended
                assert listening(one) <= before
    assert len(seen) == 2


def pid_of(_: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def test_processes_that_cannot_start(tmp_path: Path) -> None:
    """A script without a guard would start itself again and again; it is told so once."""
    script = tmp_path / "script.py"
    script.write_text(
        "from dice_semimetric_study.runs.cluster import Workers, outcomes\n"
        "print(list(outcomes(abs, [-1, -2], Workers(jobs=2))))\n"
    )
    done = subprocess.run(
        [sys.executable, script], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert "the processes that it starts die at once" in done.stderr.splitlines()[-1]
    script.write_text(
        "from dice_semimetric_study.runs.cluster import Workers, outcomes\n"
        "if __name__ == '__main__':\n"
        "    print(sorted(outcomes(abs, [-1, -2], Workers(jobs=2))))\n"
    )
    done = subprocess.run(
        [sys.executable, script], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.stdout == "[(0, 1), (1, 2)]\n", done.stderr
