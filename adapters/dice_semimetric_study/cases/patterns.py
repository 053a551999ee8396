"""What the names of files say: QUBIQ's folders, flat folders, or a pattern of the user's."""

import re
from collections.abc import Iterable

from ..faults import UsageError
from ..files.names import NIFTI, is_foreign, is_nifti, is_npz, one_spelling, without_ending

#: The task of a file without one in its name.
TASK = "task01"

Patterns = tuple[re.Pattern[str], ...]

_TASK = r"(?P<task>task[^/_]*)"


def _patterns(name: str, *cases: str) -> Patterns:
    return tuple(re.compile(case + name + NIFTI, re.DOTALL) for case in cases)


_CASE = (r"(?:(?P<case>.+)/)?", r"(?P<case>.+)_")  # a folder, or in front of a flat name
#: A rater's mask or a map of a task.
MAP = _patterns(rf"{_TASK}_seg(?P<rater>[^/_]+)", *_CASE) + _patterns(_TASK, *_CASE)
IMAGE = _patterns("image", *_CASE)
_WHO = "(?i:rater|reader|annotator|expert|observer|grader)"
#: A rater's mask in the folder of that rater.
RATERS = (re.compile(rf"(?P<rater>{_WHO}[^/]*)/(?P<case>.+){NIFTI}", re.DOTALL),)
#: A map by the name of its case alone.
BARE = _patterns("", r"(?P<case>.+)")

EXAMPLES = "CASE/task01_seg01.nii.gz, CASE/task01.nii.gz or the flat CASE_task01_seg01.nii.gz"


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern with named fields, {case} among them."""
    inside = {"case": ".+", **dict.fromkeys(("task", "rater", "fold", "sample"), "[^/]+?")}
    given, pattern = pattern, one_spelling(pattern).replace("{class}", "{rater}")
    end = NIFTI
    if is_nifti(pattern) or is_npz(pattern) or is_foreign(pattern):
        stem = without_ending(pattern)
        pattern, end = stem, f"(?i:{re.escape(pattern[len(stem) :])})"
    seen: set[str] = set()
    parts = []
    for token in re.split(r"(\{[^{}]*\}|\*\*|\*)", pattern):
        name = token[1:-1]
        if token in ("*", "**"):
            parts.append("[^/]*" if token == "*" else ".*")
        elif not token.startswith("{"):
            parts.append(re.escape(token))
        elif name not in inside:
            fields = "{case}, {task}, {rater}, {class}, {fold} and {sample}"
            raise UsageError(f"--pattern knows {fields}, got {token}")
        else:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{inside[name]})")
            seen.add(name)
    if "case" not in seen:
        raise UsageError(f"--pattern must hold {{case}}, got {given!r}")
    if len({"rater", "fold", "sample"} & seen) > 1:
        one = "{rater}, {class}, {fold} and {sample}"
        raise UsageError(f"--pattern can hold one of {one}, got {given!r}")
    return re.compile("".join(parts) + end, re.DOTALL)


def match(patterns: Iterable[re.Pattern[str]], name: str) -> dict[str, str | None] | None:
    """Return the fields of the first pattern that fits a name, or None."""
    return next((m.groupdict() for p in patterns if (m := p.fullmatch(name))), None)
