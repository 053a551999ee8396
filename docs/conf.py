"""Sphinx: guides in Markdown, the reference from the docstrings."""

from importlib.metadata import version as installed

project = "dice_semimetric"
author = "the dice_semimetric developers"
copyright = "2026, " + author
version = release = installed("dice-semimetric")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "dice_semimetric"

myst_enable_extensions = ["dollarmath"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
default_role = "code"
nitpicky = False


def setup(app: object) -> None:
    """Take the star of (B, C, *spatial) as a star and not as the start of emphasis."""

    def escape(
        app: object, what: str, name: str, obj: object, options: object, lines: list
    ) -> None:
        lines[:] = [line.replace(", *spatial", r", \*spatial") for line in lines]

    app.connect("autodoc-process-docstring", escape)
