"""Scores of cases against slow references; slices of a case are pooled."""

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")


from benchmarks.paper.cases import Case
from benchmarks.paper.scores import REACH, score_samples


def test_scores_of_a_case_pool_its_slices(rng: np.random.Generator) -> None:
    raters = rng.random((3, 4, 8, 24)) < np.linspace(0, 1, 24)  # three slices of four raters
    probs = (rng.random((3, 8, 24)) * (rng.random((3, 8, 24)) < 0.7)).astype(np.float32)
    cases = [Case(name, np.zeros((1, 8, 24)), r) for name, r in zip("aab", raters, strict=True)]
    rows = score_samples(probs, cases)[0]
    assert [row["case"] for row in rows] == ["a", "b"]
    for row, part in zip(rows, (slice(0, 2), slice(2, 3)), strict=True):
        prob, mean = probs[part], raters[part].mean(axis=1)
        majority = raters[part].sum(axis=1) > 2
        assert row["dice"] == pytest.approx(1 - reference.loss("sdl", prob > 0.5, majority))
        levels = [k / 10 for k in range(1, 10)]
        bdice = [1 - reference.loss("sdl", prob >= np.float32(t), mean >= t) for t in levels]
        assert row["bdice"] == pytest.approx(np.mean(bdice))
        place = np.minimum((prob * 10).astype(int), 9)
        gaps = [abs((prob - majority)[place == k].sum()) for k in range(10)]
        assert row["ece"] == pytest.approx(sum(gaps) / prob.size, rel=1e-5)
        seen = (prob > 0.01) | raters[part].any(axis=1)
        gaps = [abs((prob[seen] - mean[seen])[place[seen] == k].sum()) for k in range(10)]
        assert row["ece_seen"] == pytest.approx(sum(gaps) / seen.sum(), rel=1e-5)


def test_all_cases_share_bins_in_the_pooled_scores(rng: np.random.Generator) -> None:
    raters = rng.random((2, 4, 8, 24)) < np.linspace(0, 1, 24)
    probs = (rng.random((2, 8, 24)) * (rng.random((2, 8, 24)) < 0.7)).astype(np.float32)
    cases = [Case(name, np.zeros((1, 8, 24)), r) for name, r in zip("ab", raters, strict=True)]
    rows, summary = score_samples(probs, cases)
    for name in ("dice", "bdice", "ece", "ece_near", "ece_seen"):
        assert summary[name] == pytest.approx(np.mean([row[name] for row in rows]))
    mean = raters.mean(axis=1)
    seen = (probs > 0.01) | raters.any(axis=1)
    place = np.minimum((probs[seen] * 10).astype(int), 9)
    gaps = [abs((probs[seen] - mean[seen])[place == k].sum()) for k in range(10)]
    assert summary["ece_seen_pooled"] == pytest.approx(sum(gaps) / seen.sum(), rel=1e-5)


def test_haze_cannot_dilute_the_error_near_the_marks() -> None:
    raters = np.zeros((2, 40, 40), bool)
    raters[:, 18:22, 18:22] = True
    case = Case("one", np.zeros((1, 40, 40), np.float32), raters)
    clean = np.where(raters[0], 0.5, 0.0).astype(np.float32)
    haze = np.maximum(clean, np.float32(0.02))
    (_, before), (_, after) = (score_samples([prob], [case]) for prob in (clean, haze))
    assert before["ece_seen"] == pytest.approx(0.5)
    assert after["ece_seen"] < 0.05  # the recipe's error falls by a worse map
    assert after["ece_near"] > before["ece_near"]
    grid = np.indices((40, 40))
    inside = np.clip(grid, 18, 21)
    near = np.abs(grid - inside).sum(axis=0) <= REACH
    assert before["ece_near"] == pytest.approx(0.5 * 16 / near.sum(), rel=1e-5)
    assert before["ece_near"] == pytest.approx(before["ece_near_pooled"])
