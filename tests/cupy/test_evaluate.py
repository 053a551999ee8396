"""`evaluate --device cuda` gives what the processor gives; a stand-in takes the GPU's place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nibabel")
pytest.importorskip("dice_semimetric_study.scores.devices")

from dice_semimetric_cupy.stream import Host
from dice_semimetric_study import cli
from dice_semimetric_study.scores import device_sums, devices
from study_files import organs
from study_files import study as small_study


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
    found = json.loads((out / "summary.json").read_text())
    found["options"].pop("slab")
    return found, (out / "cases.csv").read_text()


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


class Small(Moved):
    """The same with room for so many voxels at a time."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def start(self, arrays: Any) -> Any:
        if arrays and arrays[0].shape[-1] > self.most:
            raise MemoryError(f"{arrays[0].shape[-1]} find no memory")
        return super().start(arrays)


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


def test_one_half_is_background_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of raters who tie, against them and against itself."""
    monkeypatch.setattr(devices, "upload_to", lambda device: Moved())
    ref, _ = small_study(tmp_path, raters=4)
    fused = tmp_path / "fused"
    assert cli.main(["fuse", str(ref), "--method", "uniform", "--out", str(fused)]) == 0
    for folder in (ref, fused):
        found, _ = summary((folder, fused), tmp_path / f"of-{folder.name}", "--device", "cuda")
        assert [found["overall"][name] for name in ("bdice", "dice", "jaccard")] == [1, 1, 1]


@pytest.fixture
def volumes(tmp_path: Path) -> tuple[Path, Path]:
    """Three cases of three axes."""
    return small_study(tmp_path / "volumes", shape=(12, 10, 9))


SLAB = ("--slab", "300")  # two planes of 12 x 10 at a time, and one in the end


def test_slabs_are_scored_one_by_one(
    volumes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = Moved()
    monkeypatch.setattr(devices, "upload_to", lambda device: moved)
    want, table = summary(volumes, tmp_path / "cpu")
    got, found = summary(volumes, tmp_path / "cuda", "--device", "cuda", *SLAB)
    sizes = [shapes[0][-1] for shapes in moved.shapes if shapes]
    assert sizes == [240, 240, 240, 240, 120] * 3
    np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-6)
    assert len(found.splitlines()) == len(table.splitlines())


@pytest.mark.parametrize("most", [10**6, 100])
def test_slabs_of_regions_with_voxels_that_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    organs(tmp_path)
    options = ("--regions", str(tmp_path / "channels.toml"))
    study = (tmp_path / "ref", tmp_path / "soft")
    want, _ = summary(study, tmp_path / "cpu", *options)
    monkeypatch.setattr(devices, "upload_to", lambda device: Small(most))
    for name, slab in (("whole", ()), ("slabs", SLAB)):
        got, _ = summary(study, tmp_path / name, *options, "--device", "cuda", *slab)
        assert len(numbers(got)) > 20
        np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("most", [5, 100, 241])
@pytest.mark.parametrize("slab", [(), SLAB], ids=["whole", "slabs"])
def test_blocks_that_do_not_fit_are_halved(
    volumes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, slab: Any
) -> None:
    small = Small(most)
    monkeypatch.setattr(devices, "upload_to", lambda device: small)
    want, _ = summary(volumes, tmp_path / "cpu")
    got, _ = summary(volumes, tmp_path / "cuda", "--device", "cuda", *slab)
    assert max(shapes[0][-1] for shapes in small.shapes if shapes) <= most
    np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-6)


def test_work_that_finds_no_memory_is_halved_too(
    volumes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arrays fit, but not what is computed beside them."""
    sums = device_sums.sums_of

    def short(pred: Any, *rest: Any, **options: Any) -> Any:
        if pred.size > 200:
            raise MemoryError
        return sums(pred, *rest, **options)

    want, _ = summary(volumes, tmp_path / "cpu")
    monkeypatch.setattr(devices, "upload_to", lambda device: Moved())
    monkeypatch.setattr(device_sums, "sums_of", short)
    for name, slab in (("whole", ()), ("slabs", SLAB)):
        got, _ = summary(volumes, tmp_path / name, "--device", "cuda", *slab)
        np.testing.assert_allclose(numbers(got), numbers(want), rtol=1e-6, atol=1e-6)


def test_a_device_without_any_memory_is_the_fault_of_each_case(
    volumes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    class Full(Host):
        def start(self, arrays: Any) -> Any:
            if arrays:
                raise MemoryError("1 byte finds no memory: 0 of 80 are free on the GPU")
            return ()

    monkeypatch.setattr(devices, "upload_to", lambda device: Full())
    folder, pred = volumes
    out = tmp_path / "out"
    command = ["evaluate", "--pred", str(pred), "--ref", str(folder), "--out", str(out)]
    assert cli.main([*command, "--device", "cuda", "--no-pictures"]) == 1
    assert capsys.readouterr().err.count("0 of 80 are free") == 3


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
