"""Opening a data set for training: the layout of QUBIQ as it is, real and generated."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import study_files

pytest.importorskip("torch")

from dice_semimetric_study import UsageError

from benchmarks.paper.datasets import Prepared, PreparedCase, open_prepared


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two splits of cases whose names repeat."""
    for split, cases in (("Validation", ["case01"]), ("Training", ["case01", "case02"])):
        ref, _ = study_files.study(tmp_path / "tmp" / split, cases=cases)
        (tmp_path / "study").mkdir(exist_ok=True)
        ref.rename(tmp_path / "study" / split)
    return tmp_path / "study"


def test_layout_opens_with_its_splits(layout: Path) -> None:
    data = open_prepared(layout)
    assert (data.name, data.task, data.classes, len(data)) == ("study", 1, 1, 3)
    assert data.cases == ("Training/case01", "Training/case02", "Validation/case01")
    assert data.splits == {"Training": (0, 1), "Validation": (2,)}
    assert data.patients == data.cases
    for index, case in enumerate(data.cases):
        assert data.case_of(index) == index
        folder = layout / case
        image = study_files.load(folder / "image.nii.gz")[0].astype(float)
        expected = (image - image.mean()) / image.std()
        assert data.image(index).dtype == np.float32
        np.testing.assert_allclose(data.image(index), expected[None], atol=1e-5)
        masks = [study_files.load(p)[0] for p in sorted(folder.glob("task01_seg*"))]
        assert data.raters(index).dtype == np.uint8
        np.testing.assert_array_equal(data.raters(index), masks)


def test_patients_come_from_a_list_beside(layout: Path) -> None:
    entries = [
        {"split": "Training", "case": "case01", "patient": "A"},
        {"split": "Validation", "case": "case01", "patient": "A"},
    ]
    (layout.parent / "index.json").write_text(json.dumps(entries))
    assert open_prepared(layout).patients == ("A", "Training/case02", "A")
    (layout.parent / "other.json").write_text("{")
    with pytest.raises(UsageError, match=r"other.json must be a JSON list"):
        open_prepared(layout, groups=layout.parent / "other.json")


def test_layout_without_splits_has_none(layout: Path) -> None:
    data = open_prepared(layout / "Training")
    assert data.cases == ("case01", "case02")
    assert data.splits is None


def test_what_cannot_be_opened_is_refused(layout: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither prepared .*; open a folder in it: study"):
        open_prepared(tmp_path)
    with pytest.raises(UsageError, match="no case with files such as task02_seg01"):
        open_prepared(layout, task=2)
    (layout / "Training/case02/task01_seg02.nii.gz").unlink()
    with pytest.raises(UsageError, match="case02: the mask of rater 02 is missing"):
        open_prepared(layout)
    assert open_prepared(layout, incomplete="keep").raters(1).shape[0] == 2
    assert "Training/case02" not in open_prepared(layout, incomplete="skip").cases


def test_samples_are_counted_over_cases_of_any_size(rng: np.random.Generator) -> None:
    sizes = [2, 0, 3]
    cases = [
        PreparedCase(f"c{n}", f"p{n}", "", n, rng.random((n, 2, 4, 5)), np.ones((n, 4, 5)))
        for n in sizes
    ]
    data = Prepared("scans", cases, classes=2)
    assert len(data) == 5
    assert [data.case_of(i) for i in range(5)] == [0, 0, 2, 2, 2]
    assert [list(data.samples_of(c)) for c in range(3)] == [[0, 1], [], [2, 3, 4]]
    np.testing.assert_array_equal(data.image(3), cases[2].image[1].astype(np.float32))
    assert data.raters(4).shape == (1, 4, 5)
    for wrong in (-1, 5):
        with pytest.raises(IndexError, match="sample must be from 0 to 4"):
            data.image(wrong)
    assert len(pickle.loads(pickle.dumps(data))) == 5


@pytest.mark.parametrize(
    ("folder", "raters", "splits"),
    [
        ("lidc4-nodules/lidc-nodule", 4, {"Training": 405, "Validation": 103, "Testing": 87}),
        ("bubil-cells/bubil-fibroblast", 5, {"Training": 33, "Validation": 14}),
        ("bubil-cells/bubil-rabbit", 3, {"Training": 24, "Validation": 11}),
    ],
)
def test_real_data_open(folder: str, raters: int, splits: dict[str, int]) -> None:
    data = open_prepared(study_files.data_folder() / folder)
    assert {name: len(cases) for name, cases in data.splits.items()} == splits
    assert len(data) == len(data.cases) == sum(splits.values())
    assert {data.raters(i).shape[0] for i in range(len(data))} == {raters}
    if folder.startswith("lidc"):
        apart = [{data.patients[c] for c in cases} for cases in data.splits.values()]
        assert not apart[0] & apart[2]
