"""Docstrings of everything public: numpydoc's own checks, and that they are literal."""

import ast
import inspect
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torchmetrics")
validate = pytest.importorskip("numpydoc.validate")

import dice_semimetric_torch
from dice_semimetric_torch import metrics
from dice_semimetric_torch.nnunet.loss import NNUNetLoss

CHECKS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
LEFT_OUT = set(CHECKS["tool"]["numpydoc_validation"]["checks"]) - {"all"}
PUBLIC = [getattr(home, n) for home in (dice_semimetric_torch, metrics) for n in home.__all__]
PUBLIC.append(NNUNetLoss)


@pytest.mark.parametrize("cls", PUBLIC)
def test_docstring(cls: type) -> None:
    where = f"{cls.__module__}.{cls.__name__}"
    forward = getattr(cls, "forward", test_docstring)
    ours = forward.__module__.startswith("dice_semimetric_torch")
    for name in (where, f"{where}.forward") if ours else (where,):
        errors = validate.validate(name)["errors"]
        assert not [e for e in errors if e[0] not in LEFT_OUT], name


@pytest.mark.parametrize("cls", PUBLIC)
def test_an_editor_shows_the_docstring_and_the_parameters(cls: Any) -> None:
    """The docstring stands in the source, and names every parameter of the class."""
    tree = ast.parse(Path(inspect.getfile(cls)).read_text())
    (node,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls.__name__]
    assert ast.get_docstring(node) == inspect.cleandoc(cls.__doc__)
    described = cls.__doc__.split("Parameters\n")[1].split("Raises\n")[0]
    for name in inspect.signature(cls).parameters:
        assert name in described, name
