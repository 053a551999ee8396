"""Score a folder of predictions against a folder of references."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from .atomic import prepare_folder, write_text
from .cases import HERE, report
from .cluster import Workers
from .faults import Fault
from .layout import Raters, find_cases
from .pairing import Pair, pair_up
from .records import Records
from .score_json import from_json, to_json
from .scoring import CaseScore, Options, score_pair
from .studies import Recorded, each_recorded, write_run
from .summary import case_table, jsonable, summarize, write_json


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
    resume: bool = False,
) -> dict[str, Any]:
    """Score every case and write ``cases.csv``, ``summary.json`` and two pictures.

    Beside them are a record of each case, for ``resume``, and ``run.json`` with the versions, the
    options and the digests of all files.

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
    resume : bool, optional
        Whether the scores stay that an earlier run made of the same files with the same options.

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
    settings = {"evaluate": jsonable(asdict(options))}
    done = each_recorded(
        Recorded(
            work=partial(score_pair, options=options),
            files=attrgetter("paths"),
            encode=to_json,
            decode=_decode,
        ),
        pairs,
        records=Records(out, settings),
        faults=faults,
        action="evaluate",
        workers=workers,
        resume=resume,
    )
    summary = _write(out, [d.value for _, d in done], faults, options, pictures)
    if done:
        where: dict[str, Any] = {"pred": str(pred), "ref": str(ref), "raters": raters}
        where |= {"pattern": pattern, "pred_pattern": pred_pattern}
        write_run(out, "evaluate", where | settings["evaluate"], done)
    return summary


def _decode(_: Pair, found: Any) -> CaseScore:
    score = from_json(found)
    if not isinstance(score, CaseScore):
        raise ValueError(f"a score was expected, got {type(score).__name__}")
    return score


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
