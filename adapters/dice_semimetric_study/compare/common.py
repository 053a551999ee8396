"""The scores of several models side by side: what all of them have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cases.patients import Patients
from ..faults import UsageError, counted, printable
from ..results.bootstrap import Numbers
from .tables import Key, Scores


@dataclass(frozen=True)
class CommonScores:
    """The same tasks of the same cases, scored in every model."""

    models: tuple[str, ...]  # their names, in the order given
    thresholds: tuple[float, ...]  # the levels of BDice
    columns: tuple[str, ...]  # the names of the scores
    keys: tuple[Key, ...]  # the case and the task of each row, sorted
    patients: tuple[str, ...]  # of each row
    values: Numbers  # (M, N, K): models, rows and `columns`; NaN where there is no score

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, sorted."""
        return sorted({task for _, task in self.keys})

    def of(self, column: str) -> Numbers:
        """Return one score of all models and rows: (M, N)."""
        return np.asarray(self.values[:, :, self.columns.index(column)])

    def only(self, task: str) -> "CommonScores":
        """Return the rows of one task."""
        kept = [i for i, (_, name) in enumerate(self.keys) if name == task]
        return replace(
            self,
            keys=tuple(self.keys[i] for i in kept),
            patients=tuple(self.patients[i] for i in kept),
            values=self.values[:, kept],
        )


def align(models: Sequence[Scores], patients: Patients | None = None) -> CommonScores:
    """Return what all models have scored.

    The patients are those of the tables unless others are given. UsageError is raised if
    thresholds or other options differ, nothing is common, or a common row has another patient or
    another reference in one of the tables.
    """
    first = models[0]
    for other in models[1:]:
        _require_same_options(first, other)
    keys = tuple(sorted(set.intersection(*(set(m.rows) for m in models))))
    if not keys:
        names = ", ".join(printable(m.name) for m in models)
        raise UsageError(f"no task of any case is scored in all of {names}")
    for other in models[1:]:
        _require_alike(first, other, keys, patients is None)
    return CommonScores(
        models=tuple(m.name for m in models),
        thresholds=first.thresholds,
        columns=first.columns,
        keys=keys,
        patients=tuple(patients.of(k[0]) if patients else first.rows[k].patient for k in keys),
        values=np.array([[m.rows[k].values for k in keys] for m in models], np.float64),
    )


def _require_same_options(first: Scores, other: Scores) -> None:
    """Raise UsageError where two tables were scored in two ways."""
    a, b = printable(str(first.path)), printable(str(other.path))
    if other.thresholds != first.thresholds:
        levels, others = (" ".join(f"{t:g}" for t in s.thresholds) for s in (first, other))
        raise UsageError(
            f"{a} has the thresholds {levels}, and {b} has {others}; score both with the same"
        )
    for name in sorted(first.options.keys() & other.options.keys()):
        one, two = first.options[name], other.options[name]
        if one != two:
            raise UsageError(
                f"{a} was scored with {name} {one!r:.80}, and {b} with {two!r:.80}; "
                "score both with the same"
            )


def _require_alike(first: Scores, other: Scores, keys: Sequence[Key], patients: bool) -> None:
    """Raise UsageError where two tables cannot be of one study."""
    files = f"{printable(str(first.path))} and {printable(str(other.path))}"
    for key in keys:
        a, b = first.rows[key], other.rows[key]
        name = printable(" ".join(key))
        if patients and a.patient != b.patient:
            raise UsageError(
                f"{files} give {name} two patients, {printable(a.patient)} and "
                f"{printable(b.patient)}; name the right one by --patients"
            )
        if a.size != b.size:
            raise UsageError(
                f"{files} are of different references: {name} has {_size(a.size)} in the one and "
                f"{_size(b.size)} in the other"
            )


def _size(size: tuple[int, ...]) -> str:
    raters, voxels = size
    return f"{counted(raters, 'rater')} and {counted(voxels, 'voxel')}"
