"""What the paper claims of its tables, tested by patient on the data at hand."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from dice_semimetric_study.results.bootstrap import Bootstrap, mean_intervals
from dice_semimetric_study.results.paired import signed_rank

from .book import NEAR, Cell, Table
from .records import Scored
from .scores import LOWER_IS_BETTER
from .sources import Source

ALPHA = 0.05
BOOTSTRAP = Bootstrap(resamples=10_000)
DIGITS = 12  # beyond which a difference is rounding


#: Which column is better than which other one, by the scores in which it is.
CLAIMS: dict[Table, dict[str, str]] = {
    1: {
        "bdice": "Uniform > Majority; Uniform > Random",
        "dice": "Weighted > Majority; Weighted > Uniform; LS > Majority",
        "ece ece_near": "Uniform > Majority; Weighted > Majority; LS > Majority",
    },
    3: {"dice": "LS > Hard; KD > Hard; KD > LS", "ece": "LS > Hard; KD > Hard"},
    4: {"bdice dice ece_near": "SDL > Hard; DML1 > SDL; DML2 > SDL; DML1 > DML2"},
    5: {"dice": "CE > Hard; DML > CE; KDE > DML"},
    7: {"dice": "DML > CE"},
    8: {"dice": "0.001 > 0"},
    "distillation": {
        "dice bdice ece_seen ece_near": "teacher, temperature > teacher, raw; "
        "teacher, kernel > teacher, raw; student, +ce > student, hard; "
        "student, +dml > student, hard; student, +temperature > student, hard; "
        "student, +kde > student, hard; student, +kde, soft keys > student, hard; "
        "student, +kde > student, +dml; student, +kde > student, +temperature; "
        "student, +kde, soft keys > student, +dml"
    },
    "calibration": {
        "dice bdice ece_near brier_near": "with the term > DML + CE; temperature > DML + CE; "
        "kernel > DML + CE; with the term > temperature; with the term > kernel"
    },
}
#: What the other columns are compared with in the figure.
BASELINES: dict[Table, str] = {"distillation": "student, hard", "calibration": "DML + CE"}
BASELINES |= {1: "Majority", 3: "Hard", 4: "Hard", 5: "Hard", 7: "CE", 8: "0"}

Results = Callable[[Cell], Scored | None]


def claims_of(table: Table, cells: list[Cell]) -> tuple[list[tuple[str, ...]], str]:
    """Return the tests of a table, as (better, worse, score), and the figure's baseline."""
    if table != "losses":
        claims = CLAIMS.get(table, {}).items()
        pairs = [(score, pair) for scores, text in claims for score in scores.split()
                 for pair in text.split("; ")]  # fmt: skip
        return [(*pair.split(" > "), score) for score, pair in pairs], BASELINES.get(table, "")
    first, *others = dict.fromkeys(cell.row[-1] for cell in cells)
    scores = ("dice", "bdice", "ece_seen")
    return [(first, other, score) for other in others for score in scores], first


def compare_columns(
    table: Table, cells: list[Cell], results: Results
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the tests of the paper's claims, and those of each column against the baseline.

    Each is of the folds and seeds that both runs have. A test has the data set and row, both
    columns, the score, and what `compare_by_patient` returns; a claim's has a verdict besides.
    """
    wanted, base = claims_of(table, cells)
    claims, shifts = [], []
    for (place, score), columns in by_place(table, cells).items():
        source = next(iter(columns.values())).parts[0][0]
        scored = {name: results(cell) for name, cell in columns.items()}
        test = partial(_test, scored, place, score, source)
        claims += [
            found | {"verdict": verdict(found)}
            for better, worse, of in wanted
            if of == score and (found := test(better, worse))
        ]
        students = table == "distillation"  # of whose rows only these have all seeds
        others = [n for n in columns if n != base and (not students or n.startswith("student"))]
        shifts += [found for name in others if (found := test(name, base))]
    return claims, shifts


def _test(
    scored: dict[str, Scored | None], place: str, score: str, source: Source, *names: str
) -> dict[str, Any] | None:
    one, two = map(scored.get, names)
    found = None if one is None or two is None else paired(one, two, score, source)
    return found and {"row": place, "first": names[0], "second": names[1], "score": score} | found


def by_place(table: Table, cells: list[Cell]) -> dict[tuple[str, str], dict[str, Cell]]:
    """Return the cells of one data set each by row and score, then by what is compared."""
    places: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells:
        if len(cell.parts) != 1 or cell.score.endswith("_pooled"):
            continue
        if isinstance(table, str):  # runs are its rows
            place, name = cell.row
        elif table == 7:  # the losses are its rows
            place, name = cell.column[-1], cell.row[0]
        else:
            named = [word for word in cell.row if word.lower().replace(" ", "_") != cell.score]
            place = ", ".join([*cell.column[:-1], *named]).removesuffix(f", {NEAR[1]}")
            name = cell.column[-1]
        places.setdefault((place, cell.score), {})[name] = cell
    return places


def paired(one: Scored, two: Scored, score: str, source: Source) -> dict[str, Any] | None:
    """Return the comparison on the cases that both have in the same fold and seed."""
    values, others = by_case(one, score), by_case(two, score)
    shared = [
        key for key in values if np.isfinite(values[key]) and np.isfinite(others.get(key, np.nan))
    ]
    if not shared:
        return None
    patients = np.asarray(source.data.patients)[[case for _, case in shared]]
    first, second = (np.array([table[key] for key in shared]) for table in (values, others))
    return compare_by_patient(first, second, patients)


def by_case(scored: Scored, score: str) -> dict[tuple[Any, int], float]:
    """Return a score by fold and seed, and by case."""
    parts = [scored.parts[k] for k in scored.part_of]
    return dict(
        zip(zip(parts, scored.cases.tolist(), strict=True), scored.scores[score], strict=True)
    )


def compare_by_patient(
    first: np.ndarray, second: np.ndarray, patients: np.ndarray
) -> dict[str, Any]:
    """Compare two scores of each case, with the patient as the unit.

    Cases of one patient are not independent, so differences are averaged within the patient, and
    each patient weighs the same. Besides the mean difference over patients come its 95 % interval
    from a bootstrap of patients, the two-sided p of Wilcoxon's signed-rank test, and the shares of
    patients with a difference above and below 0.
    """
    names, owner, size = np.unique(patients, return_inverse=True, return_counts=True)
    difference = np.round(np.bincount(owner, weights=first - second) / size, DIGITS)
    mean = float(difference.mean())
    low, high, p = mean, mean, 1.0
    if len(names) > 1:
        low, high = mean_intervals(difference[:, None], names.tolist(), BOOTSTRAP)[:, 0]
        p = signed_rank(difference)
    return {
        "mean": mean,
        "interval": [float(low), float(high)],
        "p": p,
        "above_zero": float(np.mean(difference > 0)),
        "below_zero": float(np.mean(difference < 0)),
        "patients": len(names),
    }


def shares(test: dict[str, Any]) -> tuple[float, float]:
    """Return the shares of patients for which the first column is better, and worse."""
    above, below = test["above_zero"], test["below_zero"]
    return (below, above) if test["score"] in LOWER_IS_BETTER else (above, below)


def verdict(test: dict[str, Any]) -> str:
    """Return whether a claim shows, in words.

    The mean may be undecided where most patients are not: a few of them then differ by much.
    """
    if test["p"] >= ALPHA:
        return "not shown"
    low, high = test["interval"]
    better, worse = shares(test)
    if low <= 0 <= high:
        side = "" if better > worse else "opposite "
        return f"{side}in most patients, not in the mean"
    gain = -test["mean"] if test["score"] in LOWER_IS_BETTER else test["mean"]
    return "shows" if gain > 0 else "opposite"
