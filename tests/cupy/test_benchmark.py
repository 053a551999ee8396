"""The benchmark for a GPU runs to its end before it meets one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, TextIO

import pytest

pytest.importorskip("monai")
pytest.importorskip("torchmetrics")
pytest.importorskip("triton")
torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.speed.gpu", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def timing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that measures."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed import gpu_timing

    return gpu_timing


def test_rehearsal_goes_through_every_case(tmp_path: Path) -> None:
    pytest.importorskip("dice_semimetric_cupy.kernels")
    out = tmp_path / "gpu.json"
    done = run("--rehearse", "--part", "benchmarks", "training", "--out", str(out))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(out.read_text())
    names = [row["case"] for row in found["rows"]]
    words = ("overlap", "thresholds", "bins", "BDice", "majority", "Dice-weighted mean", "loss of")
    for word in (*words, "kernel regression", "Dice of", "ECE"):
        assert any(word in name for name in names), word
    functions = {row["function"] for row in found["rows"]}
    assert {"NumPy", "torch", "ours", "MONAI", "torchmetrics", "plain torch"} <= functions
    assert {row["function"] for row in found["training"]} == {"ours", "MONAI", "no loss"}
    assert set(found["parts"]) == {"benchmarks", "training"}
    for part in found["parts"].values():
        assert set(part) == {"environment", "copy_bytes_per_second", "seconds"}


def test_what_is_recorded_is_printed_and_stands_in_the_docs() -> None:
    done = run("--table", "--name", "h100")
    assert "| loss of 2 x 4 x 256 x 256 x 256, labels | ours |" in done.stdout
    assert done.stdout in (ROOT / "docs" / "speed.md").read_text()


def test_without_a_gpu_it_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = run("--part", "benchmarks")
    assert done.returncode == 3
    assert "nothing was run" in done.stderr
    assert not done.stdout


def test_another_result_than_ours_and_what_raises_are_rows_of_their_own(timing: Any) -> None:
    def full() -> float:
        raise MemoryError

    functions = {"ours": lambda: 1.0, "other": lambda: 1.1, "full": full, "bad": lambda: 1 / 0}
    case = timing.GpuCase("x", {**functions, "same": lambda: 1.0}, 1, 1)
    rows = {row["function"]: row for row in timing.measure(case, "cpu", 1, 1.0)}
    assert "ours 1.0" in rows["other"]["error"]
    assert rows["full"]["error"] == "out of memory"
    assert "ZeroDivisionError" in rows["bad"]["error"]
    assert "error" not in rows["ours"]
    assert "error" not in rows["same"]


def test_what_the_tests_print_is_written_as_it_comes(timing: Any, tmp_path: Path) -> None:
    from benchmarks.speed import gpu

    report = tmp_path / "gpu.tests.txt"
    script = "import sys; print('one', flush=True); print(); print('= 1 passed =')"
    with report.open("w", buffering=1) as file:
        lines = gpu.run_pytest([sys.executable, "-c", script], file)
    assert lines == ["one", "= 1 passed ="]
    assert report.read_text().splitlines() == ["one", "", "= 1 passed ="]


def test_a_report_and_a_status_are_of_their_own_run(
    timing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an older report nor the errors of another part stay in them."""
    from benchmarks.speed import gpu

    path = tmp_path / "gpu.json"
    path.write_text(json.dumps({"rows": [{"error": "of another day"}]}))
    path.with_suffix(".tests.txt").write_text("old")

    def run_pytest(command: list[str], file: TextIO) -> list[str]:
        file.write("new")
        return ["= 1 passed ="]

    monkeypatch.setattr(gpu, "run_pytest", run_pytest)
    assert gpu.main(["--rehearse", "--part", "tests", "--out", str(path)]) == 0
    assert path.with_suffix(".tests.txt").read_text() == "new"
    assert set(json.loads(path.read_text())["parts"]) == {"tests"}


def test_wheels_are_listed_that_are_absent_or_too_old(
    timing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.speed import gpu_wheels

    there = dict.fromkeys((need.split("[")[0] for need in gpu_wheels.NEEDS), "99.0a0+local")
    there |= {"torch": "2.5.1+cu124", "monai": "1.10.0", "numba": "0.60.0rc1"}
    del there["cupy-cuda12x"], there["ml-dtypes"]

    def version(name: str) -> str:
        if name not in there:
            raise gpu_wheels.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(gpu_wheels, "version", version)
    names = [need.split("==")[0] for need in gpu_wheels.missing()]
    assert names == ["torch", "ml-dtypes", "cupy-cuda12x[ctk]"]
    there["cupy-cuda13x"] = "14.0"
    assert "cupy-cuda12x[ctk]" not in " ".join(gpu_wheels.missing())


def test_a_cut_leaves_a_whole_file_and_a_later_part_is_added(timing: Any, tmp_path: Path) -> None:
    from benchmarks.speed.gpu_record import Record

    path = tmp_path / "gpu.json"
    record = Record(path)
    record.set("rows", [])
    for number in range(3):
        record.add("rows", {"number": number})
        assert len(json.loads(path.read_text())["rows"]) == number + 1
    later = Record(path)
    later.set("tests", {"calls": 1})
    assert set(json.loads(path.read_text())) == {"rows", "tests"}
