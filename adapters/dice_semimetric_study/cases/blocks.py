"""The voxels of a case side by side: all at once, or slab by slab where they do not fit."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..choices import WHOLE
from ..faults import CaseError
from ..files.geometry import (
    REORIENT,
    Geometry,
    require_same_affine,
    require_same_geometry,
    towards,
    voxel_volume,
    without_ones,
)
from ..files.names import is_npz
from ..files.orientation import reoriented
from ..files.pictures import Colours
from ..files.slabs import read_slabs
from ..files.volumes import read_geometry, read_voxels
from .layout import CaseFiles
from .pairing import Pair, Rated
from .regions import Class, Regions
from .sources import Source, both, spatial

Vector = NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """How the files of a case are read, and what counts in them.

    Attributes
    ----------
    label : int, optional
        The value that is the foreground in label maps; None where maps are masks or probabilities.
    tolerance : float
        The largest difference of two affines, in millimetres.
    regions : Regions, optional
        The structures of label maps, each of which counts for itself.
    ignore : tuple of int
        The labels of voxels that do not count where any rater has them.
    reorient : bool
        Whether axes may be permuted and flipped to make the geometries of a case one.
    slab : int
        Larger volumes are read slab by slab, in at most about so many voxels of each file.
    scale, pred_scale : float, optional
        The number that stands for 1 in references, and in predictions, such as 255.
    colours : {"refuse", "index", "grey"}
        What becomes of maps in colour; see `pixels_of`.
    """

    label: int | None = None
    tolerance: float = 1e-3
    regions: Regions | None = None
    ignore: tuple[int, ...] = ()
    reorient: bool = False
    slab: int = WHOLE
    scale: float | None = None
    pred_scale: float | None = None
    colours: Colours = "refuse"

    def takes_whole(self, geometry: Geometry) -> bool:
        """Return whether a volume is read at once, and not slab by slab."""
        return math.prod(geometry.shape) <= self.slab

    def labels_of(self, structure: str) -> tuple[int, ...]:
        """Return the labels of a structure; none where maps hold no labels."""
        if self.regions is not None:
            return self.regions.labels[structure]
        return () if self.label is None else (self.label,)

    @property
    def has_labels(self) -> bool:
        """Whether maps are label maps."""
        return self.regions is not None or self.label is not None

    @property
    def ignored(self) -> tuple[int, ...]:
        """The labels of voxels that do not count, those of the regions among them."""
        return self.ignore + (self.regions.ignore if self.regions else ())

    @property
    def why_labels(self) -> str:
        """The option that makes maps label maps, for a sentence about one that is none."""
        return "for --regions" if self.regions else f"for --label {self.label}"

    @property
    def structures(self) -> list[str]:
        """The names of the regions, or one empty name for the one foreground."""
        return list(self.regions.labels) if self.regions else [""]


@dataclass(frozen=True)
class Block:
    """Voxels of one case in the order of the file, as vectors of one length.

    ``shape`` is that of the volume, or of its planes that these are; its first axis runs fastest.
    There is a reference of each rater, or a single one; a prediction for each class, or one map,
    of each sample, or none where only raters are compared; and a mask that is nonzero where voxels
    count. ``whole`` tells that these are all voxels of the case.
    """

    shape: tuple[int, ...]
    whole: bool
    reference: list[Vector]
    predictions: list[Vector | dict[Class, Vector]]
    mask: Vector | None


def read_blocks(case: Rated, reading: Reading) -> Iterator[Block]:
    """Yield the voxels of a case in blocks, once the geometry of all its files is checked."""
    reference = case.reference
    if reference.maps:
        with case.naming(reference.maps[0]):
            like = read_geometry(reference.maps[0])
        require_fits_image(reference, like, reading.tolerance)
    elif not isinstance(case, Pair):
        raise CaseError("there is no reference")
    elif not case.prediction.maps:
        raise CaseError("there is no prediction")
    else:
        with case.naming(case.prediction.maps[0]):
            like = space_of(case, reading)
    samples = case.samples if isinstance(case, Pair) else []
    predictions = [_folded(pair, reading, like) for pair in samples]
    raters = len(reference.maps)
    sources = [
        Source(p, f"{reference.maps[0].name} and {p.name}", scale=reading.scale)
        for p in reference.maps
    ]
    sources += (source for classes in predictions for source in classes.values())
    if case.mask is not None:
        sources.append(Source(case.mask, f"the reference and the mask {case.mask.name}"))
    whole = reading.takes_whole(like)
    if whole:
        found = iter([(like.shape, _whole(case, sources, like, reading))])
    else:
        found = _slabs(case, sources, like, reading)
    for shape, vectors in found:
        rest = iter(vectors[raters:])
        yield Block(
            shape,
            whole,
            vectors[:raters],
            [_by_class(list(islice(rest, len(classes))), classes) for classes in predictions],
            None if case.mask is None else vectors[-1],
        )


def _by_class(vectors: list[Vector], classes: Iterable[Class]) -> Vector | dict[Class, Vector]:
    """Return the prediction of each class, or the one map."""
    found = dict(zip(classes, vectors, strict=True))
    return found[""] if list(found) == [""] else found


def millilitres(case: Rated, path: Path) -> float:
    """Return the volume of a voxel of a file, or raise CaseError if it has none."""
    with case.naming(path):
        return voxel_volume(read_geometry(path), path.name) / 1000


def space_of(pair: Pair, reading: Reading) -> Geometry:
    """Return the geometry of a prediction by itself, without channels, which come behind space."""
    found = read_geometry(pair.prediction.maps[0])
    axes = pair.axes if len(found.shape) == 3 else 3  # of one slice among volumes there are three
    if not reading.has_labels or len(found.shape) <= axes:
        return found
    return Geometry(without_ones(found.shape[:axes]), found.affine)


def _folded(pair: Pair, reading: Reading, like: Geometry) -> dict[Class, Source]:
    """Return where the prediction of each class lies in all folds."""
    found, folds = _classes(pair, reading, like), pair.prediction.folds
    if folds and reading.has_labels and "" in found:
        raise CaseError(
            f"{found[''].path.name} has no channel for each label: only probabilities of several "
            "folds can be averaged, not labels"
        )
    return {c: replace(s, folds=folds, scale=reading.pred_scale) for c, s in found.items()}


def _classes(pair: Pair, reading: Reading, like: Geometry) -> dict[Class, Source]:
    """Return where the prediction of each class lies; a single map has the class ""."""
    files, regions = pair.prediction, reading.regions
    if files.label is None:
        if regions is None:
            raise CaseError("the prediction is a set of raters' masks, not one map")
        return {regions.class_of(n): Source(p, both(p)) for n, p in files.masks.items()}
    single: dict[Class, Source] = {"": Source(files.label, both(files.label))}
    if not reading.has_labels and not is_npz(files.label.name):
        return single
    with pair.naming(files.label):
        shape = read_geometry(files.label).shape
    spatial, rest = shape[: len(like.shape)], shape[len(like.shape) :]
    fits = sorted(spatial) == sorted(like.shape) if reading.reorient else spatial == like.shape
    if not rest and regions and len(regions.channels) == 1:  # one channel needs no axis
        return {regions.channels[0]: single[""]}
    if not fits or not rest or math.prod(rest) != rest[-1]:
        return single
    count, names = rest[-1], both(files.label)
    if regions is None:
        label = _labelled(files.label.name, reading.label, count)
        return {label: Source(files.label, names, label, count)}
    channels = regions.channels or tuple(range(count))
    if len(channels) != count:
        raise CaseError(
            f"{files.label.name} has {count} channels, and {len(channels)} are named in the regions"
        )
    return {c: Source(files.label, names, i, count) for i, c in enumerate(channels)}


def _labelled(name: str, label: int | None, count: int) -> int:
    """Return the channel that holds the probability of the foreground."""
    if label is None or not 0 <= label < count:
        got = "" if label is None else f", got --label {label}"
        raise CaseError(
            f"{name} has {count} channels: give --label N for the probability of label N, such as "
            f"--label 1, or --regions{got}"
        )
    return label


def _whole(
    case: Rated, sources: Sequence[Source], like: Geometry, reading: Reading
) -> list[Vector]:
    """Return all voxels of each source, each file read once."""
    found: list[Vector] = []
    path: Path | None = None
    for source in sources:
        if source.path != path:
            path = source.path
            volumes = source.joined(_channels(case, one, like, reading) for one in source.each)
        found.append(volumes[:, source.channel])
    return found


def _channels(case: Rated, source: Source, like: Geometry, reading: Reading) -> NDArray[Any]:
    """Return the voxels of a file, each channel a column."""
    accept = partial(_require_fit, source, like, reading)
    with case.naming(source.path):
        data, geometry = read_voxels(source.path, accept=accept, colours=reading.colours)
    if reading.reorient:
        data, _ = reoriented(data, geometry, like)
    return source.scaled(data.reshape((math.prod(like.shape), -1), order="F"))


def _require_fit(source: Source, like: Geometry, reading: Reading, geometry: Geometry) -> None:
    """Raise CaseError unless a source lies as the first, where need be once it is reoriented."""
    if reading.reorient:
        _, geometry = towards(geometry, like)
    require_same_geometry(like, spatial(source, geometry), source.names, reading.tolerance)


def _slabs(
    case: Rated, sources: Sequence[Source], like: Geometry, reading: Reading
) -> Iterator[tuple[tuple[int, ...], list[Vector]]]:
    """Yield the shape and the voxels of some planes of each source, all read in one pass."""
    voxels = math.prod(like.shape)
    remedy = f"give --slab {voxels}, since what is read in slabs is not reoriented"
    for source in (one for every in sources for one in every.each):
        with case.naming(source.path):
            geometry = spatial(source, read_geometry(source.path))
        require_same_geometry(
            like,
            geometry,
            source.names,
            reading.tolerance,
            remedy=remedy if reading.reorient else f"{REORIENT} with --slab {voxels}",
        )
    axes = len(like.shape)
    plane = math.prod(like.shape[:-1])
    planes = max(1, reading.slab // plane)

    def read(s: Source) -> Iterator[Vector]:
        last = s.channel == s.channels - 1
        with case.naming(s.path):
            slabs = read_slabs(
                s.path, axes, planes, channel=s.channel, last=last, colours=reading.colours
            )
            yield from map(s.scaled, slabs)

    def mean(s: Source) -> Iterator[Vector]:
        return map(s.joined, zip(*map(read, s.each), strict=True))

    for found in zip(*map(mean, sources), strict=True):
        yield (*like.shape[:-1], found[0].size // plane), list(found)


def require_fits_image(files: CaseFiles, geometry: Geometry, tolerance: float) -> None:
    """Raise CaseError if the image of a case lies elsewhere; it may have an axis of channels."""
    if files.image is None:
        return
    image = read_geometry(files.image)
    shape, names = geometry.shape, f"{files.image.name} and the masks"
    without_one = [image.shape[:a] + image.shape[a + 1 :] for a in range(len(image.shape))]
    if shape not in without_one:
        require_same_geometry(image, geometry, names, tolerance, remedy="")
    require_same_affine(image, geometry, names, tolerance)
