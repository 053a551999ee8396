"""The voxels near what the raters marked: a box around all marks of a structure, and a margin."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .blocks import Reading
from .foreground import Marks, Voxels, voxels_of
from .pairing import Rated

#: The first index and the one behind the last, of each axis.
Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Part:
    """One region in a block of a case, and which of the block's voxels are near its marks."""

    region: str
    voxels: Voxels
    reference: Marks | NDArray[np.float32]
    near: NDArray[np.bool_]


def parts_of(case: Rated, reading: Reading, margin: int) -> Iterator[Part]:
    """Yield each region in block after block, or raise CaseError if the case is faulty.

    A box spans all blocks: of a case in slabs the references are read once more, before the rest.
    """
    boxes: dict[str, Box | None] = {}
    first = 0  # plane of the block
    for voxels in voxels_of(case, reading):
        block = voxels.block
        if not block.whole and not boxes:
            boxes = _boxes(case, reading)
        for region in reading.structures:
            reference = voxels.reference(region)
            if block.whole:
                boxes[region] = box_around(_marked(reference, block.shape))
            near = within(boxes[region], block.shape, margin, first)
            yield Part(region, voxels, reference, near.ravel())
        first += block.shape[-1]


def _boxes(case: Rated, reading: Reading) -> dict[str, Box | None]:
    """Return the box around all marks of each region of a case that is read in slabs."""
    boxes: dict[str, Box | None] = dict.fromkeys(reading.structures)
    first = 0
    for voxels in voxels_of(Rated(case.reference, mask=case.mask), reading):
        shape = voxels.block.shape
        for region, known in boxes.items():
            found = box_around(_marked(voxels.reference(region), shape))
            boxes[region] = _joined(known, _moved(found, first))
        first += shape[-1]
    return boxes


def _marked(reference: Marks | NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return where anyone marked, the last axis of a file first."""
    found = np.zeros(shape[::-1], bool)
    flat = found.reshape(-1)
    for side in reference if isinstance(reference, list) else [reference > 0]:
        flat |= side
    return found


def box_around(marked: NDArray[np.bool_]) -> Box | None:
    """Return the least box around all that is marked, None where nothing is."""
    box: list[tuple[int, int]] = []
    for axis in range(marked.ndim):
        others = tuple(a for a in range(marked.ndim) if a != axis)
        places = np.flatnonzero(marked.any(axis=others))
        if not places.size:
            return None
        start, stop = int(places[0]), int(places[-1]) + 1
        box.append((start, stop))
        marked = marked[(slice(None),) * axis + (slice(start, stop),)]
    return tuple(box)


def within(
    box: Box | None, shape: tuple[int, ...], margin: int, first: int = 0
) -> NDArray[np.bool_]:
    """Return which voxels lie in a box or up to a margin from it, the last axis of a file first.

    They are those of a block whose planes are counted from ``first``.
    """
    found = np.zeros(shape[::-1], bool)
    moved = _moved(box, -first)
    if moved is not None:
        found[tuple(slice(max(a - margin, 0), max(b + margin, 0)) for a, b in moved)] = True
    return found


def _moved(box: Box | None, planes: int) -> Box | None:
    if box is None:
        return None
    (start, stop), *rest = box
    return ((start + planes, stop + planes), *rest)


def _joined(one: Box | None, two: Box | None) -> Box | None:
    """Return the least box around two."""
    if one is None or two is None:
        return one or two
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, two, strict=True))
