"""The most telling slice of a case, read again when all cases are done."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cases.blocks import Reading
from ...cases.foreground import voxels_of
from ...cases.layout import CaseFiles
from ...cases.pairing import Pair, Rated
from ...faults import CaseError
from ...files.geometry import Geometry
from ...files.nifti import nib
from ...files.slabs import read_slabs
from ...files.volumes import read_geometry

#: From left to right and from top to bottom of the screen: the view that radiologists know.
_RIGHT, _DOWN = {"R": "L", "L": "L", "A": "P", "P": "P"}, {"A": "P", "P": "P", "S": "I", "I": "I"}
_OPPOSITE = dict(zip("LRAPSI", "RLPAIS", strict=True))
_RANK = {letter: rank for rank, pair in enumerate(("LR", "AP", "SI")) for letter in pair}
_NAMES = ("the left side", "the right side", "front", "back", "head", "feet")
_ANATOMY = dict(zip("LRAPSI", _NAMES, strict=True))


@dataclass(frozen=True)
class Plane:
    """One slice of a case as it lies on the screen: rows first, from top to bottom."""

    prediction: NDArray[Any]  # probability of the foreground, or else how far raters disagree
    soft: NDArray[Any]  # the raters' mean; both are 0 where pixels do not count
    hard: NDArray[Any]
    marks: NDArray[Any]  # of each rater, on axis 0
    kept: NDArray[Any]  # where pixels count
    raters: tuple[str, ...] = ()  # their names; empty for a single soft reference
    number: int = 1  # which slice of how many
    count: int = 1
    spacing: tuple[float, float] = (1.0, 1.0)  # between rows and between columns
    sides: tuple[str, ...] = ()  # left and above, as letters of anatomy; empty where not known
    image: NDArray[Any] | None = None  # what the raters saw
    no_image: str = ""  # why there is no image

    @property
    def orientation(self) -> str:
        """Which sides of a body lie left and above, as a sentence; empty where not known."""
        if not self.sides:
            return ""
        left, above = (_ANATOMY[side] for side in self.sides)
        return f"Left of the picture: {left}; above: {above}."

    def each(self, change: Any) -> "Plane":
        """Return the slice with a function applied to every array, rows and columns last."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {k: change(v) for k, v in found.items() if isinstance(v, np.ndarray)}
        return replace(self, **arrays)


def read_plane(pair: Rated, region: str, reading: Reading) -> Plane:
    """Return the slice across the last axis with the largest error, else with the largest union.

    The error is the sum of what prediction and raters' mean differ by, or without a prediction of
    the disagreement of the raters, which then takes its place. Volumes are read in slabs
    as they are when they are scored. CaseError is raised if a file is faulty by now, or one slice
    is larger than a slab may be.
    """
    like = read_geometry(pair.reference.paths[0])
    size = math.prod(like.shape[:2])
    if size > reading.slab:
        raise CaseError(f"a slice of {size} pixels is larger than --slab {reading.slab}")
    best, most = None, (-1.0, -1)
    for index, found in enumerate(_each_plane(pair, region, reading, size)):
        wrong = found.prediction - found.soft if isinstance(pair, Pair) else found.prediction
        error = float(np.abs(wrong).sum(dtype=np.float64))
        union = int(np.count_nonzero((found.soft > 0) | (found.prediction > 0.5)))
        if (error, union) > most:
            most, best = (error, union), replace(found, number=index + 1)
    assert best is not None  # a volume has at least one voxel
    image, reason = _image(pair.reference, like, best.number - 1, size)
    count = math.prod(like.shape[2:])
    return _as_seen(replace(best, count=count, image=image, no_image=pair.shown(reason)), like)


def _each_plane(pair: Rated, region: str, reading: Reading, size: int) -> Iterator[Plane]:
    """Yield the pixels of slice after slice in the order of the file."""
    raters = tuple(pair.reference.masks)
    for voxels in voxels_of(pair, reading):
        reference = voxels.reference(region)
        prediction = voxels.prediction(region) if isinstance(pair, Pair) else None
        for start in range(0, math.prod(voxels.block.shape), size):
            part = slice(start, start + size)
            kept = np.ones(size, bool) if voxels.kept is None else voxels.kept[part]
            if isinstance(reference, list):
                marks = np.stack([m[part] & kept for m in reference])
                soft = marks.mean(axis=0, dtype=np.float32)
            else:
                marks, soft = np.zeros((0, size), bool), reference[part] * kept
            hard = marks.sum(axis=0) * 2 > len(raters) if raters else soft > 0.5
            shown = 4 * soft * (1 - soft) if prediction is None else prediction[part] * kept
            yield Plane(shown, soft, hard, marks, kept, raters)


def _image(
    files: CaseFiles, like: Geometry, index: int, size: int
) -> tuple[NDArray[Any] | None, str]:
    """Return the slice of the image, the first of several channels, or why there is none."""
    path = files.image
    if path is None:
        withheld = "the image is not drawn: --anonymise"
        return None, withheld if files.withheld else "the case has no image"
    try:
        shape = read_geometry(path).shape
        if shape[: len(like.shape)] != like.shape:
            return None, f"the image has another shape, {shape}"
        axes = len(like.shape)
        vectors = read_slabs(
            path, axes, 1 if axes > 2 else like.shape[-1], last=False, colours="show"
        )
        slices = (plane for vector in vectors for plane in vector.reshape(-1, size))
        return next(islice(slices, index, None)), ""
    except CaseError as error:
        return None, str(error)


def _as_seen(plane: Plane, like: Geometry) -> Plane:
    """Return pixels in rows and columns, rotated the way that a person expects."""
    shape = (*like.shape, 1)[:2]
    across, flips, sides = _view(like)
    spacing = [float(s) or 1.0 for s in nib.affines.voxel_sizes(like.affine)[:2]]

    def rotate(pixels: NDArray[Any]) -> NDArray[Any]:
        # The first axis of a file runs fastest.
        rows = pixels.reshape((*pixels.shape[:-1], *shape[::-1]))
        rows = rows if across == 0 else rows.swapaxes(-1, -2)
        return np.ascontiguousarray(rows[..., :: flips[0], :: flips[1]])

    seen = replace(plane, spacing=(spacing[1 - across], spacing[across]), sides=sides)
    return seen.each(rotate)


def _view(like: Geometry) -> tuple[int, tuple[int, int], tuple[str, ...]]:
    """Return the axis that runs across the screen, the steps of rows and columns, and the sides.

    A single image stays as it is: its axes seldom show how it lies in a body.
    """
    codes = nib.aff2axcodes(like.affine)[:2]
    if len(like.shape) < 3 or None in codes:
        return 0, (1, 1), ()
    across = 0 if _RANK[codes[0]] < _RANK[codes[1]] else 1
    column, row = codes[across], codes[1 - across]
    right, down = _RIGHT[column], _DOWN[row]
    flips = (1 if row == down else -1, 1 if column == right else -1)
    return across, flips, (_OPPOSITE[right], _OPPOSITE[down])
