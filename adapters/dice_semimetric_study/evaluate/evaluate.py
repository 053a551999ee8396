"""Score a folder of predictions against a folder of references."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from dice_semimetric import CalibrationBins, Overlap, ThresholdCounts

from ..cases.layout import Raters, find_cases
from ..cases.pairing import Pair, add_masks, pair_up
from ..cases.patients import Patients
from ..faults import Fault
from ..files.atomic import prepare_folder
from ..results.bootstrap import Bootstrap
from ..results.encoding import from_json, to_json
from ..runs.cluster import Workers
from ..runs.each import HERE, report
from ..runs.recorded import Recorded, each_recorded, run_record
from ..runs.records import Done, Records
from ..scores.devices import scorer
from ..scores.scoring import CaseScore, Options, RaterScore
from ..scores.summary import jsonable, summarize, write_json, write_score_tables
from .report import Scored, check_report, write_report

_KINDS = (CaseScore, RaterScore, CalibrationBins, Overlap, ThresholdCounts)


@dataclass(frozen=True)
class Sides:
    """Where a study lies.

    Attributes
    ----------
    pred, ref : Path
        The folders of predictions and references; see `find_cases`.
    pattern, pred_pattern : str, optional
        Of the references and of the predictions.
    raters : {"all", "any"}
        Whether a case that lacks a rater is faulty.
    mask, mask_pattern : Path and str, optional
        The folder of maps that are nonzero where voxels count, one a case or one a task of a case.
    follow_links : bool
        Whether to read what symbolic links lead to; see `find_cases`.
    """

    pred: Path
    ref: Path
    pattern: str | None = None
    pred_pattern: str | None = None
    raters: Raters = "all"
    mask: Path | None = None
    mask_pattern: str | None = None
    follow_links: bool = False

    def pairs(self) -> tuple[list[Pair], list[Fault]]:
        """Return the pairs, with absolute names, and what is alone."""
        # Workers may have another current folder.
        links = self.follow_links
        references = find_cases(
            self.ref.absolute(), pattern=self.pattern, raters=self.raters, follow_links=links
        )
        predictions = find_cases(
            self.pred.absolute(), pattern=self.pred_pattern, raters="any", follow_links=links
        )
        pairs, faults = pair_up(references, predictions)
        if self.mask is not None:
            masks = find_cases(
                self.mask.absolute(), pattern=self.mask_pattern, raters="any", follow_links=links
            )
            pairs, alone = add_masks(pairs, masks)
            faults += alone
        return pairs, faults

    def settings(self) -> dict[str, Any]:
        """Return what can be written down."""
        return {k: str(v.absolute()) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def evaluate(
    pred: Path,
    ref: Path,
    out: Path,
    *,
    options: Options | None = None,
    pattern: str | None = None,
    pred_pattern: str | None = None,
    raters: Raters = "all",
    mask: Path | None = None,
    mask_pattern: str | None = None,
    follow_links: bool = False,
    pictures: bool = True,
    workers: Workers = HERE,
    resume: bool = False,
    device: str = "cpu",
    patients: Patients | None = None,
    bootstrap: Bootstrap | None = None,
    report_file: Path | None = None,
) -> dict[str, Any]:
    """Score every case and write its scores, ``summary.json`` and two pictures.

    ``cases`` has one row per case and task, ``raters`` one per rater of these, both as .csv, .json
    and, where pyarrow is there, .parquet. Beside them are a record of each case, for ``resume``,
    and ``run.json`` with the versions, the options and the digests of all files.

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
    mask, mask_pattern : Path and str, optional
        The folder of maps that are nonzero where voxels count, one a case or one a task of a case.
    follow_links : bool, optional
        Whether to read what symbolic links lead to; see `find_cases`.
    pictures : bool, optional
        Whether to draw ``bdice.png`` and ``reliability.png``.
    workers : Workers, optional
        Who does the work.
    resume : bool, optional
        Whether the scores stay that an earlier run made of the same files with the same options.
    device : {"cpu", "cuda"}, optional
        Where the scores are computed; "cuda" needs CuPy and a GPU, and this process alone.
    patients : Patients, optional
        Which patient a case is of; by default each case is one.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals of the means.
    report_file : Path, optional
        Where to write a page about the study that a person opens in a browser.

    Returns
    -------
    dict
        The summary, with the faulty cases in it.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, the patient of a case is not known, or a package
        for the page is missing.
    """
    options, bootstrap = options or Options(), bootstrap or Bootstrap()
    patients = patients or Patients()
    sides = Sides(pred, ref, pattern, pred_pattern, raters, mask, mask_pattern, follow_links)
    pairs, faults = sides.pairs()
    patient = patients.of_all(p.case for p in pairs)
    prepare_folder(out)
    if report_file is not None:
        check_report(report_file)
    report(faults)
    settings = {"evaluate": jsonable(asdict(options))}
    done = _score(
        pairs,
        options,
        records=Records(out, settings),
        faults=faults,
        device=device,
        workers=workers,
        resume=resume,
    )
    scores = [score for _, d in done for score in d.value]
    write_score_tables(out, scores, options, patient)
    summary = summarize(scores, faults, options, patients=patient, bootstrap=bootstrap)
    write_json(out / "summary.json", summary)
    if scores and pictures:
        _draw(out, scores, options)
    means = {"patients": asdict(patients), "bootstrap": asdict(bootstrap)}
    record = run_record("evaluate", sides.settings() | settings["evaluate"] | means, done)
    if done:
        write_json(out / "run.json", record)
    if report_file is not None:
        names = options.structures
        scored = [Scored(p, n, s) for p, d in done for n, s in zip(names, d.value, strict=True)]
        write_report(report_file, scored, summary, options, record)
    return summary


def _score(
    pairs: Sequence[Pair],
    options: Options,
    *,
    records: Records,
    faults: list[Fault],
    device: str,
    workers: Workers,
    resume: bool,
) -> list[tuple[Pair, Done[tuple[CaseScore, ...]]]]:
    """Return the scores of the good pairs; the faults get the others."""
    with scorer(pairs, options, device=device, workers=workers) as work:
        return each_recorded(
            Recorded(work=work, files=attrgetter("paths"), encode=to_json, decode=_decode),
            pairs,
            records=records,
            faults=faults,
            action="evaluate",
            workers=workers,
            resume=resume,
        )


def _decode(_: Pair, found: Any) -> tuple[CaseScore, ...]:
    scores = from_json(found, _KINDS)
    if not isinstance(scores, tuple) or not all(isinstance(s, CaseScore) for s in scores):
        raise ValueError("scores were expected")
    return scores


def _draw(out: Path, scores: Sequence[CaseScore], options: Options) -> None:
    from ..results.plots import save  # slow to import in each worker
    from ..scores.plots import plot_reliability, plot_thresholds

    save(plot_thresholds(scores, options), out / "bdice.png")
    save(plot_reliability(scores), out / "reliability.png")
