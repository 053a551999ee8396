"""Score a folder of predictions against a folder of references."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .atomic import prepare_folder, write_text
from .cases import HERE, each_case, report, stopped
from .cluster import Workers
from .faults import Fault
from .layout import Raters, find_cases
from .pairing import pair_up
from .scoring import CaseScore, Options, score_pair
from .summary import case_table, summarize, write_json


def evaluate(
    pred: Path,
    ref: Path,
    out: Path,
    *,
    options: Options | None = None,
    pattern: str | None = None,
    pred_pattern: str | None = None,
    raters: Raters = "all",
    pictures: bool = True,
    workers: Workers = HERE,
) -> dict[str, Any]:
    """Score every case and write ``cases.csv``, ``summary.json`` and two pictures.

    Parameters
    ----------
    pred, ref : Path
        The folders of predictions and references; see `find_cases`.
    out : Path
        The folder for the results; former results stay until the new ones are whole.
    options : Options, optional
        How cases are scored.
    pattern, pred_pattern : str, optional
        Of the references and of the predictions.
    raters : {"all", "any"}, optional
        Whether a case that lacks a rater is faulty.
    pictures : bool, optional
        Whether to draw ``bdice.png`` and ``reliability.png``.
    workers : Workers, optional
        Who does the work.

    Returns
    -------
    dict
        The summary, with the faulty cases in it.

    Raises
    ------
    UsageError
        If a folder cannot be read or written.
    """
    options = options or Options()
    pred, ref = pred.absolute(), ref.absolute()  # workers may have another current folder
    references = find_cases(ref, pattern=pattern, raters=raters)
    predictions = find_cases(pred, pattern=pred_pattern, raters="any")
    prepare_folder(out)
    pairs, faults = pair_up(references, predictions)
    report(faults)
    scores: list[CaseScore] = []
    try:
        each_case(
            partial(score_pair, options=options),
            pairs,
            results=scores,
            faults=faults,
            action="evaluate",
            workers=workers,
        )
    except KeyboardInterrupt:
        faults.append(stopped(len(scores), len(pairs)))
    return _write(out, scores, faults, options, pictures)


def _write(
    out: Path,
    scores: Sequence[CaseScore],
    faults: Sequence[Fault],
    options: Options,
    pictures: bool,
) -> dict[str, Any]:
    write_text(out / "cases.csv", case_table(scores, options))
    summary = summarize(scores, faults, options)
    write_json(out / "summary.json", summary)
    if scores and pictures:
        from .plots import plot_reliability, plot_thresholds, save  # slow to import in each worker

        save(plot_thresholds(scores, options), out / "bdice.png")
        save(plot_reliability(scores), out / "reliability.png")
    return summary
