"""The images of a case, one file for each channel, as nnU-Net has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..cases.layout import CaseFiles
from ..cases.pairing import Rated, pair_up
from ..cases.patterns import TASK
from ..cases.study import Study
from ..faults import CaseError, Fault, counted
from ..files.atomic import link, require_within, write_bytes
from ..files.geometry import Geometry, require_same_affine, require_same_geometry, without_ones
from ..files.names import is_compressed
from ..files.opening import open_stored
from ..files.volumes import read_geometry, read_header_of, read_volume
from ..files.writing import write_image

_NO_IMAGE = "there is no image: expected image.nii.gz beside the masks (see --images)"


@dataclass(frozen=True)
class Imaged(Rated):
    """A case with its image: one file, or one for each channel by the channels' names."""

    images: dict[str, Path] = field(default_factory=dict)

    @property
    def _sides(self) -> dict[str, tuple[Path, ...]]:
        return super()._sides | {"image": tuple(self.images.values())}


def with_images(cases: Sequence[Rated], images: Study | None) -> tuple[list[Imaged], list[Fault]]:
    """Return the cases that have images, from a folder of these or beside the masks."""
    known = {c.case: c.reference.image for c in cases} if images is None else {}
    of_files = {} if images is None else _in_folder(cases, images)
    found, faults = [], []
    for case in cases:
        beside, files = known.get(case.case), of_files.get(case.case)
        paths = {"": beside} if beside else _channels(files) if files else {}
        fault = case.fault or (files.fault if files else "") or (not paths and _NO_IMAGE)
        if fault:
            faults.append(Fault(case.case, case.task, fault))
        else:
            found.append(Imaged(case.reference, mask=case.mask, images=paths))
    return found, faults


def _in_folder(cases: Sequence[Rated], images: Study) -> dict[str, CaseFiles]:
    """Return the files of each case's image, whatever task its masks are of."""
    pairs, _ = pair_up((replace(c.reference, task=TASK) for c in cases), images.references())
    return {pair.case: pair.prediction for pair in pairs}


def _channels(files: CaseFiles) -> dict[str, Path]:
    return files.masks or ({"": files.label} if files.label else {})


def write_images(
    case: Imaged,
    channels: Sequence[str],
    out: Path,
    names: Sequence[str],
    *,
    like: Geometry,
    tolerance: float,
    copy: bool,
) -> None:
    """Write the channels of a case under their names below a folder, or link to the study's files.

    A channel is a link where it is a compressed file of its own in three axes or fewer, and else
    written anew.
    """
    for name in names:
        require_within((out / name).parent, out)
    if "" not in case.images:
        for channel, name in zip(channels, names, strict=True):
            _write_file(case.images[channel], out / name, like, tolerance, copy=copy)
        return
    path = case.images[""]
    axis = _axis_of_channels(path, read_geometry(path), like, tolerance)
    if axis is None:
        _write_file(path, out / names[0], like, tolerance, copy=copy)
        return
    volume = read_volume(path)
    for number, name in enumerate(names):
        data = volume.data.take(number, axis).reshape(like.shape, order="F")
        write_image(out / name, data, volume)


def label_shape(
    case: Imaged, channels: Sequence[str], like: Geometry, tolerance: float
) -> tuple[int, ...]:
    """Return the shape that a label has to have beside the written channels of an image.

    Raises
    ------
    CaseError
        If the image lacks one of the channels, or does not lie as the masks do.
    """
    if "" not in case.images:
        missing = [name for name in channels if name not in case.images]
        if missing:
            there = ", ".join(case.images)
            raise CaseError(f"there is no image of channel {missing[0]}, of the channels {there}")
        return _written_shape(case.images[channels[0]], like)
    path = case.images[""]
    geometry = read_geometry(path)
    axis = _axis_of_channels(path, geometry, like, tolerance)
    count = 1 if axis is None else geometry.shape[axis]
    if count != len(channels):
        raise CaseError(
            f"{path.name} has {counted(count, 'channel')}, and the data set {len(channels)}: "
            "name those of the images with --channels"
        )
    return _written_shape(path, like) if axis is None else like.shape


def _written_shape(path: Path, like: Geometry) -> tuple[int, ...]:
    """Return the shape of a file of one channel in the data set, as it will be."""
    shape = tuple(int(n) for n in read_header_of(path).get_data_shape())
    return shape if _stays(path) else like.shape


def _stays(path: Path) -> bool:
    """Return whether nnU-Net reads the file of one channel as it is."""
    return is_compressed(path) and len(read_header_of(path).get_data_shape()) <= 3


def _axis_of_channels(
    path: Path, geometry: Geometry, like: Geometry, tolerance: float
) -> int | None:
    """Return which axis of an image holds channels, None if none does; it must lie as the masks."""
    shape, names = geometry.shape, f"{path.name} and the masks"
    if shape == like.shape:
        require_same_affine(geometry, like, names, tolerance)
        return None
    for axis in reversed(range(len(shape))):
        if without_ones(shape[:axis] + shape[axis + 1 :]) == like.shape:
            require_same_affine(geometry, like, names, tolerance)
            return axis
    require_same_geometry(geometry, like, names, tolerance, remedy="")
    return None


def _write_file(path: Path, target: Path, like: Geometry, tolerance: float, *, copy: bool) -> None:
    """Link to the file of one channel, or write it."""
    require_same_geometry(read_geometry(path), like, f"{path.name} and the masks", tolerance)
    if not _stays(path):
        volume = read_volume(path)
        write_image(target, volume.data, volume)
    elif copy:
        with open_stored(path) as file:
            write_bytes(target, file.read())
    else:
        link(target, path)
