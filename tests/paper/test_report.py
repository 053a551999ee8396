"""Cells as numbers, and text that stays in its cell."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")


from benchmarks.paper.book import Cell
from benchmarks.paper.records import Scored
from benchmarks.paper.report import escape, number, of_seed, summarize


def scored(values: list[float], folds: int = 2) -> Scored:
    one = np.array(values)
    place = np.arange(len(one))
    parts = [(0, fold) for fold in range(folds)]
    return Scored(parts, place, place % folds, {"dice": one, "ece": one})


def test_a_cell_is_the_mean_over_cases_and_data_sets() -> None:
    a, b = scored([0.1, 0.2, 0.3, 0.6]), scored([0.5, 0.5])
    row = summarize(Cell(("x",), ("y",), "dice", ((None, None), (None, None)), paper=40.0), [a, b])
    assert row["ours"] == pytest.approx(100 * (0.3 + 0.5) / 2)
    folds = [(0.2 + 0.5) / 2, (0.4 + 0.5) / 2]
    assert row["std"] == pytest.approx(100 * np.std(folds, ddof=1))
    assert number(row) == "40.00 ± 7.07 (40.00)"
    half = summarize(Cell(("x",), ("y",), "dice", ((None, None), (None, None))), [a, None])
    assert number(half) == "–"
    single = summarize(Cell(("x",), ("y",), "dice", ((None, None),)), [scored([0.5], 1)])
    assert number(single) == "50.00"


def test_the_number_of_a_seed_is_the_mean_over_its_folds() -> None:
    row = {"parts": [(0, 0), (0, 1), (3, 0)], "values": [10.0, 20.0, 40.0], "ours": 1, "std": 2}
    assert [of_seed(row, seed)["ours"] for seed in (0, 3, 4)] == [15.0, 40.0, None]


def test_text_stays_in_its_cell() -> None:
    assert escape("a\nb | <i>") == "a b \\| &lt;i>"
