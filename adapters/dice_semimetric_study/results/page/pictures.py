"""From a slice to three pictures: what the raters drew, what was predicted, where they differ.

A picture is a small image under outlines. Both lie in one system of coordinates, in which a pixel
is as wide or as high as the voxels are; the page's template draws them as SVG.
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from contourpy import LineType, contour_generator
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from ..plots import contrast
from .planes import Plane

#: From this probability on, a prediction widens the window around the raters' marks.
_VISIBLE = 0.25
_LEVELS = 32  # of colour: few, so that files stay small
_MOST_POINTS = 20_000
_TOO_LOW, _TOO_HIGH = (59, 130, 214), (230, 128, 26)  # distinct to the colour-blind too


@dataclass(frozen=True)
class Pictures:
    """All that the template needs to draw a slice: images as data addresses, outlines as paths."""

    width: float  # of the coordinates
    height: float
    scan: str  # the image, or nothing
    heat: str  # the prediction
    error: str  # prediction minus reference
    raters: tuple[str, ...]  # of each rater, or of a soft reference at 0.5
    hard: str  # the majority, or the reference above 0.5
    predicted: str  # the prediction at 0.5
    uncounted: str  # pixels that do not count
    left_out: str  # what is not drawn, and why; may be empty


def draw(plane: Plane, pixels: int = 256) -> Pictures:
    """Return the pictures of the part of a slice where something is marked or predicted.

    Its longer side has at most so many pixels; larger slices are thinned out.
    """
    rows, columns = _window(plane)
    plane = plane.each(lambda a: a[..., rows, columns])
    step = -(-max(plane.soft.shape) // pixels)
    plane = plane.each(lambda a: a[..., ::step, ::step])
    smallest = min(plane.spacing)
    tall, wide = (s / smallest for s in plane.spacing)
    outlines = {
        "majority": _outline(plane.hard, tall, wide),
        "prediction": _outline(plane.prediction, tall, wide),
        "pixels that do not count": _outline(~plane.kept, tall, wide),
    }
    marks = plane.marks if plane.raters else plane.soft[None]
    raters = [_outline(m, tall, wide) for m in marks]
    ragged = [name for name, path in outlines.items() if path is None]
    ragged += [f"rater {n}" for n, p in zip(plane.raters, raters, strict=False) if p is None]
    return Pictures(
        width=round(plane.soft.shape[1] * wide, 2),
        height=round(plane.soft.shape[0] * tall, 2),
        scan=_scan(plane.image),
        heat=_heat(plane.prediction),
        error=_difference(plane.prediction - plane.soft),
        raters=tuple(p or "" for p in raters),
        hard=outlines["majority"] or "",
        predicted=outlines["prediction"] or "",
        uncounted=outlines["pixels that do not count"] or "",
        left_out=f"too ragged to be outlined: {', '.join(ragged)}" if ragged else "",
    )


def _window(plane: Plane) -> tuple[slice, slice]:
    """Return a square around what is marked or predicted, as far as the slice has one."""
    there = (plane.soft > 0) | (plane.prediction >= _VISIBLE)
    if not there.any():
        return slice(None), slice(None)
    spans = []
    for axis, spacing in zip((1, 0), plane.spacing, strict=True):
        where = np.flatnonzero(there.any(axis=axis)) * spacing
        spans.append((where[0] + where[-1] + spacing, where[-1] - where[0] + spacing))
    side = max(max(length for _, length in spans) * 1.6, 24 * min(plane.spacing))
    cuts = []
    for (twice, _), spacing, size in zip(spans, plane.spacing, there.shape, strict=True):
        count = min(size, round(side / spacing) or 1)
        start = min(max(0, round((twice - side) / 2 / spacing)), size - count)
        cuts.append(slice(start, start + count))
    return cuts[0], cuts[1]


def _outline(values: NDArray[Any], tall: float, wide: float) -> str | None:
    """Return where values cross 0.5 as an SVG path, None if that is too long to be drawn."""
    field = np.pad(values.astype(np.float32), 1)  # lines close at the margin
    if not field.max() > 0.5:
        return ""
    found: Any = contour_generator(z=field, line_type=LineType.Separate).lines(0.5)
    if sum(len(line) for line in found) > _MOST_POINTS:
        return None
    # A pixel's value stands at its middle, and the padding moved everything by one.
    scaled = [(line - 0.5) * (wide, tall) for line in found]
    return "".join(_path(line.round(2)) for line in scaled)


def _path(points: NDArray[Any]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points[:-1]) + "Z"


def _scan(image: NDArray[Any] | None) -> str:
    if image is None or not np.isfinite(image).all():
        return ""
    plane = contrast(image.astype(np.float64))
    low, high = float(plane.min()), float(plane.max())
    grey = (plane - low) / ((high - low) or 1) * 255
    return _address(Image.fromarray(np.rint(grey).astype(np.uint8)))


def _heat(prediction: NDArray[Any]) -> str:
    """Return a prediction in colours that grow opaque with it."""
    share = np.linspace(0, 1, _LEVELS)
    colours = (colormaps["inferno"](0.25 + 0.72 * share) * 255).astype(np.uint8)
    colours[:, 3] = (np.minimum(1, share * 2.2) * 200).astype(np.uint8)
    return _indexed(np.rint(prediction * (_LEVELS - 1)), colours)


def _difference(error: NDArray[Any]) -> str:
    """Return what is predicted too high and too low in two colours, as opaque as it is wrong."""
    share = np.linspace(-1, 1, 2 * _LEVELS - 1)
    colours = np.where(share[:, None] < 0, _TOO_LOW, _TOO_HIGH)
    alpha = np.rint(np.abs(share) * 255)[:, None]
    index = np.rint(error * (_LEVELS - 1)) + _LEVELS - 1
    return _indexed(index, np.concatenate([colours, alpha], axis=1))


def _indexed(index: NDArray[Any], colours: NDArray[Any]) -> str:
    image = Image.fromarray(index.astype(np.uint8), mode="P")
    image.putpalette(colours.astype(np.uint8).tobytes(), rawmode="RGBA")
    return _address(image)


def _address(image: Image.Image) -> str:
    """Return an image as PNG in a data address."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
