"""Data sets in folders: found, named as the paper names them, faulty ones named."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from dice_semimetric_study import UsageError
from paper_data import write_discs

from benchmarks.paper.datasets import Prepared
from benchmarks.paper.sources import find_sources, paper_name


@pytest.mark.parametrize(
    ("name", "task", "shown"),
    [
        ("prostate", 2, "Prostate T2"),
        ("qubiq-brain-tumor-task03", 3, "Brain tumor T3"),
        ("brain_growth", None, "Brain growth"),
        ("kidney", 1, "Kidney"),
        ("kits19", None, "KiTS"),
        ("LiTS", None, "LiTS"),
        ("my | data", 1, "my | data"),
        ("my data", 2, "my data T2"),
    ],
)
def test_names_of_the_paper(name: str, task: int | None, shown: str) -> None:
    assert paper_name(Prepared(name, [], task=task)) == shown


def test_data_sets_are_found_and_faulty_ones_named(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write_discs(tmp_path / "my discs", rng, {"Training": 2, "Testing": 1})
    broken = write_discs(tmp_path / "broken", rng, {"Training": 2})
    (broken / "Training" / "case02" / "task01_seg02.nii.gz").unlink()
    (tmp_path / "index.json").write_text("[]")  # a list of patients is no data set
    (tmp_path / "notes").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "index.json").write_text('{"format": 0, "task": null}')
    found, faults = find_sources([tmp_path / "my discs"])
    assert [s.name for s in found] == ["my discs"]
    assert faults == []
    for path in sorted((tmp_path / "my discs").rglob("task01_*")):
        second = path.with_name(path.name.replace("task01", "task02"))
        second.write_bytes(path.read_bytes())
    found, faults = find_sources([tmp_path])
    assert [s.name for s in found] == ["my discs", "my discs T2"]
    assert faults[0].startswith("broken: ")
    assert "case02: the mask of rater 02 is missing" in faults[0]
    assert faults[1].startswith("half: ")
    found, faults = find_sources([tmp_path / "my discs", tmp_path / "my discs"])
    assert len(found) == 2
    assert faults[0].endswith("my discs: there is another my discs")
    with pytest.raises(UsageError, match="no prepared data set is there"):
        find_sources([tmp_path / "notes"])
    with pytest.raises(UsageError, match="not a folder"):
        find_sources([tmp_path / "none"])
