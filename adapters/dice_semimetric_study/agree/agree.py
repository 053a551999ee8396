"""Compare the raters of every case of a study with each other."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dice_semimetric import Agreement

from ..cases.blocks import Reading
from ..cases.pairing import Rated
from ..cases.regions import require_file_names
from ..cases.study import Names, Study, full_name
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap
from ..results.extras import require_pictures
from ..results.page.page import Report, require_page
from ..results.tables import files_of, summarized, write_table
from ..runs.each import report, stop_of
from ..runs.logs import left_out
from ..runs.recorded import Run, each_recorded, write_run
from ..scores.copies import Marked, report_copies
from ..scores.occurrence import Occurrence, occurring
from ..scores.options import Empty
from .case import Agreed, CaseAgreement, agree_files
from .page import write_agreement_page
from .rows import COLUMNS, tables_of
from .summary import summarize_agreement

MAPS = "maps"
_OTHERS = ("summary.json", "agreement.png")


def agree(
    study: Study,
    run: Run,
    reading: Reading | None = None,
    *,
    empty: Empty = 1.0,
    maps: bool = True,
    pictures: bool = True,
    page: Report | None = None,
    bootstrap: Bootstrap | None = None,
) -> dict[str, Any]:
    """Compare the raters of every case and write what comes out.

    ``cases``, ``raters`` and ``pairs`` have one row per case and task, per rater of these, and per
    two raters, all as .csv, .json and, where pyarrow is there,
    .parquet. ``maps`` has a map of 4 p (1 - p) for each case and task, p the share of the raters.
    Beside them are ``summary.json``, ``agreement.png``, a record of each case, for ``resume``, and
    ``run.json`` with the versions, the options and the digests of all files.

    Parameters
    ----------
    study : Study
        Where the masks lie, and who the patients are.
    run : Run
        Where the results go, and who does the work.
    reading : Reading, optional
        How cases are read, and what of them counts.
    empty : float or "skip", optional
        The Dice and Jaccard score of two empty masks; "skip" leaves it out of means.
    maps, pictures : bool, optional
        Whether to write the maps, and to draw the picture.
    page : Report, optional
        A page about the study that a person opens in a browser.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals of the means.

    Returns
    -------
    dict
        The summary; see `summarize_agreement`.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, or the patient of a case is not known.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Table 6.
    """
    reading, bootstrap = reading or Reading(), bootstrap or Bootstrap()
    study.require_apart(run.out)
    if maps:
        require_file_names(reading.regions)
    out = run.out.absolute()  # workers may have another current folder
    cases, faults = study.cases()
    patient = study.patients.of_all(c.case for c in cases)
    if pictures:
        require_pictures(", or give --no-pictures")
    settings = {"agreement": jsonable(asdict(reading)) | {"maps": maps}}
    means = {"empty": empty, "patients": asdict(study.patients), "bootstrap": asdict(bootstrap)}
    options = study.settings(full_name) | means | settings["agreement"]
    written = _map_names(cases, reading) if maps else set()
    written = written.union(*map(files_of, COLUMNS), _OTHERS)
    require_page(page, study.folders, run.out, written)
    output = run.claim("agreement", options, written)
    report(faults)
    done = each_recorded(
        partial(agree_files, reading=reading, maps=out / MAPS if maps else None),
        cases,
        kinds=(Agreed, CaseAgreement, Agreement),
        run=run,
        settings=settings,
        faults=faults,
        action="compare raters",
    )
    regions = reading.structures
    found = [(c, r, one) for c, d in done for r, one in zip(regions, d.value.found, strict=True)]
    occur = ((_occurrence(region, one), one) for _, region, one in found)
    kept = occurring(occur, reading, "rater's map", faults)
    copies = report_copies(Marked(one.task, one.raters, one.counts) for one in kept)
    tables = tables_of(kept, patient, empty)
    summary = summarize_agreement(tables, faults, reading=reading, empty=empty, bootstrap=bootstrap)
    names = Names(study)
    means |= {"patients": study.patients.described(patient)}
    used = study.settings(names.of) | means | settings["agreement"]
    with summarized(out / "summary.json", summary):
        for (stem, columns), rows in zip(COLUMNS.items(), tables, strict=True):
            write_table(out / stem, columns, rows)
        stop = stop_of(faults)
        record = write_run(out, "agreement", used, done, name_of=names.of, stopped=stop)
        if kept and pictures:
            _draw(tables[1], summary, out)
        if page is not None:
            files = {(one.case, one.task): (case, region) for case, region, one in found}
            how: dict[str, Any] = {"reading": reading, "copies": copies}
            write_agreement_page(page, tables, files, summary, record, **how)
    output.close(faults, empty=not done)
    return summary


def _map_names(cases: Iterable[Rated], reading: Reading) -> set[str]:
    regions = reading.structures
    return {f"{MAPS}/{case.reference.map_name(region)}" for case in cases for region in regions}


def _draw(raters: Sequence[dict[str, Any]], summary: dict[str, Any], out: Path) -> None:
    with left_out("the picture"):
        from ..results.plots import save  # matplotlib is slow to import in each worker
        from .plots import plot_agreement

        save(plot_agreement(raters, summary), out / "agreement.png")


def _occurrence(region: str, one: CaseAgreement) -> Occurrence:
    marked = bool(np.any(np.asarray(one.counts.votes)[1:]))
    return Occurrence(one.case, one.task, region, in_reference=marked)
