"""QUBIQ 2020 from its download: what is made of it, and its faults by name."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import raw_scans
import study_files

pytest.importorskip("torch")
pytest.importorskip("monai")

from paper_data import prepare, read_index

from benchmarks.paper.datasets import open_prepared
from benchmarks.paper.datasets.augment import resize
from benchmarks.paper.datasets.qubiq import TASKS


@pytest.fixture(scope="module")
def qubiq(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """QUBIQ, raw and prepared."""
    root = tmp_path_factory.mktemp("qubiq")
    raw = raw_scans.qubiq(root / "raw")
    assert prepare("qubiq", raw, "--out", root / "out", "--size", 32) == 0
    return raw, root / "out"


def test_qubiq_has_its_seven_tasks(qubiq: tuple[Path, Path]) -> None:
    _, out = qubiq
    assert sorted(p.name for p in out.iterdir()) == sorted(task.folder for task in TASKS)
    for task in TASKS:
        data = open_prepared(out / task.folder)
        known_fault = task.dataset == "prostate"
        assert (data.name, data.task, data.classes) == (task.dataset, task.task, 1)
        assert len(data) == len(data.cases) == task.cases - known_fault
        assert len(set(data.patients)) == len(data)
        channels = 4 if task.dataset == "brain-tumor" else 1
        for index in range(len(data)):
            assert data.image(index).shape == (channels, 32, 32)
            assert data.raters(index).shape == (task.raters, 32, 32)
    assert {k: len(v) for k, v in open_prepared(out / "kidney-task01").splits.items()} == {
        "Training": 20,
        "Validation": 4,
    }


def test_prostate_case_9_is_left_out_and_named(qubiq: tuple[Path, Path]) -> None:
    index = read_index(qubiq[1] / "prostate-task02")
    assert index["faults"] == []
    (left,) = index["left_out"]
    assert left["case"] == "Training/case09"
    assert "rater 06 is missing" in left["reason"]


@pytest.mark.parametrize(
    ("folder", "case"),
    [
        ("brain-tumor/Training/case05", "brain-tumor-task03"),
        ("kidney/Training/case02", "kidney-task01"),
    ],
)
def test_a_slice_is_what_the_files_hold(qubiq: tuple[Path, Path], folder: str, case: str) -> None:
    raw, out = qubiq
    source = raw / "training_data" / folder
    data = open_prepared(out / case)
    index = data.cases.index("/".join(folder.split("/")[1:]))
    image = np.atleast_3d(np.asarray(nib.load(source / "image.nii.gz").dataobj))
    image = resize(np.moveaxis(image, -1, 0), (32, 32)).astype(float)
    mean, spread = (f(image, axis=(1, 2), keepdims=True) for f in (np.mean, np.std))
    np.testing.assert_allclose(data.image(index), (image - mean) / spread, atol=1e-4)
    files = sorted(source.glob(f"task{data.task:02d}_seg*"))
    masks = [np.asarray(nib.load(f).dataobj).squeeze() for f in files]
    np.testing.assert_array_equal(data.raters(index), resize(np.stack(masks), (32, 32)))
    entry = read_index(out / case)["cases"][index]
    assert entry["original_shape"] == list(masks[0].shape)
    assert entry["spacing"] == [0.7, 0.7]


def test_leading_axis_of_one(tmp_path: Path) -> None:
    mask = study_files.masks(1, 2)
    for case, place in (
        ("case01", np.s_[None]),
        ("case02", np.s_[:]),
        ("case03", np.s_[..., None]),
    ):
        folder = tmp_path / "raw" / "cells" / case
        study_files.save(folder / "image.nii.gz", mask[0][place].astype(np.float32))
        for rater in (1, 2):
            array = mask[rater - 1][place].astype(np.uint8)
            study_files.save(folder / f"task01_seg{rater:02d}.nii.gz", array)
    assert prepare("qubiq-layout", tmp_path / "raw/cells", "--out", tmp_path / "out") == 0
    data = open_prepared(tmp_path / "out/cells-task01")
    assert data.cases == ("case01", "case02", "case03")
    for index in range(3):
        np.testing.assert_array_equal(data.raters(index), mask)
        np.testing.assert_allclose(data.image(index), data.image(0), atol=1e-6)
    in_memory = open_prepared(tmp_path / "raw/cells")
    np.testing.assert_array_equal(in_memory.image(0), data.image(0))


def test_faults_of_qubiq_are_named_and_lose_no_other(
    qubiq: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(qubiq[0], raw)
    kidney = raw / "training_data/kidney/Training"
    (kidney / "case03/task01_seg02.nii.gz").unlink()
    (kidney / "case04/image.nii.gz").write_bytes(b"not an image")
    (kidney / "case05/image.nii.gz").unlink()
    shutil.rmtree(kidney / "case06")
    shutil.rmtree(raw / "validation_data/kidney")
    shutil.rmtree(raw / "training_data/prostate")
    shutil.rmtree(raw / "validation_data/prostate")
    for mask in (kidney / "case07").glob("task*"):
        mask.unlink()
    assert prepare("qubiq", raw, "--out", tmp_path / "out", "--size", 16) == 1
    shown = capsys.readouterr().err
    for text in (
        "Training/case03 task01: the mask of rater 02 is missing",
        "Training/case04 task01: image.nii.gz",
        "Training/case05 task01: there is no image.nii.gz",
        "kidney task01: 19 of 24 cases are there; missing: case06, case21",
        "Training/case07 task01: there is no mask of any rater",
        "prostate task02: 0 of 55 cases are there",
    ):
        assert text in shown
    with pytest.warns(UserWarning, match=r"without faulty cases: .*Training/case03"):
        data = open_prepared(tmp_path / "out/kidney-task01")
    assert len(data) == 15
    assert len(open_prepared(tmp_path / "out/brain-growth-task01")) == 39
    # What is repaired is made, with a subset on purpose.
    shutil.copytree(qubiq[0] / "training_data/kidney/Training", kidney, dirs_exist_ok=True)
    assert prepare("qubiq", raw, "--out", tmp_path / "out", "--size", 16, "--subset") == 0
    assert len(open_prepared(tmp_path / "out/kidney-task01")) == 20


def test_incomplete_cases_are_kept_or_skipped(qubiq: tuple[Path, Path], tmp_path: Path) -> None:
    raw = tmp_path / "raw" / "prostate"
    for case in ("case08", "case09", "case10"):
        shutil.copytree(
            qubiq[0] / "training_data/prostate/Training" / case, raw / "Training" / case
        )
    given = ("qubiq-layout", raw, "--size", 8, "--out", tmp_path / "out")
    assert prepare(*given) == 1
    assert prepare(*given, "--incomplete", "keep") == 0
    data = open_prepared(tmp_path / "out/prostate-task01")
    assert data.raters(data.cases.index("Training/case09")).shape == (5, 8, 8)
    assert prepare(*given, "--incomplete", "skip") == 0
    assert "Training/case09" not in open_prepared(tmp_path / "out/prostate-task01").cases
