"""Docstrings of everything public: numpydoc's own checks."""

import ast
import inspect
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import support
import support_kernels

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


def test_support_table_is_made_from_what_ran() -> None:
    outcomes = support.read_records()
    for backend in ("numpy", "strict", "torch", "jax", "jax.jit", "dask"):
        assert sorted(outcomes[backend]) == support.functions()  # else run `make support`
    assert support.table(outcomes) in support.PAGE.read_text()


def test_support_table_has_three_states() -> None:
    table = support.table({"numpy": {"dml1": "yes", "staple": "too slow"}})
    lines = table.splitlines()
    assert "| `dml1` | yes |" + " not run |" * (len(support.COLUMNS) - 1) in lines
    assert "| `staple` | no [1] |" + " not run |" * (len(support.COLUMNS) - 1) in lines
    assert "| all others |" + " not run |" * len(support.COLUMNS) in lines
    assert lines[-1] == "[1] Too slow."


def test_kernel_table_is_made_from_the_adapters() -> None:
    for library in ("torch", "triton", "jax", "dask", "numba"):
        pytest.importorskip(library)
    made = support_kernels.table(support.read_gpus())
    assert made in support.PAGE.read_text()  # else run python tests/common/support.py


def test_kernel_table_names_what_runs_where() -> None:
    for library in ("torch", "triton", "jax", "dask"):
        pytest.importorskip(library)
    rows = dict(line.split("|")[1:3] for line in support_kernels.table(set()).splitlines()[2:])
    assert [name.strip(" `") for name in rows] == support_kernels.reductions()
    assert {"bin_sums", "overlap_sums", "rater_counts"} <= set(support_kernels.reductions())
    table = support_kernels.table({("cupy", True), ("torch-cuda", True)})
    (bins,) = (line for line in table.splitlines() if "`bin_sums`" in line)
    cells = dict(zip([c.name for c in support_kernels.COLUMNS], bins.split(" | ")[1:], strict=True))
    assert cells["PyTorch, GPU with CuPy"] == cells["CuPy"] == "CUDA"
    assert cells["PyTorch, GPU"] == "Triton, not run"
    assert cells["Dask"].strip(" |") == "chunks"
