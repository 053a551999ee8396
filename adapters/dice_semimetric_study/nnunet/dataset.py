"""Write a data set for nnU-Net: images, labels that count votes, and ``dataset.json``."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..cases.blocks import Reading
from ..cases.foreground import voxels_of
from ..cases.pairing import Rated
from ..cases.regions import task_name
from ..cases.study import Names, Study, full_name
from ..faults import CaseError, Fault, UsageError
from ..files.json import jsonable, write_json
from ..files.volumes import read_geometry
from ..files.writing import written_maps
from ..runs.each import report, stop_of
from ..runs.recorded import Run, each_recorded, write_run
from ..runs.records import Stamp, stamp
from .folder import identifiers, require_free
from .images import Imaged, label_shape, with_images, write_images

_DESCRIPTION, _END = "dataset.json", ".nii.gz"
#: The largest label of all raters together: uint8, and one more for voxels that do not count.
MOST = 254


@dataclass(frozen=True)
class Wanted:
    """What a data set is made of, besides the raters' masks.

    Attributes
    ----------
    structure : str, optional
        The task or region, as tables name it; needed where a study has several.
    images : Study, optional
        Where the images lie, as references; None: beside the masks.
    channels : tuple of str
        The names of the images' channels, by which nnU-Net chooses how to normalize them.
    copy : bool
        Whether images are copied; otherwise they are links to the study's files.
    """

    structure: str | None = None
    images: Study | None = None
    channels: tuple[str, ...] = ()
    copy: bool = False


@dataclass(frozen=True)
class Written:
    """What is known of a case once its files are written."""

    maps: tuple[Stamp, ...]
    raters: int


@dataclass(frozen=True)
class _Plan:
    """What all cases of a data set have in common."""

    region: str
    name: str
    channels: tuple[str, ...]
    votes: int
    ignores: bool
    copy: bool


def write_dataset(
    study: Study, run: Run, wanted: Wanted | None = None, reading: Reading | None = None
) -> tuple[int, list[Fault]]:
    """Write a data set for nnU-Net v2 whose labels count the votes of each case's raters.

    The label of a voxel that k of a case's R raters marked is k L / R, where L is the least common
    multiple of all R: with the same raters everywhere the number of votes. So each label alone
    tells its share of the raters, whatever nnU-Net crops, rotates or resamples. Voxels that do not
    count have nnU-Net's ignore label, L + 1.

    Parameters
    ----------
    study : Study
        Where the masks lie.
    run : Run
        Where the data set goes, a folder named DatasetNNN_NAME, and who does the work.
    wanted : Wanted, optional
        Which structure, and which images.
    reading : Reading, optional
        How cases are read, and what counts in them.

    Returns
    -------
    tuple of int and list of Fault
        The number of cases written, and those that are not.

    Raises
    ------
    UsageError
        If nnU-Net takes no such folder, the study has several structures and none is chosen, no
        case has two raters, or labels would be above 254.
    """
    wanted, reading = wanted or Wanted(), reading or Reading()
    _, title = require_free(run.out)
    for folder in (study, *([wanted.images] if wanted.images else [])):
        folder.require_apart(run.out)
    cases, faults = find_imaged(study, wanted, reading)
    if not cases:
        report(faults)
        raise UsageError(f"no case in {study.ref} has masks and an image")
    plan = _plan(study, cases, wanted, reading)
    names = identifiers(cases)
    settings = {"nnunet": jsonable(asdict(plan) | asdict(reading))}
    described = study.settings(full_name) | settings["nnunet"]
    if wanted.images is not None:
        described |= {"images": wanted.images.settings(full_name)}
    files = (name for case in names.values() for name in _files(case, plan))
    output = run.claim("nnunet", described, {_DESCRIPTION, *files})
    report(faults)
    work = partial(_write_case, out=run.out.absolute(), names=names, plan=plan, reading=reading)
    done = each_recorded(
        work,
        cases,
        kinds=(Written,),
        run=run,
        settings=settings,
        faults=faults,
        action="nnunet",
    )
    raters = {names[case.case]: d.value.raters for case, d in done}
    if done:
        write_json(run.out / _DESCRIPTION, _description(title, plan, raters))
    known = Names(study, *([wanted.images] if wanted.images else []))
    used = study.settings(known.of) | settings["nnunet"]
    stop = stop_of(faults)
    write_run(run.out, "nnunet", used, done, name_of=known.of, faults=faults, stopped=stop)
    output.close(faults, empty=not done)
    return len(done), faults


def find_imaged(study: Study, wanted: Wanted, reading: Reading) -> tuple[list[Imaged], list[Fault]]:
    """Return the cases of the structure that is wanted, with their images, and those without."""
    cases, faults = study.cases()
    task, _ = _structure(study, cases, wanted, reading)
    found, alone = with_images([c for c in cases if c.task in (task, "")], wanted.images)
    return found, faults + alone


def _structure(
    study: Study, cases: Sequence[Rated], wanted: Wanted, reading: Reading
) -> tuple[str, str]:
    """Return the task and the region that are wanted."""
    tasks = sorted({case.task for case in cases if case.task})
    known = {task_name(t, region): (t, region) for t in tasks for region in reading.structures}
    there = ", ".join(known)
    if wanted.structure is not None and wanted.structure not in known:
        raise UsageError(f"the study in {study.ref} has no {wanted.structure}; it has {there}")
    if wanted.structure is None and len(known) > 1:
        raise UsageError(
            f"the study in {study.ref} has several structures, {there}, and a data set counts the "
            "votes on one: choose it with --structure, and write one data set for each"
        )
    if not known:
        raise UsageError(f"no case in {study.ref} has masks")
    return known[wanted.structure or there]


def _plan(study: Study, cases: Sequence[Imaged], wanted: Wanted, reading: Reading) -> _Plan:
    numbers = {len(case.reference.masks) for case in cases if case.reference.masks}
    votes = math.lcm(*numbers)
    listed = ", ".join(map(str, sorted(numbers)))
    if votes < 2:
        raise UsageError(
            f"no case in {study.ref} has two raters or more: there are no votes to "
            "count, and nnU-Net trains on one mask for each case as it is"
        )
    if votes > MOST:
        raise UsageError(
            f"labels must not be above {MOST}, and {votes} is the least that is a multiple of the "
            f"numbers of raters, {listed}: leave out cases, such as those that lack a rater"
        )
    region = _structure(study, cases, wanted, reading)[1]
    name = region or cases[0].task
    if name in ("background", "ignore"):
        raise UsageError(f"nnU-Net has another use for the name {name}: call the region otherwise")
    first = next((c.images for c in cases if "" not in c.images), {})
    channels = wanted.channels or tuple(first) or ("image",)
    ignores = bool(reading.ignored) or study.mask is not None
    return _Plan(region, name, channels, votes, ignores, wanted.copy)


def _files(name: str, plan: _Plan) -> list[str]:
    """Return the names of a case's label and images."""
    images = (f"imagesTr/{name}_{i:04d}{_END}" for i in range(len(plan.channels)))
    return [f"labelsTr/{name}{_END}", *images]


def _write_case(
    case: Imaged, *, out: Path, names: dict[str, str], plan: _Plan, reading: Reading
) -> Written:
    """Write the label of one case and then its images, by which nnU-Net knows the case."""
    masks = case.reference.masks
    if not masks:
        raise CaseError("there is no mask of any rater")
    like = read_geometry(case.reference.maps[0])
    shape = label_shape(case, plan.channels, like, reading.tolerance)
    files = _files(names[case.case], plan)
    step = plan.votes // len(masks)
    image = next(iter(case.images.values()))
    with written_maps(
        out, {files[0]: np.uint8}, image, at_once=reading.takes_whole(like), shape=shape
    ) as (write,):
        for voxels in voxels_of(case, reading):
            votes = sum(mark.view(np.uint8) for mark in voxels.marks(plan.region))
            labels = np.asarray(votes) * np.uint8(step)
            if voxels.kept is not None:
                labels[~voxels.kept] = plan.votes + 1
            write(labels)
    write_images(
        case, plan.channels, out, files[1:], like=like, tolerance=reading.tolerance, copy=plan.copy
    )
    return Written(tuple(stamp(out / name, out) for name in files), len(masks))


def _description(title: str, plan: _Plan, raters: dict[str, int]) -> dict[str, Any]:
    """Return what nnU-Net reads of the data set, and how many raters each case has."""
    labels: dict[str, Any] = {"background": 0, plan.name: list(range(1, plan.votes + 1))}
    if plan.ignores:
        labels["ignore"] = plan.votes + 1
    return {
        "name": title,
        "channel_names": {str(i): name for i, name in enumerate(plan.channels)},
        "labels": labels,
        "regions_class_order": [plan.votes],
        "numTraining": len(raters),
        "file_ending": _END,
        "raters": raters,
    }
