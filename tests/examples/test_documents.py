"""Every code block of the README and the guides runs; pycon blocks run as doctests."""

import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("nibabel")
plt = pytest.importorskip("matplotlib.pyplot")

from dice_semimetric_study.cli import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```([^`\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Commands that set something up, or are the subject of tests of their own.
NOT_RUN = (
    "python3 -m venv",
    ". .venv/bin/activate",
    "pip install",
    "git clone",
    "cd ",
    "make ",  # .ci/run runs the targets
    "export nnUNet_",  # tests/torch/test_nnunet.py
    "nnUNetv2_",
    "dice-semimetric nnunet",
    "dice-semimetric evaluate --pred predicted",  # what nnU-Net wrote
    "dice-semimetric evaluate --pred OUT",  # what an example wrote: its own test
    "dice-semimetric COMMAND",
    "python -m benchmarks",
)


def blocks(*kinds: str) -> list:
    """Return the blocks of some kinds, each with its document."""
    found = []
    for path in DOCUMENTS:
        for number, (kind, text) in enumerate(FENCE.findall(path.read_text())):
            if kind in kinds:
                found.append(pytest.param(text, id=f"{path.stem}-{number}"))
    return found


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    tested = {"pycon", "python", "bash", "toml", "{eval-rst}"}
    told = {"text", "{toctree}", "{figure}", "bibtex"}  # nothing to run
    for path in DOCUMENTS:
        kinds = {kind.split()[0] for kind, _ in FENCE.findall(path.read_text())}
        assert kinds <= tested | told, path.name


@pytest.mark.parametrize("text", blocks("{eval-rst}", "python"))
def test_pictures_are_drawn(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    plot = text.startswith(".. plot::\n")
    body = textwrap.dedent(text.removeprefix(".. plot::\n"))
    code = "\n".join(line for line in body.splitlines() if not line.startswith(":"))
    exec(code, {})
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert bool(figures) == plot
    assert all(axes.has_data() for figure in figures for axes in figure.axes)
    plt.close("all")


@pytest.mark.parametrize("text", blocks("toml"))
def test_settings_are_toml(text: str) -> None:
    assert tomllib.loads(text)


def command_lines(path: Path) -> list[str]:
    """Return the commands of a document in their order, without comments."""
    text = "\n".join(text for kind, text in FENCE.findall(path.read_text()) if kind == "bash")
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [
        part.strip() for line in lines for part in line.split("#")[0].split("&&") if part.strip()
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_commands_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for line in command_lines(path):
        command, *argv = shlex.split(line)
        if line.startswith(NOT_RUN):
            continue
        if command == "python":  # the other tests here run the examples
            assert (ROOT / argv[0]).parent.name == "examples", line
            assert (ROOT / argv[0]).is_file(), line
            continue
        assert command == "dice-semimetric", f"{line}: run it here, or name it in NOT_RUN"
        assert main(argv) == 0, line
