"""Compare the raters of every case of a study with each other."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from ..cases.blocks import Reading
from ..cases.layout import Raters, find_cases
from ..cases.pairing import Rated, add_masks
from ..cases.patients import Patients
from ..faults import Fault
from ..files.atomic import prepare_folder, require_apart
from ..results.bootstrap import Bootstrap
from ..results.encoding import to_json
from ..runs.cluster import Workers
from ..runs.each import HERE, report
from ..runs.recorded import Recorded, each_recorded, write_run
from ..runs.records import Records
from ..scores.case_score import Empty
from ..scores.summary import jsonable, write_json
from .case import agree_files, decode
from .rows import tables_of, write_tables
from .summary import summarize_agreement

MAPS = "maps"


def agree(
    folder: Path,
    out: Path,
    *,
    reading: Reading | None = None,
    empty: Empty = 1.0,
    maps: bool = True,
    pictures: bool = True,
    pattern: str | None = None,
    raters: Raters = "all",
    mask: Path | None = None,
    mask_pattern: str | None = None,
    follow_links: bool = False,
    workers: Workers = HERE,
    resume: bool = False,
    patients: Patients | None = None,
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
    folder : Path
        With the masks; see `find_cases`.
    out : Path
        The folder for the results.
    reading : Reading, optional
        How cases are read, and what of them counts.
    empty : float or "skip", optional
        The Dice and Jaccard score of two empty masks; "skip" leaves it out of means.
    maps, pictures : bool, optional
        Whether to write the maps, and to draw the picture.
    pattern : str, optional
        Of the masks.
    raters : {"all", "any"}, optional
        Whether a case that lacks a rater is faulty.
    mask, mask_pattern : Path and str, optional
        The folder of maps that are nonzero where voxels count, one a case or one a task of a case.
    follow_links : bool, optional
        Whether to read what symbolic links lead to; see `find_cases`.
    workers : Workers, optional
        Who does the work.
    resume : bool, optional
        Whether counts and maps stay that an earlier run made of the same files and options.
    patients : Patients, optional
        Which patient a case is of; by default each case is one.
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
    require_apart(out, folder)
    folder, out = folder.absolute(), out.absolute()  # workers may have another current folder
    cases, faults = _cases(folder, pattern, raters, mask, mask_pattern, follow_links)
    patients = patients or Patients()
    patient = patients.of_all(c.case for c in cases)
    prepare_folder(out)
    report(faults)
    where = out / MAPS if maps else None
    settings = {"agreement": jsonable(asdict(reading)) | {"maps": maps}}
    done = each_recorded(
        Recorded(
            work=partial(agree_files, reading=reading, maps=where),
            files=attrgetter("paths"),
            encode=to_json,
            decode=partial(decode, maps=where),
        ),
        cases,
        records=Records(out, settings),
        faults=faults,
        action="compare raters",
        workers=workers,
        resume=resume,
    )
    found = [one for _, d in done for one in d.value.found]
    tables = tables_of(found, patient, empty)
    write_tables(out, tables)
    summary = summarize_agreement(tables, faults, reading=reading, empty=empty, bootstrap=bootstrap)
    write_json(out / "summary.json", summary)
    if done:
        sides: dict[str, Any] = {"folder": str(folder), "pattern": pattern, "raters": raters}
        sides |= {"mask": mask and str(mask.absolute()), "mask_pattern": mask_pattern}
        sides |= {"empty": empty, "patients": asdict(patients), "bootstrap": asdict(bootstrap)}
        write_run(out, "agreement", sides | settings["agreement"], done)
    if found and pictures:
        _draw(out, tables[1], summary)
    return summary


def _cases(
    folder: Path,
    pattern: str | None,
    raters: Raters,
    mask: Path | None,
    mask_pattern: str | None,
    follow_links: bool,
) -> tuple[list[Rated], list[Fault]]:
    """Return the cases with their masks of what counts, and those that lack one."""
    found = find_cases(folder, pattern=pattern, raters=raters, follow_links=follow_links)
    cases = [Rated(files) for files in found]
    if mask is None:
        return cases, []
    masks = find_cases(
        mask.absolute(), pattern=mask_pattern, raters="any", follow_links=follow_links
    )
    return add_masks(cases, masks)


def _draw(out: Path, raters: Sequence[dict[str, Any]], summary: dict[str, Any]) -> None:
    from ..results.plots import save  # with it comes matplotlib, slow to import in each worker
    from .plots import plot_agreement

    save(plot_agreement(raters, summary), out / "agreement.png")
