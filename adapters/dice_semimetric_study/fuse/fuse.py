"""Fuse the masks of each case's raters into one label."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dice_semimetric import (
    dice_weighted_average,
    majority_vote,
    random_rater,
    staple,
    uniform_average,
)

from ..cases.generator import case_generator
from ..cases.layout import CaseFiles, Raters, find_cases
from ..faults import CaseError, Fault
from ..files.atomic import prepare_folder, require_apart, require_within, write_text
from ..files.writing import write_volume
from ..results.tables import csv_text, digits
from ..runs.cluster import Workers
from ..runs.each import HERE, read_masks
from ..runs.recorded import Recorded, each_recorded, write_run
from ..runs.records import Records
from ..scores.summary import jsonable

Method = Literal["majority", "random", "uniform", "weighted", "staple"]
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Fused:
    """A label, and what the method says about each rater.

    Attributes
    ----------
    label : NDArray
        A boolean mask or a soft label in a floating dtype.
    raters : dict
        Columns with one value a rater, such as ``weight``; empty for most methods.
    """

    label: NDArray[Any]
    raters: dict[str, NDArray[Any]] = field(default_factory=dict)


def fuse_masks(masks: Masks, method: Method, *, rng: np.random.Generator | None = None) -> Fused:
    """Fuse masks with raters on axis 0.

    Parameters
    ----------
    masks : NDArray
        Boolean, raters on axis 0.
    method : {"majority", "random", "uniform", "weighted", "staple"}
        The fusion function of the core.
    rng : numpy.random.Generator, optional
        For "random"; by default one seeded with 0.

    Returns
    -------
    Fused
        A mask for "majority" and "random", a soft label otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric_study import fuse_masks
    >>> fuse_masks(np.array([[True, False], [True, True]]), "uniform").label
    array([1. , 0.5])
    """
    if method == "random":
        return Fused(random_rater(masks, rng=rng or np.random.default_rng(0)))
    return _METHODS[method](masks)


def _weighted(masks: Masks) -> Fused:
    label, weights = dice_weighted_average(masks, return_weights=True)
    return Fused(label, {"weight": weights})


def _staple(masks: Masks) -> Fused:
    label, sensitivity, specificity = staple(masks, return_performance=True)
    return Fused(label, {"sensitivity": sensitivity, "specificity": specificity})


_METHODS: dict[str, Callable[[Masks], Fused]] = {
    "majority": lambda masks: Fused(majority_vote(masks)),
    "uniform": lambda masks: Fused(uniform_average(masks)),
    "weighted": _weighted,
    "staple": _staple,
}
METHODS: tuple[Method, ...] = ("majority", "random", "uniform", "weighted", "staple")


def fuse(
    folder: Path,
    out: Path,
    *,
    method: Method,
    seed: int = 0,
    pattern: str | None = None,
    raters: Raters = "all",
    label: int | None = None,
    tolerance: float = 1e-3,
    follow_links: bool = False,
    workers: Workers = HERE,
    resume: bool = False,
) -> tuple[int, list[Fault]]:
    """Fuse the masks of every case and write one label a case, in the layout of the masks.

    Parameters
    ----------
    folder : Path
        With the masks; see `find_cases`.
    out : Path
        Gets ``CASE/taskTT.nii.gz``, or ``CASE_taskTT.nii.gz`` for flat folders, each as soon as it
        is ready; for "weighted" and "staple" also ``raters.csv``; a record of each case for
        ``resume``, and ``run.json``: versions, options and the digests of all files.
    method : {"majority", "random", "uniform", "weighted", "staple"}
        How masks become a label.
    seed : int, optional
        For "random". Which rater a case gets depends on the seed and on its name alone.
    pattern : str, optional
        Of the masks.
    raters : {"all", "any"}, optional
        Whether a case that lacks a rater is faulty.
    label : int, optional
        The value that is the foreground; None for masks of 0 and 1.
    tolerance : float, optional
        The largest difference of two affines, in millimetres.
    follow_links : bool, optional
        Whether to read what symbolic links lead to; see `find_cases`.
    workers : Workers, optional
        Who does the work.
    resume : bool, optional
        Whether labels stay that an earlier run made of the same files with the same options.

    Returns
    -------
    tuple of int and list of Fault
        The number of labels written, and the cases that got none.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, or one lies in the other.
    """
    require_apart(out, folder)
    folder, out = folder.absolute(), out.absolute()  # workers may have another current folder
    cases = find_cases(folder, pattern=pattern, raters=raters, follow_links=follow_links)
    prepare_folder(out)
    options: dict[str, Any] = {"method": method, "seed": seed, "label": label}
    options |= {"tolerance": tolerance}
    settings = {"fuse": jsonable(options)}
    faults: list[Fault] = []
    done = each_recorded(
        Recorded(
            work=partial(_fuse_case, out=out, **options),
            files=attrgetter("paths"),
            encode=asdict,
            decode=partial(_still_there, out=out),
        ),
        cases,
        records=Records(out, settings),
        faults=faults,
        action=f"fuse ({method})",
        workers=workers,
        resume=resume,
    )
    lines = [line for _, d in done for line in d.value.rows]
    if lines:
        write_text(out / "raters.csv", csv_text(list(lines[0]), lines))
    if done:
        where = {"folder": str(folder), "pattern": pattern, "raters": raters}
        write_run(out, "fuse", where | settings["fuse"], done)
    return len(done), faults


@dataclass(frozen=True)
class Written:
    """What is known of a label once it is written.

    Attributes
    ----------
    rows : list of dict
        What the method says about each rater.
    size, mtime_ns : int
        Of the file.
    """

    rows: list[dict[str, Any]]
    size: int
    mtime_ns: int


def _fuse_case(
    files: CaseFiles, *, out: Path, method: Method, seed: int, label: int | None, tolerance: float
) -> Written:
    """Write the label of one case and return what the method says about its raters."""
    if files.fault:
        raise CaseError(files.fault)
    masks, like = read_masks(files, label=label, tolerance=tolerance)
    fused = fuse_masks(masks, method, rng=case_generator(seed, files.case, files.task))
    path = out / files.label_name
    require_within(path.parent, out)
    write_volume(path, fused.label, like)
    status = path.stat()
    return Written(_rater_rows(files, fused), status.st_size, status.st_mtime_ns)


def _still_there(files: CaseFiles, found: dict[str, Any], *, out: Path) -> Written:
    """Return what a record says of a label, or raise if another file is there."""
    written, status = Written(**found), (out / files.label_name).stat()
    if (written.size, written.mtime_ns) != (status.st_size, status.st_mtime_ns):
        raise ValueError(f"{files.label_name} was changed")
    return written


def _rater_rows(files: CaseFiles, fused: Fused) -> list[dict[str, Any]]:
    if not fused.raters:
        return []
    columns = {name: np.asarray(values, float) for name, values in fused.raters.items()}
    return [
        {"case": files.case, "task": files.task, "rater": rater}
        | {name: digits(values[i]) for name, values in columns.items()}
        for i, rater in enumerate(files.masks)
    ]
