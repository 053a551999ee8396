"""QUBIQ 2020 as it is downloaded, and other data in its layout: 2-D slices with several raters.

Every file is ``<anything>/<data set>/[<split>/]caseNN/image.nii.gz`` or ``taskTT_segRR.nii.gz``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from dice_semimetric_study import CaseFiles, Fault, UsageError, find_cases, read_volume

from ..cases import Incomplete, read_slice, standardised
from .augment import resize
from .prepared import read_patients
from .preparing import Plan, RawCase, Slices


@dataclass(frozen=True)
class Task:
    """One of the seven tasks, with the numbers that its organisers give."""

    dataset: str
    task: int
    cases: int = 0
    raters: int = 0

    @property
    def label(self) -> str:
        """What the names of its masks begin with."""
        return f"task{self.task:02d}"

    @property
    def folder(self) -> str:
        """Where it is prepared."""
        return f"{self.dataset}-{self.label}"


TASKS = (
    Task("prostate", 1, 55, 6),
    Task("prostate", 2, 55, 6),
    Task("brain-growth", 1, 39, 7),
    Task("brain-tumor", 1, 32, 3),
    Task("brain-tumor", 2, 32, 3),
    Task("brain-tumor", 3, 32, 3),
    Task("kidney", 1, 24, 3),
)
#: The subject that lacks an annotation, as the organisers write; the paper's authors leave it out.
KNOWN = {"prostate": "case09"}
_NOT_PUBLISHED = ("testing", "test")  # splits without masks


def plans_qubiq(
    root: Path, *, size: int = 256, incomplete: Incomplete = "raise", subset: bool = False
) -> dict[str, Plan]:
    """Return what there is to prepare of QUBIQ 2020: a plan for each task, by its folder.

    The four data sets lie anywhere below ``root``; with ``subset`` cases and sets may be
    missing. A case without all raters is a fault, is left out, or is prepared with those it has; of
    prostate case 9 it is known, and no fault.
    """
    root = root.resolve()
    by_set: dict[str, list[CaseFiles]] = {task.dataset: [] for task in TASKS}
    for files in find_cases(root, raters="any"):
        for name in by_set.keys() & set(map(_plain, Path(files.case).parts)):
            by_set[name].append(files)
    if not any(by_set.values()):
        raise UsageError(f"{root} has none of the folders {', '.join(sorted(by_set))} with cases")
    plans = {}
    for task in TASKS:
        found = by_set[task.dataset]
        raters = [f"{number + 1:02d}" for number in range(task.raters)]
        known = KNOWN.get(task.dataset, "")
        plan = plan_task(task, root, found, raters, size=size, incomplete=incomplete, known=known)
        there = len({case.case for case in plan.cases} | {fault.case for fault in plan.left_out})
        if there < task.cases and not subset:
            plan.faults.append(_too_few(task, plan, there))
        if found or not subset:
            plans[task.folder] = plan
    return plans


def plans_layout(
    root: Path, *, size: int = 0, incomplete: Incomplete = "raise", groups: Path | None = None
) -> dict[str, Plan]:
    """Return a plan for each task of a folder in the layout of QUBIQ, by its folder.

    ``groups`` is a JSON list of {split, case, patient}, as `open_prepared` takes it.
    """
    root = root.resolve()
    found = find_cases(root, raters="any")
    patients = read_patients(root, groups)
    plans = {}
    for number in sorted({int(f.task[4:]) for f in found if f.task[4:].isdigit()}):
        task = Task(root.name, number)
        raters = sorted({r for f in found if f.task == task.label for r in f.masks})
        plans[task.folder] = plan_task(
            task, root, found, raters, size=size, incomplete=incomplete, patients=patients
        )
    return plans


def plan_task(
    task: Task,
    root: Path,
    found: Sequence[CaseFiles],
    raters: Sequence[str],
    *,
    size: int,
    incomplete: Incomplete,
    patients: dict[tuple[str, str], str] | None = None,
    known: str = "",
) -> Plan:
    """Return what there is to prepare of one task, given the files of all tasks of a data set.

    Of the case ``known`` it is no fault that raters are missing.
    """
    every: dict[str, list[CaseFiles]] = {}
    for files in found:
        every.setdefault(files.case, []).append(files)
    cases: dict[str, RawCase] = {}
    left_out: list[Fault] = []
    for path, several in every.items():
        files = next((f for f in several if f.task == task.label), None)
        files = files or CaseFiles(path, task.label, image=several[0].image)
        split, case = _split_and_case(path, task.dataset)
        shown = f"{split}/{case}" if split else case
        fault, skipped = _state(files, case == known, split, raters, incomplete)
        if skipped:
            left_out.append(Fault(shown, task.label, skipped))
            continue
        if shown in cases:
            fault = f"two folders stand for it: {cases[shown].source.case} and {path}"
        patient = (patients or {}).get((split, case), shown)
        cases[shown] = RawCase(shown, task.label, patient, split, files.paths, fault, files)
    return Plan(
        name=task.dataset,
        raw=root,
        cases=sorted(cases.values(), key=lambda c: (_SPLITS.get(c.split, 3), c.case)),
        make=partial(make_slice, size=size),
        options={
            "size": size,
            "incomplete": incomplete,
            "intensity": "mean 0, standard deviation 1 in each channel",
            "resize": "bilinear, nearest",
        },
        task=task.task,
        left_out=left_out,
    )


def make_slice(case: RawCase, *, size: int) -> Slices:
    """Return the one slice of a case: image standardised channel by channel, masks of the raters.

    Masks of QUBIQ lie where the image lies, pixel by pixel; the headers' affines are not used.
    """
    files: CaseFiles = case.source
    image, masks = read_slice(files)
    shape = image.shape[1:]
    if size:
        image, masks = (resize(array, (size, size)) for array in (image, masks))
    place = read_volume(next(iter(files.masks.values()))).geometry
    spacing = np.linalg.norm(place.affine[:3, :3], axis=0)
    return Slices(
        image=standardised(image)[None],
        labels=masks.astype(np.uint8)[None],
        numbers=(0,),
        shape=shape,
        spacing=tuple(spacing[:2]),
        raters=tuple(files.masks),
    )


_SPLITS = {"Training": 0, "Validation": 1, "Testing": 2}


def _split_and_case(path: str, dataset: str) -> tuple[str, str]:
    """Return the folder between the data set and the case, if there is one, and the case."""
    *above, case = Path(path).parts
    return ("" if not above or _plain(above[-1]) == _plain(dataset) else above[-1]), case


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _state(
    files: CaseFiles, known: bool, split: str, raters: Sequence[str], incomplete: Incomplete
) -> tuple[str, str]:
    """Return what is wrong with a case, and why it is left out; at most one is not empty."""
    if not files.masks:
        if split.lower() in _NOT_PUBLISHED:
            return "", "a test case: its masks are not published"
        return files.fault or "there is no mask of any rater", ""
    missing = [rater for rater in raters if rater not in files.masks]
    if files.fault or not missing or incomplete == "keep":
        return files.fault, ""
    text = f"the mask of rater {', '.join(missing)} is missing"
    if incomplete == "skip":
        return "", text
    if known:
        return "", f"{text}, as its organisers write (see --incomplete keep)"
    return f"{text} (see --incomplete)", ""


def _too_few(task: Task, plan: Plan, there: int) -> Fault:
    names = [case.case.rpartition("/")[2] for case in plan.cases]
    names += [fault.case.rpartition("/")[2] for fault in plan.left_out]
    numbers = {int(name[4:]) for name in names if name[4:].isdigit()}
    absent = [f"case{n:02d}" for n in range(1, task.cases + 1) if n not in numbers]
    reason = f"{there} of {task.cases} cases are there"
    if len(absent) == task.cases - there:
        reason += f"; missing: {', '.join(absent)}"
    return Fault(task.dataset, task.label, f"{reason} (see --subset)")
