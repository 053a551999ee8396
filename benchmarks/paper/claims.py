"""What the paper claims of its tables, tested patient by patient on the data at hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .crossval import Scored
from .sources import Source
from .statistics import paired_test
from .tables import NEAR, Cell

LOWER_IS_BETTER = ("ece", "ece_near")
ALPHA = 0.05


@dataclass(frozen=True)
class Claim:
    """That one column of a table is better than another in one score."""

    better: str
    worse: str
    score: str


CLAIMS: dict[int, tuple[Claim, ...]] = {
    1: (
        Claim("Uniform", "Majority", "bdice"),
        Claim("Uniform", "Random", "bdice"),
        Claim("Weighted", "Majority", "dice"),
        Claim("Weighted", "Uniform", "dice"),
        Claim("Uniform", "Majority", "ece"),
        Claim("Weighted", "Majority", "ece"),
        Claim("LS", "Majority", "dice"),
        Claim("LS", "Majority", "ece"),
        Claim("Uniform", "Majority", "ece_near"),
        Claim("Weighted", "Majority", "ece_near"),
        Claim("LS", "Majority", "ece_near"),
    ),
    3: (
        Claim("LS", "Hard", "dice"),
        Claim("KD", "Hard", "dice"),
        Claim("KD", "LS", "dice"),
        Claim("LS", "Hard", "ece"),
        Claim("KD", "Hard", "ece"),
    ),
    4: tuple(
        Claim(better, worse, score)
        for score in ("bdice", "dice", "ece_near")
        for better, worse in (("SDL", "Hard"), ("DML1", "SDL"), ("DML2", "SDL"), ("DML1", "DML2"))
    ),
    5: (Claim("CE", "Hard", "dice"), Claim("DML", "CE", "dice"), Claim("KDE", "DML", "dice")),
    7: (Claim("DML", "CE", "dice"),),
    8: (Claim("0.001", "0", "dice"),),
}
#: What the other columns are compared with in the figure.
BASELINES = {1: "Majority", 3: "Hard", 4: "Hard", 5: "Hard", 7: "CE", 8: "0"}

Results = Callable[[Cell], Scored | None]


def compare_columns(
    table: int, cells: list[Cell], results: Results
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the tests of the paper's claims, and those of each column against the baseline.

    Each is of the folds that both runs have. A test has the data set and row, both columns, the
    score, and what `paired_test` returns; a claim's has a verdict besides.
    """
    claims, shifts = [], []
    for (place, score), columns in by_place(table, cells).items():
        scored = {name: results(cell) for name, cell in columns.items()}
        source = next(iter(columns.values())).parts[0][0]

        def test(first: str, second: str) -> dict[str, Any] | None:
            one, two = scored.get(first), scored.get(second)  # noqa: B023
            found = None if one is None or two is None else paired(one, two, score, source)  # noqa: B023
            if found is None:
                return None
            return {"row": place, "first": first, "second": second, "score": score} | found  # noqa: B023

        claims += [
            found | {"verdict": verdict(found)}
            for claim in CLAIMS.get(table, ())
            if claim.score == score and (found := test(claim.better, claim.worse))
        ]
        base = BASELINES.get(table, "")
        shifts += [found for name in columns if name != base and (found := test(name, base))]
    return claims, shifts


def by_place(table: int, cells: list[Cell]) -> dict[tuple[str, str], dict[str, Cell]]:
    """Return the cells of one data set each by row and score, then by what is compared."""
    places: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in cells:
        if len(cell.parts) != 1:
            continue
        if table == 7:  # the losses are its rows
            place, name = cell.column[-1], cell.row[0]
        else:
            named = [word for word in cell.row if word.lower().replace(" ", "_") != cell.score]
            place = ", ".join([*cell.column[:-1], *named]).removesuffix(f", {NEAR[1]}")
            name = cell.column[-1]
        places.setdefault((place, cell.score), {})[name] = cell
    return places


def paired(one: Scored, two: Scored, score: str, source: Source) -> dict[str, Any] | None:
    """Return the paired test over the cases that both have, by patient."""
    cases, first, second = np.intersect1d(one.cases, two.cases, return_indices=True)
    values, others = one.scores[score][first], two.scores[score][second]
    known = np.isfinite(values) & np.isfinite(others)
    if not known.any():
        return None
    patients = np.asarray(source.data.patients)[cases[known]]
    groups = np.unique(patients, return_inverse=True)[1]
    return paired_test(values[known], others[known], groups)


def shares(test: dict[str, Any]) -> tuple[float, float]:
    """Return the shares of patients whom the first column serves better, and worse."""
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
