"""The best hard mask for SDL is found exactly, and the paper's point holds on real raters."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import reference
from dice_semimetric_study.cases.blocks import Reading, read_blocks
from dice_semimetric_study.cases.foreground import Voxels
from dice_semimetric_study.cases.layout import find_cases
from dice_semimetric_study.cases.pairing import Rated
from dice_semimetric_study.demo.paradox import best_threshold, soft_dice_paradox
from hypothesis import given
from hypothesis import strategies as st
from study_files import data_folder

from dice_semimetric import uniform_average

LABELS = st.lists(st.integers(0, 6).map(lambda k: k / 6), min_size=1, max_size=8).map(np.array)


@given(LABELS)
def test_no_mask_is_better(y: np.ndarray) -> None:
    every = [
        reference.loss("sdl", np.array(m), y) for m in itertools.product((0.0, 1.0), repeat=y.size)
    ]
    found = soft_dice_paradox(y)
    assert found.sdl_hard == pytest.approx(min(every), abs=1e-12)
    assert found.sdl_self == pytest.approx(reference.loss("sdl", y, y), abs=1e-12)
    mask = (y >= best_threshold(y)).astype(float)
    assert reference.loss("sdl", mask, y) == pytest.approx(min(every), abs=1e-12)


@given(LABELS, st.integers(0, 2**32 - 1))
def test_no_soft_prediction_is_better_either(y: np.ndarray, seed: int) -> None:
    x = np.random.default_rng(seed).random((50, y.size))
    best = soft_dice_paradox(y).sdl_hard
    assert all(reference.loss("sdl", row, y) >= best - 1e-12 for row in x)


@given(LABELS)
def test_it_holds_just_for_soft_labels(y: np.ndarray) -> None:
    found = soft_dice_paradox(y)
    assert found.dml1_self == found.dml2_self == 0
    assert found.holds == bool(np.any((y > 0) & (y < 1)))


def test_an_empty_label_wants_the_empty_mask() -> None:
    found = soft_dice_paradox(np.zeros((3, 4)))
    assert found.threshold == math.inf
    assert (found.sdl_hard, found.sdl_self, found.holds) == (0, 0, False)


SETS = {
    "lidc4-nodules/lidc-nodule/Training": 405,
    "lidc4-nodules/lidc-nodule/Validation": 103,
    "lidc4-nodules/lidc-nodule/Testing": 87,
    "bubil-cells/bubil-fibroblast": 47,
    "bubil-cells/bubil-rabbit": 35,
    "lidc3d/lidc-nodule3d": 2,
}


@pytest.mark.parametrize("folder", SETS)
def test_real_raters(folder: str) -> None:
    cases = find_cases(data_folder() / Path(folder))
    assert len(cases) == SETS[folder]
    for case in cases:
        assert not case.fault
        (block,) = read_blocks(Rated(case), Reading())
        y = uniform_average(np.stack(Voxels(Rated(case), block, Reading()).marks("")))
        found = soft_dice_paradox(y)
        assert found.sdl_self > found.sdl_hard, case.case
        assert found.dml1_self == 0 == found.dml2_self, case.case
        mask = y >= found.threshold
        by_hand = 1 - 2 * y[mask].sum() / (mask.sum() + y.sum())
        assert found.sdl_hard == pytest.approx(by_hand, rel=1e-9)


def test_the_real_sets_are_679_cases() -> None:
    assert sum(SETS.values()) == 679
