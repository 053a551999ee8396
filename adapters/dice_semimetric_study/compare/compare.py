"""Compare the scores of several models, and write what comes out."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from dice_semimetric import __version__

from ..cases.patients import Patients
from ..cases.study import full_name
from ..faults import UsageError, printable
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap
from ..results.extras import require_pictures
from ..results.page.page import Report
from ..results.registry import COMPARED, prediction_score
from ..results.tables import files_of, summarized, write_table
from ..runs.logs import left_out, log
from ..runs.output import Output, claim
from .common import align
from .page import write_comparison_page
from .rows import PAIR_COLUMNS, Pair, Part, Row, pair_rows, rank_columns, rank_rows
from .tables import Scores

_PAIRS, _RANKS, _SUMMARY, _PICTURE = "comparison", "ranks", "summary.json", "comparison.png"
#: What is written into the folder of the results.
FILES = (
    *sorted(files_of(_PAIRS) | files_of(_RANKS)),
    _SUMMARY,
    _PICTURE,
)

_METHOD = {
    "cases": "those scored in all models; a pair leaves out the scores that one of it lacks, "
    "a ranking those that any model lacks",
    "difference": "mean over cases of the first model minus that of the second",
    "interval": "percentiles over resamples of the patients, each with all its cases",
    "p": "Wilcoxon's signed-rank test of the patients' mean differences, two-sided, without zeros",
    "p_holm": "adjusted after Holm over the tests of one metric: all pairs overall are a family, "
    "all pairs of all single tasks another",
    "effect": "rank-biserial correlation of matched pairs of the patients' mean differences",
    "rank": "1 is best, models of one mean share their mean rank; same: the share of resamples "
    "with this rank; best, rank1, rank2 ...: the share with each rank",
    "tau": "Kendall's tau-b of a ranking and that by BDice, null where all models share a rank",
}


def compare(
    models: Sequence[Scores],
    out: Path,
    *,
    metrics: Sequence[str] = COMPARED,
    baseline: str | None = None,
    patients: Patients | None = None,
    bootstrap: Bootstrap | None = None,
    pictures: bool = True,
    page: Report | None = None,
    faults: Sequence[dict[str, str]] = (),
    protocol: str | None = None,
    output: Output | None = None,
) -> dict[str, Any]:
    """Compare models case by case, rank them at every threshold, and write both.

    ``comparison`` has one row per task, metric and pair, ``ranks`` one per task, score and model,
    both as .csv, .json and, where pyarrow is there, .parquet; ``summary.json`` has all.

    Parameters
    ----------
    models : sequence of Scores
        Two or more, of different names.
    out : Path
        The folder for the results.
    metrics : sequence of str, optional
        What models are compared by, all of which were read; ranks are by these, BDice and Dice at
        each threshold.
    baseline : str, optional
        The model that each other one is compared with; by default all pairs are.
    patients : Patients, optional
        The patient of each case; by default as in the tables.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals and the chances of ranks.
    pictures : bool, optional
        Whether to draw ``comparison.png``.
    page : Report, optional
        A page about the comparison that a person opens in a browser.
    faults : sequence of dict, optional
        What could not be scored, for the summary: model, case, task and reason.
    protocol : str, optional
        The challenge, one of `PROTOCOLS`, whose scores the metrics are, for the summary.
    output : Output, optional
        The folder as it was claimed for all that goes into it; by default for this alone.

    Returns
    -------
    dict
        The summary.

    Raises
    ------
    UsageError
        If the models cannot be compared, or the folder cannot be written or holds another run.
    """
    bootstrap = bootstrap or Bootstrap()
    pairs = pairs_of([m.name for m in models], baseline)
    common = align(models, patients)
    if pictures:
        require_pictures(", or give --no-pictures")
    paths = {m.name: full_name(m.path) for m in models}
    options = {"models": paths, "metrics": metrics, "baseline": baseline}
    means = {"patients": patients and asdict(patients), "bootstrap": asdict(bootstrap)}
    output = output or claim(out, "compare", options | means, FILES)
    dropped = {m.name: len(m.rows) - len(common.keys) for m in models}
    if any(dropped.values()):
        listed = ", ".join(f"{k} of {n}" for n, k in dropped.items() if k)
        log.warning("left out, since not scored in all models: %s", listed)
    parts = [Part("overall", "", common)]
    parts += [Part("task", task, common.only(task)) for task in common.tasks]
    compared = pair_rows(parts, metrics, pairs, bootstrap)
    ranked = rank_rows(parts, metrics, bootstrap)
    overall, *each = (_summary(part, compared, ranked) for part in parts)
    summary: dict[str, Any] = jsonable(
        {
            "overall": overall,
            "tasks": dict(zip(common.tasks, each, strict=True)),
            "models": {m.name: _described(m) | {"dropped": dropped[m.name]} for m in models},
            "baseline": baseline,
            "protocol": protocol,
            "metrics": {name: f"{prediction_score(name).better} is better" for name in metrics},
            "thresholds": list(common.thresholds),
            "method": _METHOD,
            "bootstrap": asdict(bootstrap),
            "patients": patients and patients.described(case for case, _ in common.keys),
            "faults": list(faults),
            "version": __version__,
        }
    )
    with summarized(out / _SUMMARY, summary):
        write_table(out / _PAIRS, PAIR_COLUMNS, compared)
        write_table(out / _RANKS, rank_columns(len(models)), ranked)
        if pictures:
            _draw(summary, out)
        if page is not None:
            write_comparison_page(page, summary)
    output.close()
    return summary


def _described(model: Scores) -> dict[str, Any]:
    """Return what is passed on of a model: its table, without the folders above, and the digest."""
    path = model.path.absolute()
    table = {"scores": f"{path.parent.name}/{path.name}", "sha256": model.digest}
    return table | {"cases": len(model.rows)}


def _draw(summary: dict[str, Any], out: Path) -> None:
    with left_out("the picture"):
        from ..results.plots import save  # matplotlib is slow to import
        from .plots import plot_comparison

        save(plot_comparison(summary), out / _PICTURE)


def pairs_of(names: Sequence[str], baseline: str | None = None) -> list[Pair]:
    """Return the pairs of models to compare: each with the baseline, which is second, or all.

    UsageError is raised if there are fewer than two models, two of one name, or no baseline of
    that name.

    Examples
    --------
    >>> from dice_semimetric_study.compare.compare import pairs_of
    >>> pairs_of(["dml", "sdl", "ce"])
    [('dml', 'sdl'), ('dml', 'ce'), ('sdl', 'ce')]
    >>> pairs_of(["dml", "sdl", "ce"], "sdl")
    [('dml', 'sdl'), ('ce', 'sdl')]
    """
    if len(names) < 2:
        raise UsageError(f"two models at least can be compared, got {len(names)}")
    # A file system may not distinguish upper and lower case.
    twice = [n for i, n in enumerate(names) if n.casefold() in {m.casefold() for m in names[:i]}]
    if twice:
        raise UsageError(f"two models have the name {printable(twice[0])}; give NAME=DIR")
    if baseline is None:
        return list(combinations(names, 2))
    if baseline not in names:
        listed = ", ".join(map(printable, names))
        raise UsageError(f"--baseline {printable(baseline)} is none of the models {listed}")
    return [(name, baseline) for name in names if name != baseline]


def _summary(part: Part, compared: Sequence[Row], ranked: Sequence[Row]) -> Row:
    """Return a part's counts and its rows, without the columns that name the part."""
    where = part.where
    pairs, ranks = (
        [
            {k: v for k, v in row.items() if k not in where}
            for row in rows
            if where.items() <= row.items()
        ]
        for rows in (compared, ranked)
    )
    counts = {"cases": len(part.common.keys), "patients": len(set(part.common.patients))}
    return counts | {"pairs": pairs, "ranks": ranks}
