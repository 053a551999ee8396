"""Which files belong to which case: QUBIQ's folders, flat folders, or a pattern of the user's.

A path relative to the folder that was given is matched with patterns such as
``{case}/{task}_seg{rater}.nii.gz``. A case may lie under further folders, such as a split; they
are part of its name.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..faults import UsageError

#: The task of a file without one in its name.
TASK = "task01"

_END = r"\.nii(?:\.gz)?"
_TASK = r"(?P<task>task[^/_]*)"


def _patterns(name: str, *cases: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(case + name + _END, re.DOTALL) for case in cases)


_CASE = (r"(?:(?P<case>.+)/)?", r"(?P<case>.+)_")  # a folder, or in front of a flat name
_RATER = _patterns(rf"{_TASK}_seg(?P<rater>[^/_]+)", *_CASE)
_LABEL = _patterns(_TASK, *_CASE)
_IMAGE = _patterns("image", *_CASE)
_BARE = _patterns("", r"(?P<case>.+)")

_EXAMPLES = "CASE/task01_seg01.nii.gz, CASE/task01.nii.gz or the flat CASE_task01_seg01.nii.gz"

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
    """

    case: str
    task: str
    masks: dict[str, Path] = field(default_factory=dict)
    label: Path | None = None
    image: Path | None = None
    flat: bool = False
    fault: str = ""

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
        return (*self.masks.values(), *(p for p in (self.label, self.image) if p is not None))


def find_cases(
    root: Path, *, pattern: str | None = None, raters: Raters = "all", follow_links: bool = False
) -> list[CaseFiles]:
    """Return the cases below a folder, sorted by name.

    Parameters
    ----------
    root : Path
        The folder.
    pattern : str, optional
        The relative path of a file with the fields ``{case}``, ``{task}`` and ``{rater}``, of which
        only the first is needed; ``{class}`` in place of ``{rater}`` is for predictions that have a
        file for each class; ``*`` and ``**`` stand for anything within and across folders. By
        default QUBIQ's layout or flat folders are recognised.
    raters : {"all", "any"}, optional
        "all" makes a case faulty that lacks a rater whom another case of the task has.
    follow_links : bool, optional
        Whether to read what symbolic links to folders, and to files elsewhere, lead to; otherwise
        they are faults.

    Returns
    -------
    list of CaseFiles
        Faulty ones included.

    Raises
    ------
    UsageError
        If the folder cannot be read, the pattern is wrong, or no file fits.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    unreadable: list[OSError] = []
    names = sorted(_nifti_files(root, unreadable, follow_links))
    if pattern is not None:
        cases = _group(root, names, (compile_pattern(pattern),))
    else:
        cases = _group(root, names, _RATER + _LABEL, _IMAGE)
        if not any(c.masks or c.label for c in cases):
            cases = _group(root, names, _BARE, _IMAGE)
    if raters == "all":
        cases = _require_raters(cases)
    if not follow_links:
        cases = [_require_inside(root, c) for c in cases]
    cases += [
        CaseFiles(str(e.filename), "", fault=f"cannot be read: {e.strerror}") for e in unreadable
    ]
    if not cases:
        expected = pattern or f"{_EXAMPLES} (see --pattern)"
        raise UsageError(f"no case in {root}: expected files such as {expected}")
    return sorted(cases, key=lambda c: (c.case, c.task))


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern with named fields, {case} among them."""
    inside = {"case": ".+", "task": "[^/]+?", "rater": "[^/]+?"}
    pattern = pattern.replace("{class}", "{rater}")
    seen: set[str] = set()
    parts = []
    for token in re.split(r"(\{[^{}]*\}|\*\*|\*)", pattern):
        name = token[1:-1]
        if token in ("*", "**"):
            parts.append("[^/]*" if token == "*" else ".*")
        elif not token.startswith("{"):
            parts.append(re.escape(token))
        elif name not in inside:
            raise UsageError(f"--pattern knows {{case}}, {{task}} and {{rater}}, got {token}")
        else:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{inside[name]})")
            seen.add(name)
    if "case" not in seen:
        raise UsageError(f"--pattern must hold {{case}}, got {pattern!r}")
    end = "" if pattern.endswith((".nii", ".nii.gz")) else _END
    return re.compile("".join(parts) + end)


def _nifti_files(root: Path, errors: list[OSError], follow: bool) -> Iterator[str]:
    seen = {os.path.realpath(root)}
    for folder, folders, files in os.walk(root, onerror=errors.append, followlinks=follow):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        links = [f for f in folders if os.path.islink(os.path.join(folder, f))]
        for link in links:
            path = Path(folder) / link
            if not follow:
                name = path.relative_to(root).as_posix()
                errors.append(OSError(0, "a link to a folder (see --follow-links)", name))
            elif os.path.realpath(path) in seen:  # a link in a circle
                folders.remove(link)
            seen.add(os.path.realpath(path))
        for name in files:
            if name.endswith((".nii", ".nii.gz")) and not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _require_inside(root: Path, files: CaseFiles) -> CaseFiles:
    """Mark a case of which a file is a link that leads out of the folder."""
    for path in files.paths:
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            fault = f"{path.name} is a link that leads out of the folder (see --follow-links)"
            return replace(files, fault=files.fault or fault)
    return files


def _match(patterns: Iterable[re.Pattern[str]], name: str) -> dict[str, str | None] | None:
    return next((m.groupdict() for p in patterns if (m := p.fullmatch(name))), None)


def _group(
    root: Path,
    names: list[str],
    map_patterns: Iterable[re.Pattern[str]],
    image_patterns: Iterable[re.Pattern[str]] = (),
) -> list[CaseFiles]:
    """Sort files into cases; the first pattern that fits decides."""
    files: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    images: dict[str, Path] = {}
    bare: dict[str, Path] = {}
    for name in names:
        found = _match(map_patterns, name)
        image = None if found else _match(image_patterns, name)
        if found is not None:
            case = found["case"] or root.resolve().name
            files[case, found.get("task") or TASK][found.get("rater") or ""].append(name)
        elif image is not None:
            images[image["case"] or root.resolve().name] = root / name
        else:
            bare[name.removesuffix(".gz").removesuffix(".nii")] = root / name
    cases = [
        _case_files(root, case, task, found, images.get(case, bare.get(case)))
        for (case, task), found in files.items()
    ]
    known = {case for case, _ in files}
    lonely = [c for c in images if c not in known] if files else []
    fault = "there is an image but no mask"
    return cases + [CaseFiles(c, "", image=images[c], fault=fault) for c in lonely]


def _case_files(
    root: Path, case: str, task: str, found: dict[str, list[str]], image: Path | None
) -> CaseFiles:
    twice = [names for names in found.values() if len(names) > 1]
    fault = f"two files stand for one: {' and '.join(twice[0])}" if twice else ""
    masks = {rater: root / found[rater][0] for rater in sorted(found) if rater}
    label = None if masks else root / found[""][0]
    some = next(iter(found.values()))[0]
    flat = Path(some).name.startswith(Path(case).name + "_")
    return CaseFiles(case, task, masks, label, image, flat, fault)


def _require_raters(cases: list[CaseFiles]) -> list[CaseFiles]:
    """Mark the cases that lack a rater whom another case of the same task has."""
    everyone: dict[str, set[str]] = defaultdict(set)
    for files in cases:
        everyone[files.task].update(files.masks)
    marked = []
    for files in cases:
        missing = sorted(everyone[files.task] - set(files.masks))
        reason = f"the mask of rater {', '.join(missing)} is missing (see --raters)"
        wrong = files.masks and missing and not files.fault
        marked.append(replace(files, fault=reason) if wrong else files)
    return marked
