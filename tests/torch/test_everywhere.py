"""The benchmark of everything: what it writes, and that ours and the peers agree where it looks."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

for needed in ("torch", "jax", "dask", "monai", "torchmetrics", "sklearn", "SimpleITK", "optax"):
    pytest.importorskip(needed)

ROOT = Path(__file__).parents[2]
SOME = (
    "region/(dml1|binarized_dice)/(tiny|.* float16)|fusion/rater_agreement/tiny"
    "|losses/.*(softmax labels|sigmoid soft|mask)$|reading/overlap"
)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.speed.everywhere", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the command."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed import everywhere

    return everywhere


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("everywhere")
    done = run("--quick", "--only", SOME, "--out", str(out))
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    return out, done.stdout


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((out / "everywhere-cpu.json").read_text())["rows"]
    return found


def test_rows_hold_both_sides(measured: tuple[Path, str]) -> None:
    found = rows(measured[0])
    for row in found:
        assert "errors" not in row
        assert row["seconds"] > 0
        if row["peer"]:
            assert row["peer_seconds"] == min(row["peers"].values())
            assert row["peer_ratio"] == pytest.approx(row["peer_seconds"] / row["seconds"])
        assert (row["numpy_ratio"] is None) == (row["numpy_seconds"] is None)
    libraries = {row["library"] for row in found if row["function"] == "dml1"}
    assert libraries == {"NumPy", "torch", "JAX", "JAX jit", "Dask"}
    assert {"MONAI", "nnU-Net's formula"} <= {p for row in found for p in row["peers"]}


def test_table_and_picture(measured: tuple[Path, str]) -> None:
    out, text = measured
    assert "worst at" in text
    assert (out / "everywhere-cpu.png").stat().st_size > 10_000
    refused = run("--table", "--out", str(out))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    found = json.loads((out / "everywhere-cpu.json").read_text())
    assert found["quick"]
    assert found["only"] == SOME
    full = out / "full"
    full.mkdir()
    (full / "everywhere-cpu.json").write_text(json.dumps(found | {"quick": False, "only": ""}))
    table = run("--table", "--out", str(full)).stdout.splitlines()
    assert table[0] == "| ours | against | n | worst | median | best | worst at |"
    monai = next(line for line in table if line.startswith("| loss and gradient, torch | MONAI"))
    assert monai.count("|") == 8
    assert "DiceSemimetricLoss, (" in monai


def test_another_result_is_an_error_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed.comparison import Calls, Comparison

    def make() -> Calls:
        return Calls(
            {"NumPy": lambda: 1.0, "torch": lambda: 1 / 0},
            {"right": lambda: 1.0, "wrong": lambda: 1.1, "other formula": lambda: 2.0},
        )

    case = Comparison("topic", "f", "x", make, frozenset({"other formula"}))
    ours, broken = case.measure(threads=1, repeats=1, budget=0.1)
    assert set(ours["peers"]) == {"right", "other formula"}
    assert set(ours["errors"]) == {"wrong"}
    assert broken["seconds"] is None
    assert "ZeroDivisionError" in broken["errors"]["torch"]


@pytest.mark.parametrize("calls", ["none", "all fail"])
def test_what_fails_at_all_is_a_row(calls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed.comparison import Calls, Comparison
    from benchmarks.speed.table import as_text

    def make() -> Calls:
        if calls == "none":
            raise ValueError("no input")
        return Calls({"torch": lambda: 1 / 0}, {"MONAI": lambda: 1 / 0})

    (row,) = Comparison("region", "f", "x", make).measure(threads=1, repeats=2, budget=0.1)
    assert row["seconds"] is None
    error = row["errors"]["make" if calls == "none" else "torch"]
    assert error in ("ValueError: no input", "ZeroDivisionError: division by zero")
    assert as_text([row], markdown=True).count("\n") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ("--only", "["),
        ("--threads", "0"),
        ("--threads", "-1"),
        ("--threads", "100000"),
        ("--repeats", "0"),
        ("--budget", "-1"),
        ("--budget", "nan"),
    ],
)
def test_wrong_options_are_told(
    wrong: tuple[str, str], everywhere: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        everywhere.main([*wrong])
    assert stopped.value.code == 2
    assert f"argument {wrong[0]}: {wrong[1]}" in capsys.readouterr().err.splitlines()[-1]


def test_a_table_needs_a_record(
    everywhere: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert everywhere.main(["--table", "--out", str(tmp_path)]) == 2
    assert "there is no record" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, -9])
def test_a_run_of_some_leaves_the_full_record_alone(
    code: int,
    everywhere: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither a pattern that matches nothing nor a process that fails touches it."""

    def held(command: list[str], threads: int, **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(everywhere, "run_held", held)
    monkeypatch.setattr(everywhere, "RESULTS", Path("/nowhere"))
    monkeypatch.setattr(everywhere.tempfile, "tempdir", str(tmp_path))
    assert everywhere.main(["--quick", "--only", "zzz"]) == (1 if code else 2)
    said = capsys.readouterr()
    assert ("ended with status -9" if code else "no comparison's name holds zzz") in said.err
    assert f"writing to {tmp_path}" in said.out


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no choice of cores")
def test_a_process_is_held_to_its_threads(everywhere: Any) -> None:
    before = os.sched_getaffinity(0)
    script = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])"
    done = everywhere.run_held([sys.executable, "-c", script], 1, stdout=subprocess.PIPE)
    assert done.stdout.split() == ["1", "1"]
    assert os.sched_getaffinity(0) == before


def test_memory_whose_process_fails_is_a_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, everywhere: Any
) -> None:
    from benchmarks.speed import heatmap, peaks, table

    def held(command: list[str], threads: int, **_: Any) -> subprocess.CompletedProcess[str]:
        assert threads == 2
        return subprocess.CompletedProcess(command, 1 if command[-1] == "MONAI" else 0, "1.5")

    monkeypatch.setattr(peaks, "run_held", held)
    row = next(peaks.rows(re.compile("memory/Dice"), 2))
    assert (row["peak"], row["peer_peak"]) == (1.5, None)
    assert row["errors"] == {"MONAI": "its process ended with status 1"}
    assert table.as_text([row], markdown=True).count("\n") == 1
    heatmap.draw([row], tmp_path / "none.png")
    assert not everywhere.report([row])


def test_the_calmer_samples_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is held up in some rounds takes the time of the others."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed import timing

    samples = iter([(1.0, 0.0), (9.0, 8.0), (1.2, 0.0), (7.0, 6.0), (1.1, 0.0)])
    monkeypatch.setattr(timing, "_sample", lambda call, number: next(samples))
    found, waited = timing.interleaved({"one": lambda: None}, repeats=5, budget=100)
    assert found == {"one": pytest.approx(1.1)}
    assert waited == 0
