"""Sphinx: guides in Markdown, examples with their pictures, the reference from the docstrings."""

import logging
import re
import warnings
from importlib.metadata import version as installed

import matplotlib as mpl
from sphinx_gallery.sorting import ExplicitOrder

mpl.use("agg")
for name in ("jax._src.xla_bridge", "lightning.pytorch.utilities.rank_zero"):
    logging.getLogger(name).setLevel(logging.ERROR)  # else the examples show the machine
warnings.filterwarnings("ignore", module=r"lightning\.")

project = "dice_semimetric"
author = "the dice_semimetric developers"
copyright = "2026, " + author
version = release = installed("dice-semimetric")

extensions = [
    "matplotlib.sphinxext.figmpl_directive",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["pictures.css"]
html_theme = "furo"
html_title = "dice_semimetric"

myst_enable_extensions = ["dollarmath"]
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
default_role = "code"
nitpicky = False

# The guides' pictures are drawn by the code above them.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 100)]
plot_srcset = ["2x"]

EXAMPLES = [
    "paradox",
    "raters_to_scores",
    "train_monai",
    "train_lightning",
    "nnunet_raters",
    "distil",
    "evaluate_gpu",
    "jax_phantoms",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/(?!nnunet)\w+\.py$",  # nnU-Net's is shown, not run: it needs nnU-Net
    "within_subsection_order": ExplicitOrder([*(f"{name}.py" for name in EXAMPLES), "*"]),
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("dice_semimetric", "dice_semimetric_torch", "dice_semimetric_jax"),
    "image_srcset": ["2x"],
    "capture_repr": (),
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "abort_on_example_error": True,
}


def escape_star(
    app: object, what: str, name: str, obj: object, options: object, lines: list
) -> None:
    """Take the star of (B, C, *spatial) as a star and not as the start of emphasis."""
    lines[:] = [re.sub(r"(?<=[(\s])\*spatial", r"\\*spatial", line) for line in lines]


def skip_foreign(
    app: object, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leave out the methods that a class has from PyTorch or torchmetrics."""
    home = getattr(getattr(obj, "fget", obj), "__module__", "") or ""
    ours = home.startswith("dice_semimetric") or name == "reset"
    return None if ours else True


def setup(app: object) -> None:
    """Connect the functions above."""
    app.connect("autodoc-process-docstring", escape_star)
    app.connect("autodoc-skip-member", skip_foreign)
