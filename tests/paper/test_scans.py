"""LiTS and KiTS19 from their downloads: the slices with tumour, and faults by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import raw_scans
import study_files

pytest.importorskip("torch")
pytest.importorskip("monai")

from paper_data import prepare, read_index

from benchmarks.paper.datasets import open_prepared
from benchmarks.paper.datasets.augment import resize


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
        "202 cases: such as case_00000/imaging.nii.gz is missing",
    ):
        assert text in shown
    with pytest.warns(UserWarning, match="case_00209"):
        assert open_prepared(tmp_path / "out").cases == ("case_00005", "case_00008")


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
