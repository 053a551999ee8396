"""The benchmark for a GPU runs to its end before it meets one."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("monai")
pytest.importorskip("torchmetrics")
torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark's module."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed import gpu

    return gpu


def test_rehearsal_goes_through_every_case(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--rehearse"]) == 0
    text = capsys.readouterr().out
    words = ("overlap", "thresholds", "bins", "majority vote", "Dice-weighted mean", "loss of")
    for word in (*words, "kernel regression", "Dice of", "ECE"):
        assert word in text
    for peer in ("MONAI", "torchmetrics", "plain torch"):
        assert peer in text
    assert not list((ROOT / "benchmarks/results").glob("gpu-cpu*.json"))


def test_without_a_gpu_it_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "benchmarks.speed.gpu", "--no-suite"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "nothing was run" in done.stderr
    assert not done.stdout


def test_other_results_than_ours_stop_the_run(gpu: Any) -> None:
    case = gpu.GpuCase("x", {"ours": lambda: 1.0, "peer": lambda: 1.1}, 1, 1)
    with pytest.raises(AssertionError, match="peer"):
        gpu.measure(case, "cpu", 1, 1.0)


def test_what_does_not_fit_is_a_row_of_its_own(gpu: Any) -> None:
    def full() -> float:
        raise MemoryError

    case = gpu.GpuCase("x", {"ours": lambda: 1.0, "peer": full}, 1, 1)
    rows = gpu.measure(case, "cpu", 1, 1.0)
    assert "error" not in rows[0]
    assert rows[1]["error"] == "out of memory"
    gpu.show({"copy_bytes_per_second": 1.0, "rows": rows})
