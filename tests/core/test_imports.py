"""What a package may import of another: public names, and of the core also what `_lib` shares."""

import ast
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parents[2] / "adapters"


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports from another place than its own package."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", sorted(p.name for p in ADAPTERS.glob("dice_semimetric_*")))
def test_no_adapter_imports_what_is_private_to_another(package: str) -> None:
    for path in (ADAPTERS / package).rglob("*.py"):
        for name in imported(path):
            home, *inside = name.split(".")
            if not home.startswith("dice_semimetric_") or home == package:
                continue
            assert not [part for part in inside if part.startswith("_")], (path, name)


def test_the_torch_adapter_takes_public_names_of_the_core() -> None:
    for path in (ADAPTERS / "dice_semimetric_torch").rglob("*.py"):
        for name in imported(path):
            home, *inside = name.split(".")
            private = [part for part in inside if part.startswith("_") and part != "_lib"]
            assert home != "dice_semimetric" or not private, (path, name)
