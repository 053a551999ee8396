"""Fuse the masks of each case's raters into one label, or one for each region."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import Agreement

from ..cases.blocks import Reading
from ..cases.foreground import Voxels, voxels_of
from ..cases.generator import case_generator
from ..cases.pairing import Rated
from ..cases.regions import require_file_names
from ..cases.study import Names, Study, full_name
from ..choices import FuseMethod
from ..faults import CaseError, Fault
from ..files.atomic import write_text
from ..files.json import jsonable
from ..files.volumes import read_geometry
from ..files.writing import Write, written_maps
from ..results.page.page import Report, require_page
from ..results.tables import csv_text
from ..results.totals import total, total_by_name
from ..runs.each import report, stop_of
from ..runs.recorded import Run, each_recorded, write_run
from ..runs.records import Stamp, stamp
from ..scores.copies import Marked, report_copies
from .kept import Kept, report_kept
from .methods import HARD, LEARNING, Masks, Rule, gather, most_frequent, rule_of
from .page import write_fusion_page
from .patterns import Patterns, Vote, agreement_of_labels, of_labels
from .raters import Row, rater_rows

#: Voxels that are fused at a time: what is computed of them is wider than the masks.
_SOME = 1 << 22


@dataclass(frozen=True)
class Written:
    """What is known of a case once its maps are written."""

    rows: Sequence[Row]
    maps: tuple[Stamp, ...]
    kept: tuple[Kept, ...]  # of each structure, unless there is a label map alone
    labels: tuple[Agreement, ...] = ()  # of the raters of that label map


def fuse(
    study: Study,
    run: Run,
    method: FuseMethod,
    reading: Reading | None = None,
    *,
    seed: int = 0,
    page: Report | None = None,
) -> tuple[int, list[Fault], list[Row]]:
    """Fuse the masks of every case and write one label per case, in the layout of the masks.

    Parameters
    ----------
    study : Study
        Where the masks lie.
    run : Run
        Where labels go, and who does the work. The folder gets ``CASE/taskTT.nii.gz``, or
        ``CASE_taskTT.nii.gz`` for flat folders, each as soon as it is ready; for "weighted" and
        "staple" also ``raters.csv``; a record of each case, and ``run.json``: versions, options and
        the digests of all files.
    method : {"majority", "random", "uniform", "weighted", "staple"}
        How masks become a label.
    reading : Reading, optional
        How cases are read, and what counts in them; a map is 0 where voxels do not count. Regions
        get a map each, ``CASE/taskTT_REGION.nii.gz``. "majority" and "random" then also write the
        label map of all labels. They and "staple" do so where masks are label maps and there is
        neither a label nor regions: the label that most raters gave, or the most probable one, the
        lowest of those that tie.
    seed : int, optional
        For "random". Which rater a case gets depends on the seed and on its name alone.
    page : Report, optional
        A page about the labels that a person opens in a browser.

    Returns
    -------
    tuple of int, list of Fault and list of dict
        The number of maps written, the cases that got none, and the rows of ``raters.csv``.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, or one lies in the other.
    """
    reading = reading or Reading()
    study.require_apart(run.out)
    require_file_names(reading.regions)
    out = run.out.absolute()  # workers may have another current folder
    cases, faults = study.cases()
    settings = {"fuse": {"method": method, "seed": seed} | jsonable(asdict(reading))}
    maps = {name for case in cases for name in _names(case, method, reading)}
    files = {"raters.csv", *maps}
    require_page(page, study.folders, run.out, files)
    output = run.claim("fuse", study.settings(full_name) | settings["fuse"], files)
    report(faults)
    done = each_recorded(
        partial(_fuse_case, out=out, method=method, seed=seed, reading=reading),
        cases,
        kinds=(Written, Kept, Agreement),
        run=run,
        settings=settings,
        faults=faults,
        action=f"fuse ({method})",
    )
    kept = [
        (case, region, one)
        for case, d in done
        for region, one in zip(reading.structures, d.value.kept, strict=False)
    ]
    wrong, copies = report_kept(kept, reading, chosen=method == "random")
    faults += wrong
    copies += report_copies(
        Marked(case.task, list(case.reference.masks), labels)
        for case, d in done
        for labels in d.value.labels
    )
    rows = [row for _, d in done for row in d.value.rows]
    if rows:
        write_text(out / "raters.csv", csv_text(list(rows[0]), rows))
    names = Names(study)
    used = study.settings(names.of) | settings["fuse"]
    stop = stop_of(faults)
    record = write_run(out, "fuse", used, done, name_of=names.of, faults=faults, stopped=stop)
    count = sum(len(d.value.maps) for _, d in done)
    if page is not None:
        how: dict[str, Any] = {"method": method, "reading": reading, "maps": count, "out": out}
        write_fusion_page(page, kept, rows, faults, record, copies=copies, **how)
    output.close(faults, empty=not done)
    return count, faults, rows


def _names(case: Rated, method: FuseMethod, reading: Reading) -> set[str]:
    """Return the names of the maps that a case may get."""
    files = case.reference
    names = {files.map_name(region) for region in reading.structures}
    return names | {files.label_name} if _makes_labels(method, reading) else names


def _makes_labels(method: FuseMethod, reading: Reading) -> bool:
    """Return whether a method makes a label map of label maps."""
    if method == "staple" and reading.regions is not None:
        return False  # the probability of each region is what is asked for
    return method in (*HARD, "staple") and reading.label is None


def _fuse_case(
    case: Rated, *, out: Path, method: FuseMethod, seed: int, reading: Reading
) -> Written:
    """Write the maps of one case and return what the method finds about its raters."""
    files = case.reference
    if files.fault:
        raise CaseError(files.fault)
    if not files.masks:
        raise CaseError("there is no mask of any rater")
    blocks = _Blocks(case, reading)
    regions, labels = reading.structures, None
    if _makes_labels(method, reading):
        labels = blocks.label_dtype(reading.regions is not None)
        regions = regions if labels is None or reading.regions else []
    chosen = int(case_generator(seed, case.case, case.task).integers(len(files.masks)))
    known = blocks.statistics(method, regions) if method in LEARNING and regions else {}
    rules = {r: rule_of(method, known.get(r), chosen=chosen) for r in regions}
    rated = {region: rule.raters for region, rule in rules.items()}
    vote: Vote = most_frequent if method == "majority" else itemgetter(chosen)
    if labels is not None and method == "staple":
        vote, rated = of_labels(blocks.joint_labels())
    kind = np.dtype(bool if method in HARD else np.float32)
    maps = {files.map_name(region): kind for region in regions}
    if labels is not None:
        maps[files.label_name] = labels
    with written_maps(out, maps, blocks.like, at_once=blocks.at_once) as writers:
        nothing = np.zeros((len(files.masks), 0), bool)
        kept = {region: Kept.of(nothing, nothing[0]) for region in regions}
        alike = []
        for voxels in blocks:
            _fuse_voxels(voxels, rules, writers, kept)
            if labels is not None:
                alike += _fuse_labels(voxels, vote, writers[-1])
    rows = [row for region, one in rated.items() for row in rater_rows(case, region, one)]
    stamps = tuple(stamp(out / name, out) for name in maps)
    agreement = () if regions else (total(alike),)
    return Written(rows, stamps, tuple(kept.values()), agreement)


class _Blocks:
    """The voxels of a case, as often as they are wanted: read once where they fit, else again."""

    def __init__(self, case: Rated, reading: Reading) -> None:
        self.case, self.reading = case, reading
        self.like = case.reference.maps[0]
        self.at_once = reading.takes_whole(read_geometry(self.like))
        self._kept = list(voxels_of(case, reading)) if self.at_once else None

    def __iter__(self) -> Iterator[Voxels]:
        return iter(self._kept or voxels_of(self.case, self.reading))

    def statistics(self, method: FuseMethod, regions: Iterable[str]) -> dict[str, Any]:
        """Return what a method must know of each region, from one pass over the voxels."""
        return total_by_name(
            (region, gather(method, masks, kept))
            for voxels in self
            for region in regions
            for masks, kept in _parts(voxels, region)
        )

    def joint_labels(self) -> Patterns:
        """Return how often the raters' labels occur together, from one pass over the voxels."""
        return total(Patterns.of(*part) for voxels in self for part in _label_parts(voxels))

    def label_dtype(self, labels: bool) -> np.dtype[Any] | None:
        """Return the integers that hold all labels, or None where maps are mere masks."""
        dtype: np.dtype[Any] = np.dtype(bool)
        for voxels in self:
            labels = labels or not voxels.are_masks
            dtypes = [r.dtype for r in voxels.block.reference]
            whole = [np.dtype(np.int32) if d.kind == "f" else d for d in dtypes]
            dtype = np.result_type(dtype, *whole)
            if self.reading.regions is not None:
                break
        if not labels:
            return None
        return np.dtype(np.uint8 if dtype.kind == "b" else np.int64 if dtype.kind == "f" else dtype)


def _cuts(size: int) -> Iterator[slice]:
    return (slice(start, start + _SOME) for start in range(0, size, _SOME))


def _parts(voxels: Voxels, region: str) -> Iterator[tuple[Masks, NDArray[np.bool_] | None]]:
    """Yield the masks of some voxels after the other, and which count; None if all do."""
    marks, kept = voxels.marks(region), voxels.kept
    for cut in _cuts(marks[0].size):
        yield np.stack([m[cut] for m in marks]), None if kept is None else kept[cut]


def _fuse_voxels(
    voxels: Voxels, rules: dict[str, Rule], writers: list[Write], found: dict[str, Kept]
) -> None:
    """Write the labels of some voxels, and add what they keep of the marks."""
    for (region, rule), write in zip(rules.items(), writers, strict=False):
        for masks, kept in _parts(voxels, region):
            label = rule.label(masks)
            label = label if kept is None else label * kept
            write(label)
            found[region] += Kept.of(masks if kept is None else masks & kept, label)


def _label_parts(voxels: Voxels) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
    """Yield the label maps of some voxels after the other, as `_parts` does the masks."""
    labels, kept = voxels.labels(), voxels.kept
    for cut in _cuts(labels[0].size):
        yield np.stack([one[cut] for one in labels]), None if kept is None else kept[cut]


def _fuse_labels(voxels: Voxels, vote: Vote, write: Write) -> list[Agreement]:
    """Write the label map of some voxels, and return how the raters agree in their parts."""
    found = []
    for labels, kept in _label_parts(voxels):
        label = vote(labels)
        write(label if kept is None else label * kept)
        found.append(agreement_of_labels(labels if kept is None else labels * kept))
    return found
