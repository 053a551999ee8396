"""Each recipe runs as a reader would run it, and ends with the picture that its commands draw."""

import re
from pathlib import Path

import pytest

pytest.importorskip("nibabel")
pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from recipes import DOCS, RECIPES, picture_of, run, small


def test_five_recipes_are_listed() -> None:
    index = (DOCS / "recipes/index.md").read_text()
    listed = re.findall(r"^\| \{doc\}`(\w+)`", index, re.MULTILINE)
    assert sorted(listed) == [recipe.stem for recipe in RECIPES]
    assert len(listed) == 5


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path)
    picture, source = picture_of(recipe)
    assert picture.parent == DOCS / "images"
    assert picture.stat().st_size < 60_000
    drawn = tmp_path / source
    (tmp_path / "small.png").write_bytes(small(drawn))
    sizes = [Image.open(path).size for path in (picture, tmp_path / "small.png")]
    assert sizes[0] == sizes[1], "make picture draws it anew"
    for name in re.findall(r"`([\w/]+\.(?:csv|html|tex|md|png))`", recipe.read_text()):
        assert name in ("Rater1/cell01.png",) or (tmp_path / name).is_file(), name
