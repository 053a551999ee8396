"""The histogram of a prediction and the raters' decisions: all scores as pixel by pixel."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.scores.options import Options
from dice_semimetric_study.scores.sums import sums_of, sums_of_raters

from dice_semimetric import calibration_bins, majority_vote, rater_agreement, uniform_average


def same(a: Any, b: Any) -> None:
    for name in (f.name for f in fields(a) if getattr(a, f.name) is not None):
        x, y = getattr(a, name), getattr(b, name)
        if is_dataclass(x):
            same(x, y)
        else:
            assert np.shape(x) == np.shape(y), name
            assert np.asarray(x).dtype == np.asarray(y).dtype, name
            np.testing.assert_allclose(y, x, rtol=1e-6, err_msg=name)


def drawn(pixels: int, raters: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, many at an edge or beside it, and marks, a third of them nowhere."""
    rng = np.random.default_rng(pixels + raters)
    p = rng.random(pixels).astype(np.float32)
    p[::5] *= np.float32(0.02)
    for some, step in ((slice(0, None, 7), 0), (slice(1, None, 7), 1), (slice(2, None, 7), -1)):
        edges = (rng.integers(0, 31, p[some].size) / np.float32(30)).astype(np.float32)
        p[some] = np.clip(np.nextafter(edges, edges + np.float32(step)), 0, 1)
    p[::13] = 1 - p[::13]
    marks = rng.random((raters, pixels)) < p
    marks[:, ::3] = False
    return p, marks


OPTIONS = (
    Options(),
    Options(thresholds=(0.5, 0.2, 0.005)),
    Options(n_bins=1),
    Options(n_bins=15),
    Options(n_bins=100, thresholds=(0.25,)),
)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("raters", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("pixels", [0, 1, 5, 3000])
def test_sums_are_those_of_the_core(pixels: int, raters: int, options: Options) -> None:
    p, marks = drawn(pixels, raters)
    near = marks.any(axis=0) | (p > 0.3)  # all marks are in it
    found = sums_of_raters(p, marks, near, options)
    soft = uniform_average(marks, dtype=np.float32) if pixels else p
    hard = majority_vote(marks) if pixels else p > 0
    same(sums_of(p, soft, hard, options, near=near), found)
    assert found.raters is not None
    everyone = np.concatenate([marks, (p > 0.5)[None]])
    if pixels:
        same(rater_agreement(everyone), found.raters.agreement)
    for r, mark in enumerate(marks):
        top = p[None, None], mark[None].astype(np.uint8)
        bins = calibration_bins(*top, n_bins=options.n_bins, kind="top_label")
        np.testing.assert_array_equal(found.raters.correct[r], bins.correct)
        alone = sums_of(p, mark.astype(np.float32), mark, options).proper
        expected = [alone.brier, alone.log_loss]
        np.testing.assert_allclose(found.raters.losses[:, r], expected, rtol=1e-6)
