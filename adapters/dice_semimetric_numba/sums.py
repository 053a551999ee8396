"""The calls of the kernels over pairs of a prediction and a target."""

import functools
from typing import Any

import numpy as np

from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.threads import map_parts
from dice_semimetric._numpy.levels import level_corrections

from . import bins, overlap
from . import thresholds as levels
from .operands import Operands, is_floating
from .pairs import Pairs, Place, eligible, ignored, places, without_rounding

#: How many tables of bins are held at a time: one of a hundred classes takes a quarter megabyte.
TABLES = 64


def overlap_sums(pixels: Pixels) -> Any:
    """Return the sums of `dice_semimetric.overlap.overlap_sums`."""
    if not eligible(pixels):
        return NotImplemented
    return _checked(pixels, *Pairs.of(pixels).total(four_sums, (4,), checked=pixels.checked))


def four_sums(pairs: Pairs, place: Place) -> tuple[bool, np.ndarray]:
    """Return whether a value of a part is wrong, and the sums (rows, 4, classes)."""
    found = np.zeros((place[1] - place[0], 4, pairs.operands.classes))
    return overlap.forward(*pairs.arguments(place), found), found


def threshold_sums(pixels: Pixels, thresholds: tuple[float, ...]) -> Any:
    """Return the counts of `dice_semimetric._lib.levels.threshold_sums`."""
    if not eligible(pixels):
        return NotImplemented
    both = _levels(thresholds, pixels)
    scale, lead = _scale(both, pixels), (3, len(thresholds))

    def counts(pairs: Pairs, place: Place) -> tuple[bool, np.ndarray]:
        found = np.zeros((place[1] - place[0], *lead, pairs.operands.classes), np.int64)
        return levels.count(*pairs.arguments(place), both, scale, found), found

    pairs = Pairs.of(pixels)
    return _checked(pixels, *pairs.total(counts, lead, np.int64, checked=pixels.checked))


def _levels(thresholds: tuple[float, ...], pixels: Pixels) -> np.ndarray:
    """Return the thresholds of both sides, rounded to a floating dtype as its values are."""

    def cast(dtype: np.dtype, own: bool) -> np.ndarray:
        values = np.array(thresholds, dtype if own and is_floating(dtype) else pixels.dtype)
        return values.astype(pixels.dtype)

    given = pixels.activation is None
    return np.stack([cast(pixels.pred.dtype, given), cast(pixels.target.dtype, True)])


def _scale(levels: np.ndarray, pixels: Pixels) -> int:
    """Return the n of thresholds k / n if floor(n x) is the number that x reaches, else 0."""
    soft = levels if is_floating(pixels.target.dtype) else levels[:1]  # labels reach all or none
    even = all(_are_even(tuple(side.tolist()), side.dtype) for side in soft)
    return levels.shape[1] + 1 if even else 0


@functools.lru_cache(maxsize=64)
def _are_even(levels: tuple[float, ...], dtype: np.dtype) -> bool:
    """Return whether levels are k / n and floor(n x) is the number of them that x reaches."""
    n = len(levels) + 1
    even = np.allclose(levels, np.arange(1, n) / n)
    return bool(even) and level_corrections(np.array(levels, dtype)) == []


def _filled(rows: np.ndarray, step: int) -> np.ndarray:
    """Return rows filled up to a multiple of a number by NaN, which nothing reaches."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % step)), constant_values=np.nan)


def _checked(pixels: Pixels, total: np.ndarray, wrong: bool) -> Any:
    """Return the sums, or leave it to NumPy's blocks to find a wrong entry and word the error."""
    return NotImplemented if wrong and pixels.checked else tuple(total)


def bin_sums(pixels: Pixels, edges: np.ndarray, kind: str) -> Any:
    """Return the sums of `dice_semimetric._lib.bin_sums.bin_sums`."""
    if not eligible(pixels):
        return NotImplemented
    pred, target, mask, binary = pixels.pred, pixels.target, pixels.mask, kind == "binary"
    labels = not is_floating(target.dtype)
    target = target if binary or not labels else target[:, None]
    roles = "values", "labels" if labels else "values", "values"
    unit = np.arange(2, dtype=pixels.dtype)
    operands = Operands.of(
        [pred, target, mask], pixels.axis, roles=roles, unit=unit.dtype.name, regional=not binary
    )
    number = 1 if kind != "classwise" else max(pred.shape[1], 2)
    inner = _inner_edges(edges, number, unit.dtype)
    even = edges.ndim == 1 and _are_even(tuple(edges[1:-1].tolist()), unit.dtype)
    scale = edges.size - 1 if even else 0
    how = (
        ("binary", "top_label", "classwise").index(kind),
        labels,
        not binary and pred.shape[1] == 1,
        mask is not None,
        *ignored(pixels.ignore_index if labels else None, target.dtype),
    )

    def sums(clip: bool) -> tuple[np.ndarray, bool]:
        values = (0,) if labels else (0, 1)
        some = operands.clipped(*values, unit=unit.dtype.name) if clip else operands

        def part(place: Place) -> tuple[bool, np.ndarray]:
            found = np.zeros((number, edges.shape[-1] - 1, 3))
            return bins.add(some.table, some.kept, place, how, inner, scale, unit, found), found

        found = map_parts(part, places(1, some.classes, some.columns, most=TABLES))
        return np.sum([sums for _, sums in found], axis=0), any(bad for bad, _ in found)

    total, wrong = without_rounding(sums, pixels.checked)
    if wrong and pixels.checked:  # NumPy's blocks find the entry, and word the error
        return NotImplemented
    count, confidence, correct = np.moveaxis(total if kind == "classwise" else total[0], -1, 0)
    return count.astype(np.intp), confidence, correct


def _inner_edges(edges: np.ndarray, number: int, dtype: np.dtype) -> np.ndarray:
    """Return the inner edges of each row of bins, filled up with NaN, which nothing reaches."""
    inner = np.broadcast_to(edges[..., 1:-1], (number, edges.shape[-1] - 2))
    return _filled(inner.astype(dtype), bins.STEP)
