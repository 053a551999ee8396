"""Score a folder of predictions against a folder of references."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dice_semimetric import CalibrationBins, Overlap, ThresholdCounts

from ..cases.study import Names, Study
from ..files.atomic import prepare_folder
from ..files.json import jsonable, write_json
from ..results.bootstrap import Bootstrap
from ..results.extras import require_pictures
from ..results.page.page import check_page
from ..runs.each import report
from ..runs.recorded import Run, each_recorded, write_run
from ..scores.case_score import CaseScore, Options, RaterScore
from ..scores.devices import scorer
from ..scores.summary import summarize, write_score_tables
from .chosen import Scored
from .report import write_report

_KINDS = (CaseScore, RaterScore, CalibrationBins, Overlap, ThresholdCounts)


@dataclass(frozen=True)
class Page:
    """What is drawn of a study.

    Attributes
    ----------
    pictures : bool
        Whether to draw ``bdice.png`` and ``reliability.png``.
    report : Path, optional
        Where to write a page about the study that a person opens in a browser.
    """

    pictures: bool = True
    report: Path | None = None


def evaluate(
    study: Study,
    run: Run,
    options: Options | None = None,
    *,
    page: Page | None = None,
    bootstrap: Bootstrap | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Score every case and write its scores, ``summary.json`` and two pictures.

    ``cases`` has one row per case and task, ``raters`` one per rater of these, both as .csv, .json
    and, where pyarrow is there, .parquet. Beside them are a record of each case, for ``resume``,
    and ``run.json`` with the versions, the options and the digests of all files.

    Parameters
    ----------
    study : Study
        Where predictions and references lie, and who the patients are.
    run : Run
        Where the results go, and who does the work.
    options : Options, optional
        How cases are read and scored.
    page : Page, optional
        What is drawn.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals of the means.
    device : {"cpu", "cuda"}, optional
        Where the scores are computed; "cuda" needs CuPy and a GPU, and this process alone.

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
    options, page = options or Options(), page or Page()
    bootstrap = bootstrap or Bootstrap()
    study.require_apart(run.out)
    pairs, faults = study.pairs()
    patient = study.patients.of_all(p.case for p in pairs)
    out = run.out
    prepare_folder(out)
    if page.report is not None:
        check_page(page.report, "--report")
    if page.pictures:
        require_pictures(", or give --no-pictures")
    report(faults)
    settings = {"evaluate": jsonable(asdict(options))}
    with scorer(pairs, options, device=device, workers=run.workers) as work:
        done = each_recorded(
            work,
            pairs,
            kinds=_KINDS,
            run=run,
            settings=settings,
            faults=faults,
            action="evaluate",
        )
    scores = [score for _, d in done for score in d.value]
    write_score_tables(out, scores, options, patient)
    summary = summarize(scores, faults, options, patients=patient, bootstrap=bootstrap)
    write_json(out / "summary.json", summary)
    if scores and page.pictures:
        from ..results.plots import save  # slow to import in each worker
        from ..scores.plots import plot_reliability, plot_thresholds

        save(plot_thresholds(scores, options), out / "bdice.png")
        save(plot_reliability(scores), out / "reliability.png")
    names = Names(study)
    means = {"patients": study.patients.described(patient), "bootstrap": asdict(bootstrap)}
    used = study.settings(names) | settings["evaluate"] | means
    record = write_run(out, "evaluate", used, done, name_of=names.of)
    if page.report is not None:
        regions = options.structures
        scored = [Scored(p, n, s) for p, d in done for n, s in zip(regions, d.value, strict=True)]
        write_report(page.report, scored, summary, options, record)
    return summary
