"""The scores of several models side by side: what all of them have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cases.patients import Patients
from ..faults import UsageError, printable
from ..results.bootstrap import Numbers
from ..scores.score_tables import NUMBERS, curve_columns
from .tables import Key, Scores


@dataclass(frozen=True)
class Study:
    """The same tasks of the same cases, scored in every model.

    Attributes
    ----------
    models : tuple of str
        Their names, in the order given.
    thresholds : tuple of float
        The levels of BDice.
    keys : tuple of (str, str)
        The case and the task of each line, sorted.
    patients : tuple of str
        Whose case each line is of.
    values : NDArray
        (M, N, K): models, lines and `columns`; NaN where there is no score.
    """

    models: tuple[str, ...]
    thresholds: tuple[float, ...]
    keys: tuple[Key, ...]
    patients: tuple[str, ...]
    values: Numbers

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the scores."""
        return (*NUMBERS, *curve_columns(self.thresholds))

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, sorted."""
        return sorted({task for _, task in self.keys})

    def of(self, column: str) -> Numbers:
        """Return one score of all models and lines: (M, N)."""
        return np.asarray(self.values[:, :, self.columns.index(column)])

    def only(self, task: str) -> "Study":
        """Return the lines of one task."""
        kept = [i for i, (_, name) in enumerate(self.keys) if name == task]
        return replace(
            self,
            keys=tuple(self.keys[i] for i in kept),
            patients=tuple(self.patients[i] for i in kept),
            values=self.values[:, kept],
        )


def align(models: Sequence[Scores], patients: Patients | None = None) -> Study:
    """Return what all models have scored.

    Parameters
    ----------
    models : sequence of Scores
        Two or more.
    patients : Patients, optional
        Whose case is whose; by default as the tables say.

    Returns
    -------
    Study
        The common lines.

    Raises
    ------
    UsageError
        If thresholds or other options differ, nothing is common, or a common line has another
        patient or another reference in one of the tables.
    """
    first = models[0]
    for other in models[1:]:
        _require_same_options(first, other)
    keys = tuple(sorted(set.intersection(*(set(m.lines) for m in models))))
    if not keys:
        names = ", ".join(printable(m.name) for m in models)
        raise UsageError(f"no task of any case is scored in all of {names}")
    for other in models[1:]:
        _require_alike(first, other, keys, patients is None)
    return Study(
        models=tuple(m.name for m in models),
        thresholds=first.thresholds,
        keys=keys,
        patients=tuple(patients.of(k[0]) if patients else first.lines[k].patient for k in keys),
        values=np.array([[m.lines[k].values for k in keys] for m in models], np.float64),
    )


def _require_same_options(first: Scores, other: Scores) -> None:
    """Raise UsageError where two tables were scored in two ways."""
    a, b = printable(str(first.path)), printable(str(other.path))
    if other.thresholds != first.thresholds:
        raise UsageError(
            f"{a} has the thresholds {_levels(first)}, and {b} has {_levels(other)}; "
            "score both with the same"
        )
    for name in sorted(first.options.keys() & other.options.keys()):
        one, two = first.options[name], other.options[name]
        if one != two:
            raise UsageError(f"{a} was scored with {name} {one!r:.80}, and {b} with {two!r:.80}")


def _require_alike(first: Scores, other: Scores, keys: Sequence[Key], patients: bool) -> None:
    """Raise UsageError where two tables cannot be of one study."""
    for key in keys:
        a, b = first.lines[key], other.lines[key]
        name = printable(" ".join(key))
        files = f"{printable(str(first.path))} and {printable(str(other.path))}"
        if patients and a.patient != b.patient:
            raise UsageError(
                f"{files} give {name} two patients, {printable(a.patient)} and "
                f"{printable(b.patient)}; say whose it is by --patients"
            )
        if a.what != b.what:
            raise UsageError(
                f"{files} are of different references: {name} has {_what(a.what)} in the one and "
                f"{_what(b.what)} in the other"
            )


def _what(what: tuple[int, ...]) -> str:
    raters, voxels = what
    return f"{raters} raters and {voxels} voxels"


def _levels(scores: Scores) -> str:
    return " ".join(f"{t:g}" for t in scores.thresholds)
