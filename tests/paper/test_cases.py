"""Cases in the layout of QUBIQ: read, normalised, and refused by name."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from dice_semimetric_study import UsageError
from paper_data import write, write_discs

from benchmarks.paper.cases import read_split


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A data set of bright discs, each marked by three raters who differ in size."""
    return write_discs(tmp_path / "data", rng, {"Training": 5, "Testing": 3})


def test_cases_are_read_and_normalised(data: Path) -> None:
    cases = read_split(data, "Training", 1)
    assert [case.name for case in cases] == [f"case{k:02d}" for k in range(1, 6)]
    for case in cases:
        assert case.image.shape == (1, 24, 20)
        assert case.image.dtype == np.float32
        assert case.raters.shape == (3, 24, 20)
        assert case.raters.dtype == bool
        assert case.image.mean() == pytest.approx(0, abs=1e-5)
        assert case.image.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("axis", [0, 2])
def test_channels_may_come_first_or_last(data: Path, rng, axis: int) -> None:
    channels = rng.normal(size=(24, 20, 4))
    moved = np.moveaxis(channels, 2, axis).astype(np.float32)
    write(data / "Training" / "case01" / "image.nii.gz", moved)
    image = read_split(data, "Training", 1)[0].image
    expected = (channels - channels.mean(axis=(0, 1))) / channels.std(axis=(0, 1))
    np.testing.assert_allclose(image, np.moveaxis(expected, 2, 0), atol=1e-5)


def test_faulty_cases_are_all_named(data: Path) -> None:
    (data / "Training" / "case02" / "image.nii.gz").write_bytes(b"no image")
    (data / "Training" / "case03" / "task01_seg02.nii.gz").unlink()
    with pytest.raises(UsageError) as caught:
        read_split(data, "Training", 1)
    text = str(caught.value)
    assert "case02: image.nii.gz" in text
    assert "case03: the mask of rater 02 is missing (see --incomplete)" in text


def test_a_missing_rater_can_be_skipped_or_kept(data: Path) -> None:
    (data / "Training" / "case03" / "task01_seg02.nii.gz").unlink()
    skipped = read_split(data, "Training", 1, incomplete="skip")
    assert [case.name[-1] for case in skipped] == ["1", "2", "4", "5"]
    kept = read_split(data, "Training", 1, incomplete="keep")
    assert [len(case.raters) for case in kept] == [3, 3, 2, 3, 3]


def test_a_task_or_split_that_is_not_there(data: Path) -> None:
    with pytest.raises(UsageError, match=r"no case with files such as task02_seg01\.nii\.gz"):
        read_split(data, "Training", 2)
    with pytest.raises(UsageError, match="Validation is not a folder"):
        read_split(data, "Validation", 1)
