"""What the documents name is there: the commands of the benchmarks and their results."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    for name in re.findall(r"python3? -m (benchmarks(?:\.\w+)*)", document.read_text()):
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_results_exist(document: Path) -> None:
    for name in re.findall(r"benchmarks/results/[\w.*/-]*\w", document.read_text()):
        assert any(ROOT.glob(name)), name
