"""Preparation of data sets in the layouts of the downloads: what is made, resumed and reported."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import raw_scans
import study_files

pytest.importorskip("torch")
pytest.importorskip("monai")

from benchmarks.paper.__main__ import main
from benchmarks.paper.datasets import open_prepared, preparing
from benchmarks.paper.datasets.qubiq import TASKS
from benchmarks.paper.datasets.resize import resize


def prepare(*arguments: object) -> int:
    """Run the command and return its exit code."""
    try:
        main(["prepare", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.npy")}


def read_index(folder: Path) -> dict:
    return json.loads((folder / "index.json").read_text())


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
    raw = qubiq[0] / "training_data/prostate"
    given = ("qubiq-layout", raw, "--size", 8, "--out", tmp_path)
    assert prepare(*given) == 1
    assert prepare(*given, "--incomplete", "keep") == 0
    data = open_prepared(tmp_path / "prostate-task01")
    assert data.raters(data.cases.index("Training/case09")).shape == (5, 8, 8)
    assert prepare(*given, "--incomplete", "skip") == 0
    assert "Training/case09" not in open_prepared(tmp_path / "prostate-task01").cases


@pytest.fixture(scope="module")
def lits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """LiTS, raw and prepared."""
    root = tmp_path_factory.mktemp("lits")
    raw = raw_scans.lits(root / "raw")
    assert prepare("lits", raw, "--out", root / "out", "--size", 24) == 0
    return raw, root / "out"


def test_lits_is_its_tumour_slices(lits: tuple[Path, Path]) -> None:
    data = open_prepared(lits[1])
    assert (data.name, data.classes, data.task, data.splits) == ("lits", 1, None, None)
    assert len(data.cases) == 131
    assert data.cases[:2] == ("volume-0", "volume-1")
    sizes = [len(data.samples_of(case)) for case in range(131)]
    assert sizes == [2 if case % 5 else 0 for case in range(131)]
    index = data.samples_of(7)[1]
    image, label = raw_scans.scan(7)
    hu = resize(image[..., 3].astype(np.float32), (24, 24)).astype(float)
    expected = np.clip((hu + 60) / 200, 0, 1) * 2 - 1
    np.testing.assert_allclose(data.image(index)[0], expected, atol=1e-3)
    np.testing.assert_array_equal(data.raters(index)[0], resize(label[..., 3] == 2, (24, 24)))
    assert read_index(lits[1])["cases"][7]["slices"] == [2, 3]


def test_kits_counts_slices_along_its_first_axis(tmp_path: Path) -> None:
    raw = raw_scans.kits(tmp_path / "raw", range(3), tests=[210])
    given = ("kits", raw, "--out", tmp_path / "out", "--size", 0, "--subset")
    assert prepare(*given) == 0
    data = open_prepared(tmp_path / "out")
    assert data.cases == ("case_00000", "case_00001", "case_00002")
    image, label = raw_scans.scan(2)
    sample = data.samples_of(2)[0]
    hu = image[..., 2].astype(float)
    np.testing.assert_allclose(
        data.image(sample)[0], np.clip((hu + 200) / 500, 0, 1) * 2 - 1, atol=1e-3
    )
    np.testing.assert_array_equal(data.raters(sample)[0], label[..., 2] == 2)
    assert read_index(tmp_path / "out")["left_out"][0]["case"] == "case_00210"
    assert prepare(*given, "--structure", "organ-and-tumour") == 0
    both = open_prepared(tmp_path / "out")
    assert both.classes == 2
    np.testing.assert_array_equal(both.raters(sample)[0], label[..., 2])


def test_faults_of_scans_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = raw_scans.kits(tmp_path / "raw", range(1, 9))
    folder = raw / "data"
    (folder / "case_00001/segmentation.nii.gz").unlink()
    content = (folder / "case_00002/imaging.nii.gz").read_bytes()
    (folder / "case_00002/imaging.nii.gz").write_bytes(content[: len(content) // 2])
    study_files.save(folder / "case_00003/segmentation.nii.gz", np.full((6, 20, 16), 3, np.uint8))
    study_files.save(folder / "case_00004/segmentation.nii.gz", np.zeros((6, 20, 15), np.uint8))
    image = np.full((6, 20, 16), np.nan, np.float32)
    study_files.save(folder / "case_00006/imaging.nii.gz", image)
    shutil.copytree(folder / "case_00007", raw / "again/case_00007")
    assert prepare("kits", raw, "--out", tmp_path / "out", "--size", 16) == 1
    shown = capsys.readouterr().err
    for text in (
        "case_00000: case_00000/imaging.nii.gz is missing",
        "case_00001: case_00001/segmentation.nii.gz is missing",
        "case_00002: imaging.nii.gz is truncated",
        "case_00003: segmentation.nii.gz must hold 0, 1 and 2 only, got values from 3 to 3",
        "case_00004: imaging.nii.gz has shape (6, 20, 16), segmentation.nii.gz has (6, 20, 15)",
        "case_00006: imaging.nii.gz holds NaN",
        "case_00007: two files stand for one",
        "case_00209: ",
    ):
        assert text in shown
    with pytest.warns(UserWarning, match="case_00209"):
        assert open_prepared(tmp_path / "out").cases == ("case_00005", "case_00008")


def test_a_second_run_does_only_what_is_missing(
    lits: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = raw_scans.lits(tmp_path / "raw", range(1, 5))
    out = tmp_path / "out"
    given = ("lits", raw, "--out", out, "--size", 16, "--subset")
    assert prepare(*given) == 0
    before, index = contents(out), (out / "index.json").read_bytes()
    made: list[str] = []
    original = preparing._make
    monkeypatch.setattr(
        preparing, "_make", lambda case, **o: made.append(case.case) or original(case, **o)
    )
    assert prepare(*given) == 0
    assert made == []
    (out / "volume-1.image.npy").unlink()
    damaged = bytearray(before["volume-3.labels.npy"])
    damaged[-1] ^= 1
    (out / "volume-3.labels.npy").write_bytes(damaged)
    assert prepare(*given) == 0
    assert made == ["volume-1", "volume-3"]
    assert contents(out) == before
    assert (out / "index.json").read_bytes() == index
    # Another raw file, other options.
    made.clear()
    image, _ = raw_scans.scan(99)
    study_files.save(raw / "Training Batch 1/volume-2.nii", image)
    assert prepare(*given) == 0
    assert made == ["volume-2"]
    made.clear()
    assert prepare(*given, "--size", 8) == 0
    assert len(made) == 4
    assert prepare(*given, "--size", 8, "--restart") == 0
    assert len(made) == 8


def test_a_full_disk_is_named_and_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = raw_scans.lits(tmp_path / "raw", range(1, 5))
    out = tmp_path / "out"
    given = ("lits", raw, "--out", out, "--size", 16, "--subset")
    original = preparing.write_bytes

    def full(path: Path, content: bytes) -> None:
        if path.name.startswith("volume-3"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "write_bytes", full)
        assert prepare(*given) == 1
    assert "volume-3: [Errno 28] No space left on device" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="volume-3"):
        assert len(open_prepared(out).cases) == 3
    assert prepare(*given) == 0
    assert len(open_prepared(out).cases) == 4


def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    raw = raw_scans.lits(tmp_path / "raw", range(1, 25), shape=(128, 128, 8))
    given = ["lits", str(raw), "--subset", "--out"]
    command = [sys.executable, "-m", "benchmarks.paper", "prepare", *given, str(tmp_path / "out")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment)
    records = tmp_path / "out/records"
    deadline = time.monotonic() + 60
    while len(list(records.glob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert len(list(records.glob("*.json"))) >= 3
    if not (tmp_path / "out/index.json").exists():
        with pytest.raises(Exception, match="was not finished"):
            open_prepared(tmp_path / "out")
    for path in (tmp_path / "out").glob("[!.]*.npy"):
        assert np.load(path).shape[0] == 2
    assert prepare(*given, tmp_path / "out") == 0
    assert prepare(*given, tmp_path / "unbroken") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")
    assert read_index(tmp_path / "out") == read_index(tmp_path / "unbroken")


def test_what_cannot_start_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    raw_scans.kits(tmp_path / "kits", range(1))
    for arguments, text in (
        (("lits", tmp_path / "absent", "--out", tmp_path / "o"), "absent is not a folder"),
        (("lits", tmp_path / "raw", "--out", tmp_path / "o"), "no file such as volume-0"),
        (("qubiq", tmp_path / "raw", "--out", tmp_path / "o"), "no case in"),
        (("qubiq", tmp_path / "kits", "--out", tmp_path / "o"), "none of the folders"),
        (("kits", tmp_path / "kits", "--out", tmp_path / "kits/o"), "must not lie in the folder"),
        (("kits", tmp_path / "kits", "--out", tmp_path / "o", "--size", "-1"), "at least 0"),
    ):
        assert prepare(*arguments) == 2
        assert text in capsys.readouterr().err


def test_real_hounsfield_units(tmp_path: Path) -> None:
    """A real CT as KiTS would have it: one kidney for the organ, the other for the tumour."""
    source = study_files.data_folder() / "totalseg"
    if not source.is_dir():
        pytest.skip(f"no real CT at {source}")
    image, header = study_files.load(source / "example_ct_sm.nii.gz")
    classes, _ = study_files.load(source / "example_seg.nii.gz")
    label = np.zeros(classes.shape, np.uint8)
    label[classes == 2], label[classes == 3] = 1, 2
    folder = tmp_path / "raw/case_00000"
    affine = header.affine @ np.eye(4)[:, [2, 0, 1, 3]]
    study_files.save(folder / "imaging.nii.gz", np.moveaxis(image, 2, 0), affine)
    study_files.save(folder / "segmentation.nii.gz", np.moveaxis(label, 2, 0), affine)
    out = tmp_path / "out"
    assert prepare("kits", tmp_path / "raw", "--out", out, "--subset", "--size", 0) == 0
    data = open_prepared(out)
    shown = np.flatnonzero((classes == 3).any(axis=(0, 1)))
    assert len(data) == len(shown) > 3
    assert read_index(out)["cases"][0]["spacing"] == [3.0, 3.0, 3.0]
    for index, number in enumerate(shown):
        np.testing.assert_array_equal(data.raters(index)[0], classes[..., number] == 3)
        hu = (data.image(index)[0].astype(float) + 1) * 250 - 200
        np.testing.assert_allclose(hu, np.clip(image[..., number], -200, 300), atol=0.13)
    kidney = np.concatenate([data.image(i)[0][data.raters(i)[0] == 1] for i in range(len(data))])
    assert -0.5 < np.median(kidney) < 0.8  # soft tissue, well inside the window
    assert prepare("kits", tmp_path / "raw", "--out", tmp_path / "paper", "--subset") == 0
    assert open_prepared(tmp_path / "paper").image(0).shape == (1, 512, 512)


def test_real_layout_is_the_same_prepared_and_as_it_is(tmp_path: Path) -> None:
    raw = study_files.data_folder() / "bubil-cells/bubil-rabbit"
    assert prepare("qubiq-layout", raw, "--out", tmp_path) == 0
    made, read = open_prepared(tmp_path / "bubil-rabbit-task01"), open_prepared(raw)
    assert (made.name, made.cases, made.patients, made.splits) == (
        (read.name, read.cases, read.patients, read.splits)
    )
    for index in range(len(read)):
        np.testing.assert_array_equal(made.image(index), read.image(index))
        np.testing.assert_array_equal(made.raters(index), read.raters(index))
