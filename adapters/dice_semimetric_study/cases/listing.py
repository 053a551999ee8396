"""What lies below a folder: images by their format, and those that nobody reads here."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..faults import counted
from ..files.names import (
    CALIBRATOR,
    DICOM_ENDINGS,
    PICTURES,
    READ,
    STILLS,
    is_foreign,
    is_nifti,
    one_spelling,
    other_format,
    without_ending,
)
from ..files.opening import is_dicom

_DICOM = "DICOM"


class File(NamedTuple):
    """A file by its relative name in one spelling, without a link followed."""

    name: str
    path: Path


@dataclass
class Listing:
    """What lies below a folder, sorted by name.

    Attributes
    ----------
    nifti, volumes, stills, others : list of File
        NIfTI files by their names, other volumes, pictures, and images that are not read.
    folders : list of File
        Folders that are named as NIfTI files.
    series : list of File
        Folders of DICOM files.
    unreadable : list of OSError
        Folders that cannot be read, or are links that are not to be followed.
    """

    nifti: list[File] = field(default_factory=list)
    volumes: list[File] = field(default_factory=list)
    stills: list[File] = field(default_factory=list)
    others: list[File] = field(default_factory=list)
    folders: list[File] = field(default_factory=list)
    series: list[File] = field(default_factory=list)
    unreadable: list[OSError] = field(default_factory=list)

    def hollow_folders(self) -> list[File]:
        """Return the folders that are named as NIfTI files and hold none."""
        if not self.folders:
            return []
        holding = {f.name[:i] for f in self.nifti for i, c in enumerate(f.name) if c == "/"}
        return [f for f in self.folders if f.name not in holding]

    def text(self) -> str:
        """Return what there is where no case is, as the beginning of a sentence."""
        if self.others:
            return f"found {count_formats(self.others)}, and only {READ} are read; "
        if self.nifti:
            return f"found {counted(len(self.nifti), 'NIfTI file')}, such as {self.nifti[0].name}; "
        if some := self.volumes + self.stills:
            return f"found {count_formats(some)}, such as {some[0].name}; "
        return ""

    def ending_in(self, ending: str) -> list[File]:
        """Return the images that are not NIfTI with an ending, of small letters."""
        some = self.volumes + self.stills + self.others
        return [file for file in some if file.name.lower().endswith(ending)]


def list_folder(root: Path, follow: bool) -> Listing:
    """Return what lies below a folder, hidden files and folders left out."""
    found = Listing()
    seen = {root.resolve()}
    failed = found.unreadable.append
    for folder, folders, files in os.walk(root, onerror=failed, followlinks=follow):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        here = Path(folder)
        for link in [f for f in folders if os.path.islink(here / f)]:
            path = here / link
            if not follow:
                name = path.relative_to(root).as_posix()
                failed(OSError(0, "a link to a folder (see --follow-links)", name))
            elif path.resolve() in {*seen, *here.resolve().parents, here.resolve()}:  # a circle
                folders.remove(link)
            seen.add(path.resolve())
        inside = "" if here == root else here.relative_to(root).as_posix()
        found.folders += [_file(inside, here, f) for f in folders if is_nifti(f)]
        _sort(found, inside, here, sorted(f for f in files if not f.startswith(".")))
    for part in (
        found.nifti,
        found.volumes,
        found.stills,
        found.others,
        found.folders,
        found.series,
    ):
        part.sort()
    return found


def _file(inside: str, folder: Path, name: str) -> File:
    return File(one_spelling(f"{inside}/{name}" if inside else name), folder / name)


def _sort(found: Listing, inside: str, folder: Path, names: list[str]) -> None:
    """Add the files of one folder to a listing."""
    nameless = []
    for name in names:
        if is_nifti(name):
            found.nifti.append(_file(inside, folder, name))
        elif is_foreign(name):
            part = found.stills if other_format(name) in STILLS else found.volumes
            part.append(_file(inside, folder, name))
        elif other_format(name) and not (name.endswith(CALIBRATOR) or _is_beside(name, names)):
            found.others.append(_file(inside, folder, name))
        elif _has_no_ending(name):
            nameless.append(name)
    if not any(is_dicom(folder / n) for n in nameless[:3]):  # one stands for all
        nameless = []
    found.others += [_file(inside, folder, n) for n in nameless]
    if inside and (nameless or any(n.lower().endswith(DICOM_ENDINGS) for n in names)):
        found.series.append(File(one_spelling(inside), folder))


def _is_beside(name: str, names: list[str]) -> bool:
    """Return whether a file holds the voxels of a header beside it."""
    return name.lower().endswith(".img") and f"{name[:-4]}.hdr".lower() in map(str.lower, names)


def _has_no_ending(name: str) -> bool:
    """Return whether a file may be DICOM: without an ending, or named by numbers and dots."""
    end = name.rpartition(".")[2]
    return end == name or end.isdecimal()


def count_formats(others: Iterable[File]) -> str:
    """Return how many images of each format there are, as words."""
    counts = Counter(format_of(f) for f in others)
    words = [counted(counts[k], f"{k} file") for k in sorted(counts, key=lambda k: (-counts[k], k))]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def format_of(file: File) -> str:
    """Return the ending that stands for the format of an image."""
    if is_nifti(file.name):
        return file.name[len(without_ending(file.name)) :].lower()
    return other_format(file.name) or _DICOM


def not_read(file: File) -> str:
    """Return why an image is not read."""
    return f"{file.path.name} is {format_of(file)}, and only {READ} are read"


def is_volume(file: File) -> bool:
    """Return whether an image can hardly be but a map: neither a picture nor a scan's DICOM."""
    return other_format(file.name) not in (*PICTURES, *STILLS, *DICOM_ENDINGS, "")


def as_nifti(file: File) -> tuple[str, ...]:
    """Return the names that an image of whatever format would have as NIfTI."""
    stem = without_ending(file.name)
    return stem + ".nii.gz", stem + ".nii"


def both_names(files: list[File]) -> str:
    """Return the names of files that stand for one, and why they do if they look alike."""
    alike = len({f.name for f in files}) < len(files)
    reason = ", whose names differ in their Unicode normalization (NFC, NFD) only"
    return " and ".join(f.name for f in files) + (reason if alike else "")
