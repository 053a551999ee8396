"""Fixtures: the backends, the dtypes, and arrays that are awkward on purpose."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from backends import BACKENDS, NUMBERS, RAN, THEOREMS, Backend, available
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite",
    deadline=None,
    max_examples=30,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-support",
        type=Path,
        metavar="FILE",
        help="write which function ran on which array library, for docs/support.md",
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the record; a worker of pytest-xdist hands its own over instead."""
    path = session.config.getoption("--record-support")
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["ran"] = RAN
    elif path is not None:
        support.write_record(path, RAN)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker of pytest-xdist ran."""
    for function, outcomes in getattr(node, "workeroutput", {}).get("ran", {}).items():
        RAN.setdefault(function, {}).update(outcomes)


try:
    import jax

    jax.config.update("jax_enable_x64", True)
    # Nearly all of a jitted test is compilation. XLA's own passes run; LLVM's are left out.
    jax.config.update("jax_disable_most_optimizations", True)
except ImportError:
    pass


@pytest.fixture(params=[b for b in BACKENDS if b.name in NUMBERS], ids=lambda b: b.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every array library once; one that is absent is skipped with the reason."""
    return available(request.param)


@pytest.fixture(params=BACKENDS, ids=lambda b: b.name)
def every_backend(request: pytest.FixtureRequest) -> Backend:
    """Every array library in every mode and on every device: for smoke tests and bad input."""
    return available(request.param)


@pytest.fixture(params=[b for b in BACKENDS if b.name in THEOREMS], ids=lambda b: b.name)
def theorem_backend(request: pytest.FixtureRequest) -> Backend:
    """The libraries that theorems are tried on with many examples."""
    return available(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    """The two floating dtypes that every library has."""
    return request.param


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20230918)
