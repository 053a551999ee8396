"""Score a folder of predictions against a folder of references."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..cases.study import Names, Study, full_name
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap
from ..results.extras import require_pictures
from ..results.page.page import Report, require_page
from ..results.tables import files_of, summarized
from ..runs.each import report, stop_of
from ..runs.logs import left_out
from ..runs.recorded import Run, each_recorded, write_run
from ..scores.case_score import KINDS, CaseScore, with_pixels
from ..scores.copies import Marked, report_copies
from ..scores.devices import scorer
from ..scores.occurrence import occurring, of_score
from ..scores.options import Options
from ..scores.summary import AMONG_RATERS, CASES, RATERS, summarize, write_score_tables
from ..scores.surfaces import require_surfaces
from .chosen import Scored
from .passes import with_tolerances, worst_of
from .report import write_report

_TABLES = set().union(*map(files_of, (CASES, RATERS, AMONG_RATERS)))
_FILES = {*_TABLES, "summary.json", "bdice.png", "reliability.png"}


@dataclass(frozen=True)
class Page:
    """What is drawn of a study.

    Attributes
    ----------
    pictures : bool
        Whether to draw ``bdice.png`` and ``reliability.png``.
    report : Report, optional
        Where to write a page about the study that a person opens in a browser.
    protocol : str, optional
        The challenge, one of `PROTOCOLS`, whose scores come first.
    """

    pictures: bool = True
    report: Report | None = None
    protocol: str | None = None


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

    ``cases`` has one row per case and task, ``raters`` one per rater of these, and ``among_raters``
    one per task and score, all as .csv, .json and, where pyarrow is there, .parquet. Beside them
    are a record of each case, for ``resume``, and ``run.json`` with the versions, the options and
    the digests of all files.

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
    if options.surface:
        require_surfaces()
    study.require_apart(run.out)
    pairs, faults = study.pairs()
    rated = study.cases()[0] if options.missing == "worst" else []
    patient = study.patients.of_all(dict.fromkeys(p.case for p in (*pairs, *rated)))
    out = run.out
    require_page(page.report, study.folders, out, _FILES)
    if page.pictures:
        require_pictures(", or give --no-pictures")
    means = {"patients": asdict(study.patients), "bootstrap": asdict(bootstrap)}
    described = study.settings(full_name) | jsonable(asdict(options)) | means
    output = run.claim("evaluate", described, _FILES)
    report(faults)
    if options.surface and options.nsd_tolerance == "raters":
        options = with_tolerances(options, pairs, run, faults)
    settings = {"evaluate": jsonable(asdict(options))}
    pairs = [] if stop_of(faults) else pairs
    with scorer(pairs, options, device=device, workers=run.workers) as work:
        done = each_recorded(
            work,
            pairs,
            kinds=KINDS,
            run=run,
            settings=settings,
            faults=faults,
            action="evaluate",
        )
    if options.missing == "worst" and not stop_of(faults):
        done += worst_of(options, rated, done, run, faults)
        done.sort(key=lambda one: (one[0].case, one[0].task))
    regions = options.structures
    found = (Scored(p, n, s) for p, d in done for n, s in zip(regions, d.value, strict=True))
    occur = ((of_score(one.score, one.region), one) for one in found)
    scored = occurring(occur, options, "reference or prediction", faults)
    scores = [s.score for s in scored]
    report_copies(
        Marked(s.task, [r.rater for r in s.by_rater], s.agreement) for s in scores if s.by_rater
    )
    summary = summarize(scores, faults, options, patients=patient, bootstrap=bootstrap)
    summary["protocol"] = page.protocol
    names = Names(study)
    means |= {"patients": study.patients.described(patient)}
    used = study.settings(names.of) | settings["evaluate"] | means | {"protocol": page.protocol}
    with summarized(out / "summary.json", summary):
        write_score_tables(out, scores, options, patient, summary)
        stop = stop_of(faults)
        record = write_run(out, "evaluate", used, done, name_of=names.of, stopped=stop)
        if scores and page.pictures:
            _draw(scores, options, summary, out)
        if page.report is not None:
            write_report(page.report, scored, summary, options, record)
    output.close(faults, empty=not done)
    return summary


def _draw(
    scores: Sequence[CaseScore], options: Options, summary: dict[str, Any], out: Path
) -> None:
    with left_out("the pictures"):
        from ..results.plots import save  # slow to import in each worker
        from ..scores.plots import plot_reliability, plot_thresholds

        save(plot_thresholds(scores, options, summary), out / "bdice.png")
        if predicted := with_pixels(scores):
            save(plot_reliability(predicted, summary), out / "reliability.png")
