"""The scores of a structure that depend on which pixels are neighbours: they need it whole."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import majority_vote

from ..cases.foreground import Marks, Voxels
from ..cases.pairing import Rated
from ..faults import CaseError
from ..files.geometry import Geometry, voxel_spacing
from ..files.volumes import read_geometry
from .lesions import lesions_of
from .options import HALF, Options
from .surfaces import surface_of

Mask = NDArray[np.bool_]


def whole_geometry(case: Rated, options: Options) -> Geometry:
    """Return where a case lies, or raise CaseError if it would be read in slabs."""
    path = case.reference.maps[0]
    with case.naming(path):
        geometry = read_geometry(path)
    if not options.takes_whole(geometry):
        voxels = math.prod(geometry.shape)
        raise CaseError(
            f"{path.name} has {voxels} voxels, and lesions and surfaces need whole volumes, not "
            f"slabs of {options.slab}: give --slab {voxels}, or leave out --lesions and --surface"
        )
    return geometry


def planes_of(vectors: Iterable[Mask], geometry: Geometry, name: str) -> tuple[list[Mask], Any]:
    """Return masks in their shape, of two axes or three, and the spacing along these.

    Axes of one pixel are left out, as far as two remain: an image of one plane is one of two axes.
    """
    spacing = voxel_spacing(geometry, name)
    shape = list(geometry.shape)
    if len(shape) == 1:
        shape, spacing = [*shape, 1], [*spacing, 1.0]
    if len(shape) > 3:
        raise CaseError(f"{name} has {len(shape)} axes, and surfaces and lesions 2 or 3")
    while len(shape) > 2 and 1 in shape:
        axis = shape.index(1)
        del shape[axis], spacing[axis]
    return [vector.reshape(shape, order="F") for vector in vectors], spacing


def shapes_of(
    prediction: NDArray[np.float32],
    reference: Marks | NDArray[np.float32],
    voxels: Voxels,
    geometry: Geometry,
    options: Options,
    task: str,
) -> dict[str, Any]:
    """Return the lesions and the surface distances of one structure, as far as they are asked for.

    Pixels that do not count are background on both sides.
    """
    if isinstance(reference, list):
        hard: Mask = majority_vote(np.stack(reference)) > 0
    else:
        hard = reference > HALF
    found: Mask = prediction > HALF
    if voxels.kept is not None:
        found, hard = found & voxels.kept, hard & voxels.kept
    name = voxels.case.reference.maps[0].name
    (found, hard), spacing = planes_of((found, hard), geometry, name)
    shapes: dict[str, Any] = {}
    if options.lesions:
        shapes["lesions"] = lesions_of(found, hard)
    if options.surface:
        empty = math.nan if options.empty == "skip" else options.empty
        shapes["surface"] = surface_of(found, hard, spacing, options.nsd_at(task), empty)
    return shapes
