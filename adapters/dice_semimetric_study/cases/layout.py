"""Which files belong to which case.

A path relative to the folder that was given is matched with patterns such as
``{case}/{task}_seg{rater}.nii.gz``. A case may lie under further folders, such as a split; they
are part of its name.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..faults import CaseError, UsageError, counted
from ..files.names import READ, is_foreign, is_nifti, is_npz, other_format, without_ending
from ..files.opening import require_regular
from .listing import (
    File,
    Listing,
    as_nifti,
    both_names,
    count_formats,
    is_volume,
    list_folder,
    not_read,
)
from .patterns import BARE, EXAMPLES, IMAGE, MAP, RATERS, Patterns, compile_pattern, match
from .sorting import Key, Maps, Sorted, fields_of, maps_not_read, sort_files

log = logging.getLogger("dice_semimetric_study")

Raters = Literal["all", "any"]


@dataclass(frozen=True)
class CaseFiles:
    """The files of one task of one case.

    Attributes
    ----------
    case, task : str
        Their names.
    masks : dict
        The mask of each rater, in the order of the raters' names.
    label : Path, optional
        One label map without a rater's name: a prediction, or a single reference.
    image : Path, optional
        The image, where there is one.
    flat : bool
        Whether the names of the case and the task are in the file's name.
    fault : str
        Why the case cannot be used; empty if it can.
    folds : tuple of Path
        Further predictions of the same case, whose mean with the label is the prediction.
    samples : tuple of Path
        Further predictions of the same case that are drawn from one distribution, as the label is.
    withheld : bool
        Whether there is an image that is not to be passed on.
    """

    case: str
    task: str
    masks: dict[str, Path] = field(default_factory=dict)
    label: Path | None = None
    image: Path | None = None
    flat: bool = False
    fault: str = ""
    folds: tuple[Path, ...] = ()
    samples: tuple[Path, ...] = ()
    withheld: bool = False

    @property
    def label_name(self) -> str:
        """The path of a label of this case and task, in the layout that the masks have."""
        return self.map_name()

    def map_name(self, region: str = "") -> str:
        """Return the path of a map of this case and task, or of a region of it."""
        name = f"{self.case}{'_' if self.flat else '/'}{self.task}"
        return f"{name}{region and '_' + region}.nii.gz"

    @property
    def maps(self) -> tuple[Path, ...]:
        """The raters' masks, or the one label map."""
        return tuple(self.masks.values()) or tuple(p for p in (self.label,) if p)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of the case."""
        single = (p for p in (self.label, *self.folds, *self.samples, self.image) if p is not None)
        return (*self.masks.values(), *single)


def find_cases(
    root: Path,
    *,
    pattern: str | None = None,
    raters: Raters = "all",
    follow_links: bool = False,
    known: tuple[Patterns, Patterns] | None = None,
) -> list[CaseFiles]:
    """Return the cases below a folder, sorted by name.

    Endings are matched in capital letters too, and names in Unicode's composed form (NFC), which
    those of the cases have. A case is faulty where a path is no regular file, where two files
    stand for one, or where a map is there in a format that is not read.

    Parameters
    ----------
    root : Path
        The folder.
    pattern : str, optional
        The relative path of a file with the fields ``{case}``, ``{task}`` and ``{rater}``, of which
        only the first is needed; ``{class}`` in place of ``{rater}`` is for predictions that have a
        file for each class, ``{fold}`` for those of several networks, which are averaged, and
        ``{sample}`` for those drawn from one; ``*`` and ``**`` stand for anything within and across
        folders. By default QUBIQ's layout or flat folders are recognised. A pattern that ends in
        .npz is for probabilities that nnU-Net saved, each beside its segmentation; one that ends as
        NRRD, MetaImage, Analyze, PNG or TIFF do is for these.
    raters : {"all", "any"}, optional
        "all" makes a case faulty that lacks a rater whom another case of the task has.
    follow_links : bool, optional
        Whether to read what symbolic links to folders, and to files elsewhere, lead to; otherwise
        they are faults.
    known : tuple, optional
        The expressions of a known layout for maps and for images, instead of a pattern.

    Returns
    -------
    list of CaseFiles
        Faulty ones included.

    Raises
    ------
    UsageError
        If the folder cannot be read, the pattern is wrong, or no file fits.
    """
    if not os.path.isdir(root):  # whatever keeps it from being read
        raise UsageError(f"{root} is not a folder")
    listing = list_folder(root, follow_links)
    if known is not None and pattern is None:
        cases = _find_known(root, listing, *known)
    else:
        cases = _find(root, listing, pattern)
    if pattern is not None and "{fold}" in pattern:
        cases = _require_folds([_folded(c) for c in cases])
    elif pattern is not None and "{sample}" in pattern:
        cases = [_sampled(c) for c in cases]
    elif raters == "all":
        cases = _require_raters(cases)
    cases = [_require_files(root, c, follow_links) for c in cases]
    cases += [
        CaseFiles(str(e.filename), "", fault=f"cannot be read: {e.strerror}")
        for e in listing.unreadable
    ]
    if not cases:
        expected = pattern or f"{EXAMPLES} (see --pattern)"
        raise UsageError(f"no case in {root}: {listing.text()}expected files such as {expected}")
    return sorted(cases, key=lambda c: (c.case, c.task))


def _find(root: Path, listing: Listing, pattern: str | None) -> list[CaseFiles]:
    """Sort files into cases by a pattern, or by the first of the known layouts that fits."""
    some = listing.nifti + listing.hollow_folders()
    if pattern is not None:
        return _find_by_pattern(root, listing, pattern, some)
    kinds = (listing.nifti + listing.folders, listing.volumes, listing.stills)
    found = sort_files(root, kinds, MAP, IMAGE)
    if found.maps:
        return _cases(root, listing, MAP, found, lambda file: True)
    others = [m for f in listing.others if (m := fields_of(MAP, f))]
    if any(m.get("rater") for m in others) or (others and all(match(IMAGE, f.name) for f in some)):
        return []  # what is NIfTI are the images
    best = some or listing.volumes or listing.stills
    found = sort_files(root, [best], RATERS)
    if not found.bare and len({rater for maps in found.maps.values() for rater in maps}) > 1:
        return _cases(root, listing, RATERS, found, lambda file: False)
    found = sort_files(root, [best], BARE, IMAGE)
    _name_probabilities(root, listing)
    return _cases(root, listing, BARE, found, lambda file: False)


def _find_known(root: Path, listing: Listing, maps: Patterns, images: Patterns) -> list[CaseFiles]:
    """Sort files into cases by the expressions of a layout; pictures where nothing else fits."""
    some = listing.nifti + listing.hollow_folders()
    for kinds in ([some, listing.volumes], [listing.stills]):
        found = sort_files(root, kinds, maps, images)
        if found.maps:
            break
    return _cases(root, listing, maps, found, is_volume)


def _find_by_pattern(
    root: Path, listing: Listing, pattern: str, some: list[File]
) -> list[CaseFiles]:
    """Sort files into cases by a pattern: those of its ending, if it has one."""
    patterns: Patterns = (compile_pattern(pattern),)
    if is_nifti(pattern):
        found = sort_files(root, [some], patterns)
        _warn_of_other_endings(root, some, pattern, found)
        return _cases(root, listing, patterns, found, lambda file: False)
    if is_npz(pattern) or is_foreign(pattern):
        kinds = [listing.ending_in(other_format(pattern))]
    else:
        kinds = [some, listing.volumes]
    found = sort_files(root, kinds, patterns)
    if len(kinds) > 1 and not found.maps:
        found = sort_files(root, [listing.stills], patterns)
    hint = " (end --pattern in .nii.gz to leave other files out)"
    return _cases(root, listing, patterns, found, is_volume, hint)


def _cases(
    root: Path,
    listing: Listing,
    patterns: Patterns,
    found: Sorted,
    is_map: Callable[[File], bool],
    hint: str = "",
) -> list[CaseFiles]:
    """Return the cases of sorted files.

    A case is faulty of which a map is there in a format that is not read. Of files that may be
    anything by their names, only their number is reported.
    """
    cases = [_case_files(*key, maps, found.image(key[0])) for key, maps in found.maps.items()]
    fault = "there is an image but no mask"
    cases += [CaseFiles(c, "", image=found.images[c], fault=fault) for c in found.lonely()]
    left: list[File] = []
    faults: dict[Key, str] = {}
    others = listing.others + listing.volumes + listing.stills + listing.series
    for key, file in maps_not_read(root, others, patterns, found.maps) if cases else ():
        if is_map(file):
            faults.setdefault(key, not_read(file) + hint)
        elif file not in listing.series:
            left.append(file)
    if left:
        log.warning("not read in %s: %s; %s", root, count_formats(left), _remedy(left))
    cases = [replace(c, fault=c.fault or faults.pop((c.case, c.task), "")) for c in cases]
    return cases + [CaseFiles(*key, fault=reason) for key, reason in faults.items()]


def _remedy(left: list[File]) -> str:
    """Return what reads files that were left, as some words."""
    end = next((other_format(file.name) for file in left if is_foreign(file.name)), "")
    return f"a pattern such as {{case}}{end} reads them" if end else f"only {READ} are read"


def _warn_of_other_endings(root: Path, some: list[File], pattern: str, found: Sorted) -> None:
    """Report how many NIfTI files would fit a pattern if it did not name the other ending."""
    either = sort_files(root, [some], (compile_pattern(without_ending(pattern)),))
    left = [
        file
        for key, maps in either.maps.items()
        for rater, files in maps.items()
        for file in files[:1]
        if rater not in found.maps.get(key, ())
    ]
    if left:
        log.warning("not read in %s, by the ending of --pattern: %s", root, count_formats(left))


def _name_probabilities(root: Path, listing: Listing) -> None:
    """Report how many probabilities of nnU-Net lie beside segmentations, which are read instead."""
    names = {file.name for file in listing.nifti}
    count = sum(is_npz(f.name) and not names.isdisjoint(as_nifti(f)) for f in listing.others)
    if count:
        log.warning(
            "not read in %s: %s beside segmentations; the pattern {case}.npz reads nnU-Net's "
            "probabilities",
            root,
            counted(count, ".npz file"),
        )


def _require_files(root: Path, files: CaseFiles, follow: bool) -> CaseFiles:
    """Mark a case of which a file is none, or a link that leads out of the folder."""
    for path in files.paths if not files.fault else ():
        if not follow and _leads_out(root, path):
            fault = f"{path.name} is a link that leads out of the folder (see --follow-links)"
            return replace(files, fault=fault)
        try:
            require_regular(path)
        except CaseError as error:
            return replace(files, fault=str(error))
    return files


def _leads_out(root: Path, path: Path) -> bool:
    real = os.path.realpath
    return path.is_symlink() and not Path(real(path)).is_relative_to(real(root))


def _case_files(case: str, task: str, found: Maps, image: Path | None) -> CaseFiles:
    twice = [files for files in found.values() if len(files) > 1]
    fault = f"two files stand for one: {both_names(twice[0])}" if twice else ""
    masks = {rater: found[rater][0].path for rater in sorted(found) if rater}
    label = None if masks else found[""][0].path
    some = next(iter(found.values()))[0].name
    flat = Path(some).name.startswith(Path(case).name + "_")
    return CaseFiles(case, task, masks, label, image, flat, fault)


def _merged(files: CaseFiles) -> tuple[CaseFiles, tuple[Path, ...]]:
    """Return a case with the first of maps that are not of raters, and the others."""
    label, *others = files.masks.values() or [files.label]
    return replace(files, masks={}, label=label), tuple(p for p in others if p)


def _folded(files: CaseFiles) -> CaseFiles:
    """Return a case whose maps are of several folds."""
    first, others = _merged(files)
    return replace(first, folds=others)


def _sampled(files: CaseFiles) -> CaseFiles:
    """Return a case whose maps are samples."""
    first, others = _merged(files)
    return replace(first, samples=others)


def _require_folds(cases: list[CaseFiles]) -> list[CaseFiles]:
    """Mark the cases of fewer folds than others have; which ones these are does not matter."""
    most = max((1 + len(c.folds) for c in cases if c.label), default=0)
    return [
        replace(c, fault=f"there are predictions of {1 + len(c.folds)} of {most} folds")
        if c.label and not c.fault and 1 + len(c.folds) < most
        else c
        for c in cases
    ]


def _require_raters(cases: list[CaseFiles]) -> list[CaseFiles]:
    """Mark the cases that lack a rater whom another case of the same task has."""
    everyone: dict[str, set[str]] = defaultdict(set)
    for files in cases:
        everyone[files.task].update(files.masks)
    marked = []
    for files in cases:
        missing = sorted(everyone[files.task] - set(files.masks))
        masks = "mask of rater {} is" if len(missing) == 1 else "masks of raters {} are"
        reason = f"the {masks.format(', '.join(missing))} missing (see --raters)"
        wrong = files.masks and missing and not files.fault
        marked.append(replace(files, fault=reason) if wrong else files)
    return marked
