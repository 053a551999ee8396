"""Where a study lies: its folders, how their files are named, and who the patients are."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..faults import Fault, UsageError
from ..files.atomic import require_apart
from .anonymous import aliases_of, hide
from .layout import CaseFiles, Raters, find_cases
from .layouts import KNOWN
from .pairing import Pair, Rated, Some, add_masks, pair_up
from .patients import Patients
from .patterns import TASK, Patterns
from .regions import RESERVED


class Names:
    """Short names of files for what may be passed on: below their folder, by the folder's name.

    Who ran it, and where, stays unknown. Of several folders of one name the later are numbered. The
    files of a study whose names are hidden have none.
    """

    def __init__(self, *studies: "Study") -> None:
        self._folders: dict[Path, str] = {}
        self._hidden = any(study.aliases is not None for study in studies)
        for folder in (folder for study in studies for folder in study.folders):
            path = folder.absolute()
            name = "home" if path == Path.home() else Path(os.path.abspath(path)).name or "root"
            taken, number = set(self._folders.values()), 2
            unlike = name
            while unlike in taken:
                unlike, number = f"{name} ({number})", number + 1
            self._folders.setdefault(path, unlike)

    def of(self, path: str | Path) -> str:
        """Return the name of a folder or file."""
        path = Path(path).absolute()
        for folder in (path, *path.parents):  # the deepest, where one lies in the other
            if folder in self._folders:
                inner = "..." if self._hidden and folder != path else path.relative_to(folder)
                return Path(self._folders[folder], inner).as_posix()
        return "..." if self._hidden else path.name


def full_name(path: Path) -> str:
    """Return the path however it was spelled, for what only a digest is kept of."""
    return os.path.abspath(path)


@dataclass(frozen=True)
class Study:
    """Where a study lies.

    Attributes
    ----------
    ref : Path, optional
        The folder of references: raters' masks, or single label maps; see `find_cases`.
    pred : Path, optional
        The folder of predictions.
    pattern, pred_pattern : str, optional
        File names of the references and of the predictions; see `find_cases`.
    raters : {"all", "any"}
        Whether a case that lacks a rater is faulty.
    mask, mask_pattern : Path and str, optional
        The folder of maps that are nonzero where voxels count, one per case or one per task of a
        case, and their file names.
    follow_links : bool
        Whether to read what symbolic links lead to; see `find_cases`.
    layout : str, optional
        How references and predictions are named where no pattern is given, one of `LAYOUTS`.
    images, image_pattern : Path and str, optional
        The folder of the images that the references mark, and their file names.
    patients : Patients
        Which patient a case is of; by default each case is one.
    aliases : dict, optional
        The names that stand for those of the cases in all that is written; see `anonymous`.
    """

    ref: Path | None = None
    pred: Path | None = None
    pattern: str | None = None
    pred_pattern: str | None = None
    raters: Raters = "all"
    mask: Path | None = None
    mask_pattern: str | None = None
    follow_links: bool = False
    layout: str | None = None
    images: Path | None = None
    image_pattern: str | None = None
    patients: Patients = field(default_factory=Patients)
    aliases: Mapping[str, str] | None = None

    @property
    def folders(self) -> list[Path]:
        """The folders that are given."""
        return [f for f in (self.ref, self.pred, self.mask, self.images) if f is not None]

    def references(self) -> list[CaseFiles]:
        """Return the files of each case's reference, with absolute names."""
        found = self._find(self.ref, self.pattern, self.raters, "references")
        if self.images is None:
            return found
        # Of several tasks each has the image of the case, and of channels the first is shown.
        images = self._find(self.images, self.image_pattern, "any", "images")
        pairs, _ = pair_up({c.case: replace(c, task=TASK) for c in found}.values(), images)
        of = {p.case: p.prediction for p in pairs}
        return [
            replace(c, image=next(iter(one.maps), None), fault=c.fault or one.fault)
            if (one := of.get(c.case))
            else c
            for c in found
        ]

    def predictions(self) -> list[CaseFiles]:
        """Return the files of each prediction, with absolute names."""
        return self._find(self.pred, self.pred_pattern, "any", "predictions")

    def cases(self) -> tuple[list[Rated], list[Fault]]:
        """Return the references with what counts of them, and what lacks a mask."""
        return self.hidden(*self.masked([Rated(files) for files in self.references()]))

    def pairs(self) -> tuple[list[Pair], list[Fault]]:
        """Return the predictions with their references, and what is alone."""
        pairs, faults = pair_up(self.references(), self.predictions())
        pairs, alone = self.masked(pairs)
        return self.hidden(pairs, faults + alone)

    def hidden(
        self, cases: Sequence[Some], faults: Sequence[Fault]
    ) -> tuple[list[Some], list[Fault]]:
        """Return cases and faults by the names that may be passed on.

        Hidden cases have an image only where the folder of images was given.
        """
        if self.aliases is None:
            return list(cases), list(faults)
        image = self.images is not None
        named = [case.renamed(self.aliases[case.case], image=image) for case in cases]
        return named, [replace(f, case=self.aliases[f.case]) for f in faults]

    def names(self) -> dict[str, str]:
        """Return the names of all cases, and the one that a prediction shares with a reference."""
        refs = self.references() if self.ref is not None else []
        preds = self.predictions() if self.pred is not None else []
        same = {p.prediction.case: p.case for p in pair_up(refs, preds)[0]}
        return {c.case: same.get(c.case, c.case) for c in (*refs, *preds)}

    def masked(self, cases: Sequence[Some]) -> tuple[list[Some], list[Fault]]:
        """Return the cases with their masks of what counts, and those that lack one."""
        if self.mask is None:
            return list(cases), []
        return add_masks(cases, self._find(self.mask, self.mask_pattern, "any", "masks"))

    def require_apart(self, out: Path) -> None:
        """Raise UsageError if results would appear among what is read."""
        for folder in self.folders:
            require_apart(out, folder)

    def settings(self, name_of: Callable[[Path], str]) -> dict[str, Any]:
        """Return what JSON can hold of the folders and the names of files."""
        found = {"pred": None} | asdict(replace(self, patients=Patients()))
        del found["patients"], found["aliases"]
        return {k: name_of(v) if isinstance(v, Path) else v for k, v in found.items()}

    def _known(self, what: str) -> tuple[Patterns, Patterns] | None:
        """Return the expressions of the layout for one folder, None where it has none."""
        if self.layout is None or what not in ("references", "predictions"):
            return None
        known = KNOWN[self.layout]
        return (
            (known.predictions, ()) if what == "predictions" else (known.references, known.images)
        )

    def _find(
        self, folder: Path | None, pattern: str | None, raters: Raters, what: str
    ) -> list[CaseFiles]:
        if folder is None:
            raise UsageError(f"the study has no folder of {what}")
        for name in ("{fold}", "{sample}") if what != "predictions" else ():
            if name in (pattern or ""):
                raise UsageError(f"only predictions have a {name}, and not the {what}: {pattern}")
        # Absolute, since workers may have another current folder.
        found = find_cases(
            folder.absolute(),
            pattern=pattern,
            raters=raters,
            follow_links=self.follow_links,
            known=self._known(what),
        )
        if what in ("references", "predictions"):
            _require_own_names(found, folder)
        if self.aliases is None:
            return found
        return [replace(c, fault=_hidden(c, what, self.aliases.get(c.case, ""))) for c in found]


def anonymous(*studies: Study) -> tuple[list[Study], dict[str, str]]:
    """Return studies whose cases have other names in all that is written, and these by the names.

    A case has one name in all of the studies. Who the patients are is known by numbers alone.
    """
    names: dict[str, str] = {}
    for study in studies:
        names |= study.names()
    aliases = aliases_of(names.values())
    of_all = {name: aliases[same] for name, same in names.items()}
    return [
        replace(s, aliases=of_all, patients=s.patients.renamed(of_all)) for s in studies
    ], aliases


def _hidden(files: CaseFiles, what: str, alias: str) -> str:
    words = dict.fromkeys(files.paths, f"a file of the {what}")
    return files.fault and hide(files.fault, files.case, alias, words)


def _require_own_names(found: Sequence[CaseFiles], folder: Path) -> None:
    """Raise UsageError unless each task can be told from all of them in the tables."""
    for name in RESERVED:
        if any(files.task == name for files in found):
            raise UsageError(
                f"a task in {folder} cannot have the name {name}, which the row over all tasks "
                "has: name the files otherwise, or give another pattern"
            )
