"""Run the recipes of docs/recipes as a reader would, and draw their pictures."""

import contextlib
import re
import shlex
import tempfile
from io import BytesIO
from pathlib import Path

from dice_semimetric_study.cli import main

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECIPES = sorted(p for p in (DOCS / "recipes").glob("*.md") if p.stem != "index")
_BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"^```\{figure\} (\S+)\n(?::.*\n)*\n`([^`]+)`", re.MULTILINE)
_WIDTH = 1200


def run(recipe: Path, folder: Path) -> None:
    """Run the programs and commands of a recipe in a folder, from the first to the last."""
    with contextlib.chdir(folder):
        for kind, text in _BLOCK.findall(recipe.read_text(encoding="utf-8")):
            if kind == "python":
                exec(text, {})
                continue
            for line in re.sub(r"\\\n\s*", " ", text).splitlines():
                command, *argv = shlex.split(line)
                assert command == "dice-semimetric", line
                assert main(argv) == 0, line


def picture_of(recipe: Path) -> tuple[Path, str]:
    """Return the picture at the end of a recipe, and the file that its commands write."""
    ((picture, source),) = _FIGURE.findall(recipe.read_text(encoding="utf-8"))
    return (recipe.parent / picture).resolve(), source


def small(path: Path) -> bytes:
    """Return a picture as a small PNG of few colours."""
    from PIL import Image

    with Image.open(path) as found:
        image = found.convert("RGB")
    image.thumbnail((_WIDTH, _WIDTH))
    content = BytesIO()
    image.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        content, format="png", optimize=True
    )
    return content.getvalue()


def draw() -> None:
    """Write the pictures of all recipes."""
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            run(recipe, Path(folder))
            picture, source = picture_of(recipe)
            picture.write_bytes(small(Path(folder) / source))


if __name__ == "__main__":
    draw()
