"""The benchmark of everything: what it writes, and that ours and the peers agree where it looks."""

import json
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
    table = run("--table", "--out", str(out)).stdout.splitlines()
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


def test_the_calmer_samples_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is held up in some rounds takes the time of the others."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed import timing

    samples = iter([(1.0, 0.0), (9.0, 8.0), (1.2, 0.0), (7.0, 6.0), (1.1, 0.0)])
    monkeypatch.setattr(timing, "_sample", lambda call, number: next(samples))
    found, waited = timing.interleaved({"one": lambda: None}, repeats=5, budget=100)
    assert found == {"one": pytest.approx(1.1)}
    assert waited == 0
