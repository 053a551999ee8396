"""The sums of a proper score, over several cases."""

import numpy as np
import pytest

from dice_semimetric import brier_score, log_loss, proper_score

RNG = np.random.default_rng(4)
PROB, LABEL = RNG.random((6, 5, 7)), RNG.random((6, 5, 7))


@pytest.mark.parametrize(("score", "mean"), [("brier", brier_score), ("log", log_loss)])
@pytest.mark.parametrize("divergence", [False, True])
def test_they_add_up_over_cases(score, mean, divergence) -> None:
    cases = [
        proper_score(p, y, score=score, kind="binary") for p, y in zip(PROB, LABEL, strict=True)
    ]
    wanted = mean(PROB, LABEL, kind="binary", divergence=divergence)
    np.testing.assert_allclose(sum(cases).mean(divergence=divergence), wanted, rtol=1e-12)
    assert int(sum(cases).count) == PROB.size


def test_fields() -> None:
    found = proper_score(PROB, LABEL, kind="binary")
    np.testing.assert_allclose(found.divergence, np.sum((PROB - LABEL) ** 2), rtol=1e-12)
    np.testing.assert_allclose(found.entropy, np.sum(LABEL * (1 - LABEL)), rtol=1e-12)
    hard = proper_score(PROB, LABEL > 0.5, kind="binary", score="log")
    assert hard.entropy == 0
    assert (
        proper_score(PROB.astype("float32"), LABEL > 0.5, kind="binary").divergence.dtype == float
    )


def test_without_pixels_the_mean_is_nan() -> None:
    none = proper_score(PROB[:0], LABEL[:0], kind="binary")
    assert np.isnan(none.mean())
    one = proper_score(PROB, LABEL, kind="binary")
    assert (none + one).mean() == one.mean()
    assert one.mean(dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("other", [{"score": "log"}, {"kind": "multiclass"}])
def test_sums_of_different_scores_do_not_add_up(other) -> None:
    one = proper_score(PROB[:, :1], LABEL[:, :1], kind="binary")
    with pytest.raises(ValueError, match=r"one score and kind, got \('brier', 'binary'\) and"):
        one + proper_score(PROB[:, :1], LABEL[:, :1], **{"kind": "binary", **other})


def test_it_passes_through_a_jitted_function() -> None:
    jax = pytest.importorskip("jax")
    one = jax.jit(lambda p, y: proper_score(p, y, kind="binary"))(PROB, LABEL)
    np.testing.assert_allclose(
        (one + one).mean(), brier_score(PROB, LABEL, kind="binary"), rtol=1e-6
    )
