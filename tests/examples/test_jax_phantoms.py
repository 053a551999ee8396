"""The training example converges, and the semimetric recovers the raters' probabilities."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")

PATH = Path(__file__).parents[2] / "examples" / "jax_phantoms.py"


@pytest.fixture(scope="module")
def example():
    jax.config.update("jax_disable_most_optimizations", False)  # here the running takes the time
    spec = importlib.util.spec_from_file_location("jax_phantoms", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
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
