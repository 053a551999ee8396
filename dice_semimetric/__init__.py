"""Losses, label fusion, scores and calibration for segmentation with soft labels.

Every function takes arrays of any library that follows the Python array API standard, prediction
first, and returns arrays of the same library on the same device.
"""

from ._checks import value_checks
from .formulas import overlap_loss
from .losses import cftl, ctl, dml1, dml2, jml1, jml2, sdl, sjl, stl
from .overlap import Overlap, overlap, region_overlap
from .region import region_loss

__version__ = "0.1.0"

__all__ = [
    "Overlap",
    "cftl",
    "ctl",
    "dml1",
    "dml2",
    "jml1",
    "jml2",
    "overlap",
    "overlap_loss",
    "region_loss",
    "region_overlap",
    "sdl",
    "sjl",
    "stl",
    "value_checks",
]
