"""Docstrings of everything public: numpydoc's own checks."""

import ast
import inspect
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import support

import dice_semimetric

validate = pytest.importorskip("numpydoc.validate")

ROOT = Path(__file__).parents[2]
CHECKS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]
LEFT_OUT = set(CHECKS["checks"]) - {"all"}


def public() -> list[str]:
    names = []
    for name in dice_semimetric.__all__:
        names.append(f"dice_semimetric.{name}")
        value = getattr(dice_semimetric, name)
        if inspect.isclass(value):
            members = (m for m, v in vars(value).items() if inspect.isfunction(v))
            names += [f"dice_semimetric.{name}.{m}" for m in members if not m.startswith("_")]
    return names


@pytest.mark.parametrize("name", public())
def test_docstring(name: str) -> None:
    found = [(code, text) for code, text in validate.validate(name)["errors"]]
    assert not [f for f in found if f[0] not in LEFT_OUT]


@pytest.mark.parametrize("name", public())
def test_docstring_stands_in_the_source(name: str) -> None:
    """An editor shows on hover what it reads there; what is filled in at run time it does not."""
    value: Any = dice_semimetric
    for part in name.split(".")[1:]:
        value = inspect.unwrap(getattr(value, part))
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    assert inspect.cleandoc(value.__doc__) == ast.get_docstring(node)


def test_support_table_of_the_readme_is_the_suites_own() -> None:
    assert support.table() in support.README.read_text()
