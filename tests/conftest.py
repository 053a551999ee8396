"""Fixtures: the backends, the dtypes, and arrays that are awkward on purpose."""

import numpy as np
import pytest
from backends import BACKENDS, Backend
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    deadline=None,
    max_examples=30,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suite")

try:
    import jax

    jax.config.update("jax_enable_x64", True)
except ImportError:
    pass


@pytest.fixture(params=BACKENDS, ids=lambda b: b.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every array library; one that is absent is skipped with the reason."""
    reason = request.param.unavailable()
    if reason is not None:
        pytest.skip(reason)
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    """The two floating dtypes that every library has."""
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20230918)
