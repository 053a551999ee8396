"""Which prediction belongs to which reference."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, TypeVar

from ..faults import CaseError, Fault
from .anonymous import hide
from .layout import CaseFiles
from .patterns import TASK

Key = tuple[str, str]

_NO_MASK = (
    "the folder of --mask has no map for it: expected CASE/task01.nii.gz or CASE.nii.gz "
    "(see --mask-pattern)"
)


@dataclass(frozen=True)
class Rated:
    """A reference, and what counts of it.

    Attributes
    ----------
    reference : CaseFiles
        The raters' masks or one label map.
    mask : Path, optional
        A map that is nonzero where voxels count.
    hidden : str
        The name that the files have, where the case has another one that may be passed on.
    """

    reference: CaseFiles
    mask: Path | None = field(default=None, kw_only=True)
    hidden: str = field(default="", kw_only=True)

    @property
    def case(self) -> str:
        """The name of the case, as the references have it."""
        return self.reference.case

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.reference.task

    @property
    def fault(self) -> str:
        """Why the case cannot be used; empty if it can."""
        return self.reference.fault

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return tuple(path for side in self._sides.values() for path in side)

    @property
    def _sides(self) -> dict[str, tuple[Path, ...]]:
        """The files by what they are."""
        return {"reference": self.reference.paths, "mask": (self.mask,) if self.mask else ()}

    def renamed(self, alias: str, *, image: bool) -> Self:
        """Return the case by another name, which hides its own; without its image or with it."""
        files = replace(self.reference, case=alias)
        if not image:
            files = replace(files, image=None, withheld=files.image is not None)
        return replace(self, reference=files, hidden=self.case)

    def shown(self, text: str) -> str:
        """Return a text about the case, without its name and those of files if they are hidden."""
        if not self.hidden:
            return text
        return hide(text, self.hidden, self.case, self._words)

    def shown_path(self, path: str, name: str) -> str:
        """Return the name of a file that is read, or what stands for it if names are hidden."""
        return f"{self.case}/{self._words.get(Path(path), 'beside')}" if self.hidden else name

    @property
    def _words(self) -> dict[Path, str]:
        """What each file is, as "reference 2"."""
        return {
            path: f"{side} {i}" if len(paths) > 1 else side
            for side, paths in self._sides.items()
            for i, path in enumerate(paths, start=1)
        }

    def name_of(self, path: Path) -> str:
        """Return the name of one of the files, and whose it is where two sides have that name.

        Where several files of its side have it, as folds and samples may, their folders are told.
        """
        sides = self._sides
        same = [s for s, paths in sides.items() if any(p.name == path.name for p in paths)]
        of = next((s for s in same if path in sides[s]), "")
        name, twins = path.name, [p for p in sides.get(of, ()) if p.name == path.name]
        if len(twins) > 1:
            name = path.relative_to(os.path.commonpath(twins)).as_posix()
        return f"the {of} {name}" if of and len(same) > 1 else name

    @contextmanager
    def naming(self, path: Path) -> Iterator[None]:
        """Have what is wrong with one of the files begin with `name_of` it."""
        try:
            yield
        except CaseError as error:
            reason = str(error)
            if not reason.startswith(f"{path.name} "):
                raise
            raise CaseError(self.name_of(path) + reason.removeprefix(path.name)) from error


@dataclass(frozen=True)
class Pair(Rated):
    """A prediction and the reference that it is scored against.

    Attributes
    ----------
    reference, mask
        As in `Rated`.
    prediction : CaseFiles
        The label map that was predicted, or a probability map of each class.
    axes : int
        The axes of space, behind which a prediction has its channels, where no reference tells.
    """

    prediction: CaseFiles
    axes: int = field(default=3, kw_only=True)

    @property
    def fault(self) -> str:
        """Why one of both sides cannot be used; empty if both can."""
        return self.reference.fault or self.prediction.fault

    def renamed(self, alias: str, *, image: bool) -> Self:
        """Return the case by another name on both sides."""
        found = super().renamed(alias, image=image)
        return replace(found, prediction=replace(self.prediction, case=alias))

    @property
    def samples(self) -> list["Pair"]:
        """The reference with each sample of the prediction, or with the one that there is."""
        files = self.prediction
        paths = (files.label, *files.samples)
        return [replace(self, prediction=replace(files, label=p, samples=())) for p in paths]

    @property
    def _sides(self) -> dict[str, tuple[Path, ...]]:
        return super()._sides | {"prediction": self.prediction.paths}


Some = TypeVar("Some", bound=Rated)


def pair_up(
    references: Iterable[CaseFiles], predictions: Iterable[CaseFiles]
) -> tuple[list[Pair], list[Fault]]:
    """Find the prediction of every reference; the faults name those that stay alone.

    Names are the same, or one lacks leading folders of the other, as when only one side has a
    folder for the split and no other case would fit.

    Parameters
    ----------
    references, predictions : iterable of CaseFiles
        As `find_cases` returns them.

    Returns
    -------
    tuple of list of Pair and list of Fault
        The pairs, sorted by name, and what has no partner.
    """
    refs = {(c.case, c.task): c for c in references}
    preds = {(c.case, c.task): c for c in predictions}
    matched = {key: key for key in preds if key in refs}
    matched |= _match_by_ending(set(refs) - set(matched.values()), set(preds) - set(matched))
    pairs = [Pair(refs[ref], preds[pred]) for pred, ref in matched.items()]
    pairs.sort(key=lambda p: (p.reference.case, p.reference.task))
    faults = [
        Fault(*key, refs[key].fault or "there is no prediction")
        for key in sorted(set(refs) - set(matched.values()))
    ]
    faults += [
        Fault(*key, preds[key].fault or "there is a prediction but no reference")
        for key in sorted(set(preds) - set(matched))
    ]
    return pairs, faults


def add_masks(pairs: Iterable[Some], masks: Iterable[CaseFiles]) -> tuple[list[Some], list[Fault]]:
    """Give every case its mask: that of its task, or the one that its case has for all tasks.

    Return the cases with a mask, and what is wrong with the others; masks of no case are left out.
    """
    pairs, masks = list(pairs), list(masks)
    by_task = {
        (p.case, p.task): p.prediction for p in pair_up((p.reference for p in pairs), masks)[0]
    }
    of_all = {
        p.case: p.prediction
        for p in pair_up(
            (replace(r, task=TASK) for r in {p.case: p.reference for p in pairs}.values()),
            (m for m in masks if m.task == TASK),
        )[0]
    }
    found, faults = [], []
    for pair in pairs:
        files = by_task.get((pair.case, pair.task)) or of_all.get(pair.case)
        if files is None or files.fault or files.label is None:
            reason = files.fault if files else ""
            faults.append(Fault(pair.case, pair.task, reason or _NO_MASK))
        else:
            found.append(replace(pair, mask=files.label))
    return found, faults


def _match_by_ending(refs: set[Key], preds: set[Key]) -> dict[Key, Key]:
    by_last = defaultdict(list)
    for ref in refs:
        by_last[ref[0].split("/")[-1], ref[1]].append(ref)
    claims = defaultdict(list)
    for pred in preds:
        near = by_last[pred[0].split("/")[-1], pred[1]]
        fits = [r for r in near if r[0].endswith("/" + pred[0]) or pred[0].endswith("/" + r[0])]
        if len(fits) == 1:
            claims[fits[0]].append(pred)
    return {preds[0]: ref for ref, preds in claims.items() if len(preds) == 1}
