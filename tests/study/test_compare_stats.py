"""The statistics of ``compare`` against slow ones that say what they do."""

import itertools
import math

import numpy as np
import pytest
from dice_semimetric_study.compare.ranks import agreement, rank_models
from dice_semimetric_study.compare.rows import rank_columns
from dice_semimetric_study.results import paired
from dice_semimetric_study.results.bootstrap import Bootstrap
from dice_semimetric_study.results.paired import (
    compare_pair,
    holm,
    rank_biserial,
    signed_rank,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

FEW = Bootstrap(resamples=100)


def naive_biserial(differences: list[float]) -> float:
    sizes = [abs(d) for d in differences if d]
    ranks = {s: sum(t < s for t in sizes) + (sizes.count(s) + 1) / 2 for s in sizes}
    plus = sum(ranks[abs(d)] for d in differences if d > 0)
    minus = sum(ranks[abs(d)] for d in differences if d < 0)
    return (plus - minus) / (plus + minus) if plus + minus else 0.0


def naive_signed_rank(differences: list[float]) -> float:
    """Try all signs."""
    sizes = [abs(d) for d in differences if d]
    ranks = [sum(t < s for t in sizes) + (sizes.count(s) + 1) / 2 for s in sizes]
    seen = sum(r for r, d in zip(ranks, filter(None, differences), strict=True) if d > 0)
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s)
        for signs in itertools.product((0, 1), repeat=len(ranks))
    ]
    tails = sum(t <= seen for t in sums), sum(t >= seen for t in sums)
    return min(1.0, 2 * min(tails) / len(sums))


def patient_means(values: np.ndarray, patients: list[str]) -> list[float]:
    own = [
        [v for v, q in zip(values, patients, strict=True) if q == p] for p in sorted({*patients})
    ]
    return [float(np.mean(o)) for o in own]


def some_scores(seed: int, cases: int = 30) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 9, (2, cases)) / 8  # with ties and zeros
    return a, b, [f"p{i}" for i in rng.integers(0, 9, cases)]


few_digits = st.integers(-5, 5).map(lambda k: k / 4)


@given(st.lists(few_digits, max_size=12), st.data())
@settings(max_examples=60, deadline=None)
def test_rank_biserial_is_its_definition(differences: list[float], data: st.DataObject) -> None:
    times = data.draw(
        st.lists(st.integers(0, 3), min_size=len(differences), max_size=len(differences))
    )
    repeated = [d for d, k in zip(differences, times, strict=True) for _ in range(k)]
    got = rank_biserial(np.array(differences), np.array([times, [1] * len(times)], float))
    assert got == pytest.approx([naive_biserial(repeated), naive_biserial(differences)])


def test_rank_biserial_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(5).integers(-9, 9, 40) / 8
    drawn = Bootstrap(resamples=101).drawn(40)
    whole = rank_biserial(differences, drawn)
    monkeypatch.setattr(paired, "_BLOCK", 100)
    np.testing.assert_array_equal(rank_biserial(differences, drawn), whole)


@given(st.lists(few_digits, min_size=2, max_size=10))
@settings(max_examples=40, deadline=None)
def test_the_test_tries_all_signs(differences: list[float]) -> None:
    got = signed_rank(np.array(differences))
    assert got == pytest.approx(naive_signed_rank(differences) if any(differences) else 1.0)


@pytest.mark.parametrize("digits", [0, 1, 6])  # with many ties, some, and none
@pytest.mark.parametrize("patients", [2, 13, 14, 50, 51, 200])
def test_the_test_is_that_of_scipy(patients: int, digits: int) -> None:
    d = np.random.default_rng(patients).normal(0.4, 2, patients).round(digits)
    assert signed_rank(d) == pytest.approx(wilcoxon(d[d != 0]).pvalue, rel=1e-9)


def test_many_differences_are_tested_by_the_normal_distribution() -> None:
    d = np.random.default_rng(3).normal(0.3, 1, 60)
    ranks = np.argsort(np.argsort(np.abs(d))) + 1
    z = (ranks[d > 0].sum() - 60 * 61 / 4) / math.sqrt(60 * 61 * 121 / 24)
    assert signed_rank(d) == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))
    assert math.isnan(signed_rank(d[:1]))
    assert signed_rank(np.zeros(60)) == 1
    # What differs by a rounding is a tie, and nothing: 0.1 + 0.2 is not 0.3.
    off = np.array([0.1 + 0.2 - 0.3, 0.3, -(0.1 + 0.2), 0.5])
    assert signed_rank(off) == signed_rank(np.array([0, 0.3, -0.3, 0.5]))


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=9))
@settings(max_examples=60, deadline=None)
def test_holm_is_the_naive_way(p: list[float]) -> None:
    known = sorted(v for v in p if not math.isnan(v))
    steps = [min(1.0, (len(known) - k) * v) for k, v in enumerate(known)]
    want = [
        math.nan if math.isnan(v) else max(s for s, w in zip(steps, known, strict=True) if w <= v)
        for v in p
    ]
    np.testing.assert_allclose(holm(np.array(p, float)), want)


def test_holm_by_hand() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm")
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.02])), [0.06, 0.04, 0.06, 0.06])


@pytest.mark.parametrize("seed", range(4))
def test_a_pair_against_loops(seed: int) -> None:
    a, b, patients = some_scores(seed)
    a[0], b[1] = np.nan, np.nan  # both are left out
    found = compare_pair(a, b, patients, Bootstrap(resamples=300))
    kept = patients[2:]
    d = a[2:] - b[2:]
    assert (found.cases, found.patients) == (28, len({*kept}))
    assert found.difference == pytest.approx(np.mean(d))
    assert found.mean_a - found.mean_b == pytest.approx(found.difference)
    means = patient_means(d, kept)
    assert found.nonzero == sum(abs(m) > 1e-12 for m in means)
    assert found.p == pytest.approx(naive_signed_rank(np.round(means, 12).tolist()))
    assert found.effect == pytest.approx(naive_biserial(np.round(means, 12).tolist()))
    differences, effects = [], []
    for times in Bootstrap(resamples=300).drawn(found.patients).astype(int):
        names = [p for p, k in zip(sorted({*kept}), times, strict=True) for _ in range(k)]
        drawn = [v for p in names for v, q in zip(d, kept, strict=True) if q == p]
        differences.append(np.mean(drawn))
        at = dict(zip(sorted({*kept}), np.round(means, 12).tolist(), strict=True))
        effects.append(naive_biserial([at[p] for p in names]))
    want = [*np.quantile(differences, [0.025, 0.975]), *np.quantile(effects, [0.025, 0.975])]
    got = [found.low, found.high, found.effect_low, found.effect_high]
    np.testing.assert_allclose(got, want)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_swapping_the_models_turns_the_signs(seed: int) -> None:
    a, b, patients = some_scores(seed, cases=12)
    one, two = compare_pair(a, b, patients, FEW), compare_pair(b, a, patients, FEW)
    assert (one.p, one.nonzero, one.cases) == (two.p, two.nonzero, two.cases)
    there = [one.difference, one.low, one.high, one.effect, one.effect_low, one.effect_high]
    back = [two.difference, two.high, two.low, two.effect, two.effect_high, two.effect_low]
    np.testing.assert_allclose(there, np.negative(back), atol=1e-12)


def test_one_model_with_itself_and_with_nothing() -> None:
    a, _, patients = some_scores(1)
    found = compare_pair(a, a, patients, FEW)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert (found.p, found.nonzero, found.effect) == (1, 0, 0)
    assert (found.effect_low, found.effect_high) == (0, 0)
    nothing = compare_pair(a, np.full(30, np.nan), patients, FEW)
    assert (nothing.cases, nothing.patients) == (0, 0)
    assert math.isnan(nothing.p)
    alone = compare_pair(a, a[::-1], ["ann"] * 30, FEW)
    assert alone.patients == 1
    assert alone.difference == pytest.approx(0)
    assert np.isnan([alone.p, alone.low, alone.effect_low]).all()


def naive_chances(values: np.ndarray, patients: list[str], times: np.ndarray) -> np.ndarray:
    """Count who takes which places, those with one mean sharing theirs."""
    models = len(values)
    found = np.zeros((models, models))
    for row in times.astype(int):
        names = [p for p, k in zip(sorted({*patients}), row, strict=True) for _ in range(k)]
        lines = [i for p in names for i, q in enumerate(patients) if q == p]
        means = np.round(values[:, lines].mean(axis=1), 12)
        for m in range(models):
            before, alike = int((means > means[m]).sum()), int((means == means[m]).sum())
            found[m, before : before + alike] += 1 / alike
    return found / len(times)


@pytest.mark.parametrize("seed", range(3))
def test_chances_of_ranks_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (4, 10)) / 4
    values[3] = values[0]  # always tied
    patients = [f"p{i}" for i in rng.integers(0, 5, 10)]
    found = rank_models(values, tuple(patients), FEW)
    want = naive_chances(values, patients, FEW.drawn(len({*patients})))
    np.testing.assert_allclose(found.chance, want)
    np.testing.assert_allclose(found.chance.sum(axis=0), 1)
    np.testing.assert_allclose(found.chance.sum(axis=1), 1)
    assert found.rank[0] == found.rank[3]
    up = rank_models(1 - values, tuple(patients), FEW, better="lower")
    np.testing.assert_allclose(up.chance, want)
    np.testing.assert_array_equal(up.rank, found.rank)


def test_ranks_use_what_all_models_have() -> None:
    values = np.array([[0.9, 0.1, 0.5], [0.5, np.nan, 0.5], [np.nan, 0.9, 0.4]])
    found = rank_models(values, ("a", "b", "c"), FEW)
    assert (found.cases, found.patients) == (1, 1)
    assert found.rank.tolist() == [1.5, 1.5, 3]
    assert np.isnan(found.chance).all()
    assert np.isnan(found.interval).all()
    none = rank_models(values[:, :2], ("a", "b"), FEW)
    assert none.cases == 0
    assert np.isnan(none.rank).all()


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_agreement_counts_pairs(ranks: list[tuple[int, int]]) -> None:
    x, y = np.array(ranks, float).T
    signs = [
        (np.sign(a - c), np.sign(b - d)) for (a, b), (c, d) in itertools.combinations(ranks, 2)
    ]
    norm = math.sqrt(sum(bool(s) for s, _ in signs) * sum(bool(s) for _, s in signs))
    got = agreement(x, y)
    if norm:
        assert got == pytest.approx(sum(s * t for s, t in signs) / norm)
    else:
        assert math.isnan(got)


def test_the_table_of_ranks_has_a_column_for_each_rank() -> None:
    plain = rank_columns(0)
    assert rank_columns(3) == [*plain, "rank1", "rank2", "rank3"]
