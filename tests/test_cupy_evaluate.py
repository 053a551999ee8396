"""`evaluate --device cuda` gives what the processor gives; a stand-in takes the GPU's place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nibabel")
pytest.importorskip("dice_semimetric_nifti.devices")

from dice_semimetric_cupy.stream import Host
from dice_semimetric_nifti import cli, devices


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path]:
    """Some phantoms: masks of five raters, and predictions."""
    folder = tmp_path / "study"
    assert cli.main(["phantoms", "--out", str(folder), "--cases", "4", "--shape", "24", "20"]) == 0
    return folder / "raters", folder / "prediction"


def summary(study: Any, out: Path, *options: str) -> Any:
    folder, pred = study
    command = ["evaluate", "--pred", str(pred), "--ref", str(folder), "--out", str(out)]
    assert cli.main([*command, "--no-pictures", *options]) == 0
    return json.loads((out / "summary.json").read_text()), (out / "cases.csv").read_text()


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for k in sorted(value) for n in numbers(value[k])]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [float(value)] if isinstance(value, int | float) else []


class Moved(Host):
    """Host memory that notes what it is given."""

    def __init__(self) -> None:
        self.shapes: list[Any] = []

    def start(self, arrays: Any) -> Any:
        self.shapes.append([a.shape for a in arrays])
        return tuple(a.copy() for a in arrays)


def test_scores_are_those_of_the_processor(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Moved()
    monkeypatch.setattr(devices, "upload_to", lambda device: moved)
    want, table = summary(study, tmp_path / "cpu")
    got, found = summary(study, tmp_path / "cuda", "--device", "cuda")
    assert len(moved.shapes) == 4
    assert len(numbers(want)) > 10
    np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-6)
    assert len(found.splitlines()) == len(table.splitlines())


def test_on_a_gpu(study: Any, tmp_path: Path) -> None:
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy finds no GPU")
    want, _ = summary(study, tmp_path / "cpu")
    got, _ = summary(study, tmp_path / "cuda", "--device", "cuda")
    np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-6)


def test_without_a_gpu_the_command_says_so(
    study: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    folder, pred = study
    out = tmp_path / "out"
    command = ["evaluate", "--pred", str(pred), "--ref", str(folder), "--out", str(out)]
    assert cli.main([*command, "--device", "cuda"]) == 2
    assert "needs CuPy" in capsys.readouterr().err
    assert not list(out.rglob("*.csv"))
    assert cli.main([*command, "--device", "cuda", "--jobs", "2"]) == 2
    assert "--jobs" in capsys.readouterr().err
