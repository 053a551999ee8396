"""What brings an extra works by the package's name and in a clone."""

import tomllib
from pathlib import Path

import pytest

from dice_semimetric._lib.extras import install

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("extra", ["metrics", "parquet", "cluster", "numba", "study"])
def test_both_ways_are_named(extra: str) -> None:
    assert extra in PROJECT["optional-dependencies"]
    by_name, in_clone = install(extra).split(", or in a clone ")
    assert by_name == f"pip install 'dice-semimetric[{extra}]'"
    assert in_clone == f"pip install -e '.[{extra}]'"


def test_the_study_tool_says_the_same_without_the_core() -> None:
    pytest.importorskip("nibabel")
    from dice_semimetric_study.starting import INSTALL

    assert install("study") == INSTALL
