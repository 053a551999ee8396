"""The core's layers, as its import statements have them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dice_semimetric

ROOT = Path(dice_semimetric.__file__).parent
SEAM = "dice_semimetric._lib.seam"


def name_of(path: Path) -> str:
    parts = ("dice_semimetric", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in ROOT.rglob("*.py")}


def imported(name: str) -> Iterator[str]:
    """Yield what a module imports; of the core, the modules."""
    package = name if FILES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            lead = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*lead, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in FILES else base


IMPORTS = {name: set(imported(name)) for name in FILES}


def test_the_files_are_read() -> None:
    assert {"dice_semimetric._lib.pairs", SEAM} <= IMPORTS["dice_semimetric.overlap"]
    assert SEAM in IMPORTS["dice_semimetric._numpy.reductions"]


def test_there_is_no_circle() -> None:
    left = {name: IMPORTS[name] & FILES.keys() for name in FILES}
    while free := {name for name, needed in left.items() if not needed & left.keys()}:
        left = {name: needed for name, needed in left.items() if name not in free}
    assert not left


@pytest.mark.parametrize("folder", ["_lib", "_numpy"])
def test_the_lower_folders_import_nothing_above_them(folder: str) -> None:
    below = ("dice_semimetric._lib.", f"dice_semimetric.{folder}.")
    for name in FILES:
        if name.startswith(f"dice_semimetric.{folder}"):
            ours = {n for n in IMPORTS[name] if n.startswith("dice_semimetric")}
            assert not {n for n in ours if not n.startswith(below)}, name


def test_numpys_reductions_are_reached_through_the_seam_alone() -> None:
    for name, needed in IMPORTS.items():
        if not name.startswith("dice_semimetric._numpy"):
            assert not {n for n in needed if n.startswith("dice_semimetric._numpy")}, name
    assert "dice_semimetric._numpy.reductions" in FILES[SEAM].read_text()


def test_the_core_imports_only_what_it_depends_on() -> None:
    """No adapter, and no framework."""
    allowed = {"numpy", "scipy", "array_api_compat", "dice_semimetric"}
    for name, needed in IMPORTS.items():
        outside = {n.partition(".")[0] for n in needed} - allowed
        assert not {n for n in outside if n not in sys.stdlib_module_names}, name
