"""The training example converges, and the semimetric recovers the raters' probabilities."""

import numpy as np
import pytest
from scripts import load

jax = pytest.importorskip("jax")


@pytest.fixture(scope="module")
def example():
    jax.config.update("jax_disable_most_optimizations", False)  # here the running takes the time
    yield load("jax_phantoms")
    jax.config.update("jax_disable_most_optimizations", True)


def test_the_raters_mean_tends_to_the_true_probability(example) -> None:
    _, soft, true = example.phantoms(jax.random.key(0), 2000, side=16)
    where = (true > 0.2) & (true < 0.8)
    assert abs(float(np.mean(soft - true, where=where))) < 0.01
    assert set(np.unique(np.round(np.asarray(soft) * 5, 5))) <= {0, 1, 2, 3, 4, 5}


def test_the_example_converges_and_the_semimetric_is_calibrated(example) -> None:
    found, _ = example.compare(steps=50, seeds=1)
    (dml,), (sdl,) = found["dml1"], found["sdl"]
    assert dml["last loss"] < 0.5 * dml["first loss"]
    assert dml["ECE"] < sdl["ECE"]
    assert dml["distance"] < sdl["distance"]
    assert dml["BDice"] > max(0.8, sdl["BDice"])
