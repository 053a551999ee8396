"""How many threads work takes, and that it does not depend on them."""

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest

from dice_semimetric._lib import threads as module
from dice_semimetric._lib.threads import map_parts, thread_count, threads


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_work_takes_the_cores_that_the_process_may_use() -> None:
    assert thread_count() == 4


@pytest.mark.parametrize(("limit", "count"), [("1", 1), ("3", 3), ("9", 4), ("0", 1), ("", 4)])
def test_the_environment_sets_a_limit(monkeypatch, limit, count) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert thread_count() == count


def test_a_worker_takes_one() -> None:
    assert in_a_thread(thread_count) == 1
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(thread_count) == 1


def test_the_library_in_use_has_the_last_word() -> None:
    with threads(7):
        assert thread_count() == 7
    assert thread_count() == 4


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_results_come_in_the_order_of_the_parts(count) -> None:
    with threads(count):
        assert map_parts(lambda part: part**2, range(100)) == [n**2 for n in range(100)]
        assert map_parts(lambda part: part, []) == []


def test_several_threads_work() -> None:
    meet = threading.Barrier(3, timeout=60)
    with threads(3):
        map_parts(lambda _: meet.wait(), range(3))


def test_where_no_thread_may_start_the_caller_does_all(monkeypatch) -> None:
    start, started = threading.Thread.start, []

    def refuse(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with threads(13):
        assert map_parts(abs, range(4)) == [0, 1, 2, 3]
        assert map_parts(abs, range(20)) == list(range(20))


def test_an_error_reaches_the_caller() -> None:
    def fail(part: int) -> None:
        raise ValueError(f"part {part}")

    with threads(2), pytest.raises(ValueError, match="part"):
        map_parts(fail, range(5))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_was_forked_starts_threads_of_its_own() -> None:
    code = (
        "import os, sys\n"
        "from dice_semimetric._lib.threads import map_parts, threads\n"
        "with threads(3):\n"
        "    map_parts(abs, range(9))\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(map_parts(abs, range(9)) != list(range(9)))\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
