"""NumPy's statistics beside the bound that memory sets: reading both arrays once."""

from functools import partial

import numpy as np

import dice_semimetric as ds

from ..comparison import Comparison, Input, functions
from ..inputs import Sizes, confidences, cube, named, pair
from ..libraries import NUMPY

TOPIC = "reading"
READ = "reading both arrays once"


def read(x: np.ndarray, y: np.ndarray) -> float:
    """Read each element of both once: a dot product, which BLAS takes as fast as memory allows."""
    return float(np.dot(x.ravel(), y.ravel()))


def read_mask(x: np.ndarray, y: np.ndarray) -> float:
    """Do the same with a map and a mask, whose bytes are counted."""
    flat = x.ravel()
    return float(np.dot(flat, flat)) + float(np.count_nonzero(y))


def comparisons(sizes: Sizes) -> list[Comparison]:
    """Return all of the topic."""
    shape = cube(sizes.large)
    maps = [Input(named(sizes.large), lambda: pair(*shape))]
    hits = [Input(named(sizes.large), lambda: confidences(*shape))]
    binary = partial(ds.expected_calibration_error, kind="binary")
    return [
        found
        for name, function, inputs, reading in (
            ("overlap", ds.overlap, maps, read),
            ("dml1", ds.dml1, maps, read),
            ("binarized_dice", ds.binarized_dice, maps, read),
            ("ECE, binary", binary, hits, read_mask),
        )
        for found in functions(
            TOPIC, name, function, inputs, {READ: reading}, libraries=(NUMPY,), differs=[READ]
        )
    ]
