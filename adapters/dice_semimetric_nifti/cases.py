"""Do something with case after case: one in memory at a time, a faulty one stops no other."""

import sys
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .faults import CaseError, Fault
from .layout import CaseFiles
from .volumes import (
    Volume,
    read_geometry,
    read_volume,
    require_same_affine,
    require_same_geometry,
)


class Named(Protocol):
    """Anything that is about one task of one case."""

    @property
    def case(self) -> str:
        """Name of the case."""

    @property
    def task(self) -> str:
        """Name of the task."""


Item = TypeVar("Item", bound=Named)
Result = TypeVar("Result")


def each_case(
    work: Callable[[Item], Result], items: Iterable[Item], *, results: list[Result], action: str
) -> list[Fault]:
    """Append the results of the good cases to a list and return the faults of the others.

    A progress bar is shown where stderr is a terminal. Each fault is said there as it is met. What
    was appended stays when the user stops the run.
    """
    faults: list[Fault] = []
    # disable=None is how tqdm is told to look for a terminal.
    for item in tqdm(list(items), desc=action, unit="case", disable=None, leave=False):
        try:
            results.append(work(item))
        except Exception as error:  # whatever it is, it is about this case only
            told = isinstance(error, CaseError | OSError | ValueError | TypeError)
            reason = str(error) if told else f"{type(error).__name__}: {error}"
            faults.append(Fault(item.case, item.task, reason))
            report(faults[-1:])
    return faults


def report(faults: Iterable[Fault]) -> None:
    """Name faulty cases on stderr, beside a progress bar if there is one."""
    for fault in faults:
        tqdm.write(f"faulty: {fault}", file=sys.stderr)


def read_masks(
    files: CaseFiles, *, label: int | None, tolerance: float
) -> tuple[NDArray[np.bool_], Volume]:
    """Return the raters' masks, raters on axis 0, and the volume of the first of them.

    Raises
    ------
    CaseError
        If a file is faulty, a mask is none, or shapes or affines differ.
    """
    first: Volume | None = None
    masks: list[NDArray[np.bool_]] = []
    for path in files.masks.values():
        volume = read_volume(path)
        first = first or volume
        names = f"{next(iter(files.masks.values())).name} and {path.name}"
        require_same_geometry(first.geometry, volume.geometry, names, tolerance)
        masks.append(to_mask(volume.data, path.name, label))
    if first is None:
        raise CaseError("there is no mask of any rater")
    require_fits_image(files, first, tolerance)
    return np.stack(masks), first


def to_mask(data: NDArray[np.generic], name: str, label: int | None) -> NDArray[np.bool_]:
    """Return the foreground of a label map, of whatever dtype the file has.

    Without a ``label`` the map must hold 0 and 1 only.
    """
    if label is not None:
        return np.asarray(data == label)
    if not np.all((data == 0) | (data == 1)):
        raise CaseError(
            f"{name} must hold 0 and 1 only, got values from {np.min(data)} to {np.max(data)} "
            "(see --label)"
        )
    return data.astype(bool)


def require_fits_image(files: CaseFiles, volume: Volume, tolerance: float) -> None:
    """Raise CaseError if the image of the case lies elsewhere; it may have an axis of channels."""
    if files.image is None:
        return
    image = read_geometry(files.image)
    shape, names = volume.geometry.shape, f"{files.image.name} and the masks"
    without_one = [image.shape[:a] + image.shape[a + 1 :] for a in range(len(image.shape))]
    if shape not in without_one:
        require_same_geometry(image, volume.geometry, names, tolerance)
    require_same_affine(image, volume.geometry, names, tolerance)
