"""Results as JSON and back: no digit, dtype or NaN is lost on the way."""

import json
import math
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study import score_case
from dice_semimetric_study.results.registry import PREDICTION_SCORES
from dice_semimetric_study.runs.encoding import from_json, to_json
from dice_semimetric_study.scores.options import Options
from dice_semimetric_study.scores.scoring import _worked_out


@dataclass(frozen=True)
class Held:
    value: Any


@pytest.mark.parametrize(
    "value",
    [
        np.array([0.1, np.nan, -0.0]),
        np.array([[1 / 3, 2.5]], np.float32),
        np.array([np.nan], np.float32),
        np.array([True, False]),
        np.zeros(0, np.int64),
        np.float32(0.1),
        np.float64(np.nan),
        np.int64(2**62),
    ],
    ids=str,
)
def test_arrays_come_back_to_the_last_bit(value: Any) -> None:
    text = json.dumps(to_json(Held(value)), allow_nan=False)
    found = from_json(json.loads(text), [Held]).value
    assert type(found) is type(value)
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)
    assert np.array_equal(np.signbit(found), np.signbit(value))


def test_other_values_come_back() -> None:
    held = Held((1, "a", 0.1, None, {"b": (True, None)}))
    assert from_json(json.loads(json.dumps(to_json(held))), [Held]) == held
    assert math.isnan(from_json(to_json(Held(math.nan)), [Held]).value)


def test_scores_that_are_worked_out_travel_and_are_not_kept() -> None:
    soft = np.array([0.0, 0.4, 1.0])
    score = _worked_out(score_case(soft, soft, soft > 0.5), Options())
    found = pickle.loads(pickle.dumps(score))
    assert {*PREDICTION_SCORES, "curve"} <= vars(found).keys()
    assert not {*PREDICTION_SCORES, "curve"} & to_json(found).keys()
