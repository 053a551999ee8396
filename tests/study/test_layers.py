"""The study tool lies in layers: what a layer imports lies below it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import dice_semimetric_study
import pytest

ROOT = Path(dice_semimetric_study.__file__).parent
JOBS = ("fuse", "agree", "evaluate", "compare", "calibrate", "nnunet", "demo")
#: From the ground up; those of one row do not see each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("choices", "faults", "starting"),
    ("files",),
    ("cases",),
    ("runs",),
    ("results",),
    ("scores",),
    tuple(job for job in JOBS if job != "demo"),
    ("demo",),  # runs the other jobs
    ("commands",),
    ("actions",),
    ("cli", "__init__"),
    ("__main__",),
)
FLOOR = {name: floor for floor, row in enumerate(LAYERS) for name in row}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(module: str) -> set[str]:
    """Return the modules of this package that one imports, inside functions too."""
    path, found = MODULES[module], set()
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(a.name.startswith(ROOT.name) for a in node.names), module
        if not isinstance(node, ast.ImportFrom):
            continue
        if not node.level:
            assert not (node.module or "").startswith(ROOT.name), f"{module}: write from . import"
            continue
        base = package[: len(package) - node.level + 1]
        base += (node.module or "").split(".") if node.module else []
        for alias in node.names:
            inner = ".".join([*base, alias.name])
            found.add(inner if inner in MODULES else ".".join(base))
    return {name for name in found if name and name != module}


def layer(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_lead_downwards(module: str) -> None:
    for other in imported(module):
        above = FLOOR[layer(other)] >= FLOOR[layer(module)] and layer(other) != layer(module)
        assert not above, f"{module} imports {other}, which does not lie below it"


def test_there_is_no_circle() -> None:
    tuple(TopologicalSorter({m: imported(m) for m in MODULES}).static_order())


def test_imports_in_functions_and_typed_ones_count() -> None:
    assert "results.plots" in imported("evaluate.evaluate")  # slow to import, so in a function
    assert {"faults", "files.json"} <= imported("runs.recorded")
