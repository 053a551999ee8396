"""Calibrate a folder of probability maps by what is known of other cases."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..cases.pairing import Pair
from ..cases.regions import require_file_names, task_name
from ..cases.study import Names, Study, full_name
from ..choices import FLOOR
from ..faults import Fault
from ..files.json import jsonable
from ..results.bootstrap import Bootstrap
from ..results.extras import require_pictures
from ..results.page.page import Report, require_page
from ..runs.each import is_stop, report, stop_of
from ..runs.logs import log
from ..runs.output import Output
from ..runs.recorded import Run, each_recorded, write_run
from ..runs.records import Done
from ..scores.occurrence import occurring, of_score
from ..scores.options import Options
from . import kept
from .calibrators import Fitting
from .fit import IN_FIT, Calibrators, fit_calibrators, in_fit
from .maps import KINDS, Calibrated, calibrate_case, score
from .page import write_calibration_page
from .predictions import axes_of, known_pairs, predictions_of
from .report import FILES, IN_SAMPLE, Part, Scored, write_report

_Done = Sequence[tuple[Any, Done[Calibrated]]]


def calibrate(
    fit: Study,
    study: Study,
    run: Run,
    fitting: Fitting,
    options: Options | None = None,
    *,
    bootstrap: Bootstrap | None = None,
    page: Report | None = None,
) -> dict[str, Any]:
    """Fit a calibrator for each task or region, calibrate every map, and show what changed.

    Parameters
    ----------
    fit : Study
        Predictions of held-out cases and their references.
    study : Study
        The predictions to calibrate; with references, their maps are scored before and after.
    run : Run
        Where maps go, and who does the work. The folder gets ``CASE/taskTT.nii.gz`` in float32, or
        ``CASE_taskTT.nii.gz`` for flat folders, or one for each region, each as soon as it is
        ready; ``taskTT.calibrator.npz``, or one for each region, for `apply_calibrators`;
        ``calibration.json``, ``calibration.csv``, ``reliability-fit.png`` and, with references,
        ``reliability-pred.png``; a record of each case, and ``run.json``.
    fitting : Fitting
        The method and its options.
    options : Options, optional
        How maps are read and scored.
    bootstrap : Bootstrap, optional
        How patients are drawn for the intervals of the means.
    page : Report, optional
        A page about the calibration that a person opens in a browser.

    Returns
    -------
    dict
        What ``calibration.json`` holds, with the faulty cases in it.

    Raises
    ------
    UsageError
        If a folder cannot be read or written, or there is nothing to fit to.
    """
    fit.require_apart(run.out.absolute())
    pairs, unpaired = known_pairs(fit)
    faults = [replace(f, reason=f"{IN_FIT}{f.reason}") for f in unpaired]
    job = _Job(
        study, run, options or Options(), bootstrap or Bootstrap(), asdict(fitting), page, fit
    )
    job.axes = axes_of(pairs) or 3
    job.patient |= fit.patients.of_all(p.case for p in pairs)
    names = {kept.file_name(task_name(p.task, r)) for p in pairs for r in job.options.structures}
    job.claim(names)
    report(faults + job.faults)
    calibrators, digest, unread = fit_calibrators(pairs, fitting, job.options, run.workers)
    faults += unread
    job.settings["fit_sha256"] = digest
    wrong = {(f.case, f.task) for f in unread}
    again = [p for p in pairs if (p.case, p.task) not in wrong]
    fitted = job.score_fit(again, calibrators, faults)
    done = job.calibrate(calibrators, f"calibrate ({fitting.method})", before=fitted)
    files = kept.packed(calibrators, job.options, job.axes)
    summary = {
        "fitting": asdict(fitting) | {"floor": FLOOR[fitting.method]},
        "calibrators": [kept.described(*each) for each in files.items()],
    }
    part = job.occurring(fitted, faults), faults
    return job.finish(done, calibrators, summary, files=files, fit=part)


def apply_calibrators(
    files: Sequence[Path],
    study: Study,
    run: Run,
    options: Options | None = None,
    *,
    bootstrap: Bootstrap | None = None,
    page: Report | None = None,
) -> dict[str, Any]:
    """Calibrate every map by calibrators that were kept, without fitting anything.

    Parameters
    ----------
    files : sequence of Path
        What `calibrate` kept of each task or region, or one calibrator of one class that was saved
        in Python, for all.
    study, run, options, bootstrap, page
        As `calibrate` has them; the folder gets the same but for what is of the fit.

    Returns
    -------
    dict
        What ``calibration.json`` holds, with the faulty cases in it.

    Raises
    ------
    UsageError
        If a file holds no calibrator, or none that fits, or a folder cannot be read or written.
    """
    found = kept.read(files)
    kept.require_apart(found, run.out)
    used = {"calibrators": [one.described for one in found]}
    job = _Job(study, run, options or Options(), bootstrap or Bootstrap(), used, page)
    calibrators = kept.matched(found, job.works, job.options)
    partners = (w.partner for w in job.works if w.partner)
    job.axes = axes_of(partners) or found[0].axes or 3
    job.claim()
    report(job.faults)
    return job.finish(job.calibrate(calibrators, "calibrate"), calibrators, used)


@dataclass
class _Job:
    """The predictions of a run, from `claim` to `finish`, wherever their calibrators come from.

    ``chosen`` is what the calibrators come from, as JSON has it, and ``axes`` are those of space.
    """

    study: Study
    run: Run
    options: Options
    bootstrap: Bootstrap
    chosen: dict[str, Any]
    page: Report | None
    fit: Study | None = None
    axes: int = 3
    output: Output = field(init=False)
    record: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.run.out.absolute()  # workers may have another current folder
        self.study.require_apart(self.out)
        require_file_names(self.options.regions)
        self.works, self.faults = predictions_of(self.study)
        partners = (w.partner.case for w in self.works if w.partner)
        self.patient = self.study.patients.of_all(partners)
        # What is recorded of a case is of use for the same calibrators only.
        self.settings = jsonable(self.chosen | asdict(self.options))

    def claim(self, names: Iterable[str] = ()) -> None:
        """Take the folder for the report, the maps and files of these names."""
        require_pictures()
        regions = self.options.structures
        maps = {w.prediction.map_name(region) for w in self.works for region in regions}
        described = (
            self._folders(full_name) | self.settings | self._means(asdict(self.study.patients))
        )
        files = {*FILES, *maps, *names}
        reads = [*self.study.folders, *(self.fit.folders if self.fit else ())]
        require_page(self.page, reads, self.run.out, files)
        self.output = self.run.claim("calibrate", described, files)

    def score_fit(self, pairs: list[Pair], calibrators: Calibrators, faults: list[Fault]) -> _Done:
        """Return the scores of the cases that were fitted to."""
        work = partial(score, calibrators=calibrators, options=self.options)
        fitted = self._each(
            partial(in_fit, work=work), pairs, faults=faults, action="score the fit", part="fit"
        )
        if any(map(is_stop, faults)):
            raise KeyboardInterrupt  # what is recorded stays, and so does a former report
        return fitted

    def calibrate(self, calibrators: Calibrators, action: str, before: _Done = ()) -> _Done:
        """Write the maps of each case, and how they came about."""
        work = partial(calibrate_case, calibrators=calibrators, options=self.options, out=self.out)
        works = [replace(w, axes=self.axes) for w in self.works]
        done = self._each(work, works, faults=self.faults, action=action)
        names, stop = Names(*filter(None, (self.fit, self.study))), stop_of(self.faults)
        means = self._means(self.study.patients.described(self.patient))
        used = self._folders(names.of) | self.settings | means
        read = [*before, *done] if done else []  # or there is nothing to get again
        self.record = write_run(self.out, "calibrate", used, read, name_of=names.of, stopped=stop)
        return done

    def occurring(self, done: _Done, faults: list[Fault]) -> list[Scored]:
        """Return the scores of structures that occur; the faults get the others."""
        names = self.options.structures
        # A case without a reference has no scores.
        scores = (each for _, d in done for each in zip(names, d.value.scores, strict=False))
        occur = ((of_score(one.before, region), one) for region, one in scores)
        return occurring(occur, self.options, "reference or prediction", faults)

    def finish(
        self,
        done: _Done,
        calibrators: Calibrators,
        summary: dict[str, Any],
        *,
        files: dict[str, bytes] | None = None,
        fit: Part | None = None,
    ) -> dict[str, Any]:
        """Write the report, with the part of the fit if there was one, and close the folder."""
        parts = {} if fit is None else {"fit": fit}
        everything = [] if fit is None else list(fit[1])
        if self.study.ref is not None:
            parts["pred"] = self.occurring(done, self.faults), self.faults
        everything += self.faults
        summary["tasks"] = {name: one.parameters for name, one in calibrators.items()}
        summary["written"] = sum(len(d.value.maps) for _, d in done)
        given = (self.out, parts, summary, everything, self.options)
        means: dict[str, Any] = {"patients": self.patient, "bootstrap": self.bootstrap}
        written = write_report(*given, files=files or {}, **means)
        same = self.fit is not None and _same(self.fit.pred, self.study.pred)
        if same:
            log.warning("%s", IN_SAMPLE)
        if self.page is not None:
            write_calibration_page(self.page, parts, written, self.record, same=same)
        self.output.close(everything, empty=not done)
        return written

    def _each(self, work: Callable[[Any], Calibrated], items: Sequence[Any], **how: Any) -> _Done:
        settings = {"calibrate": self.settings}
        return each_recorded(work, items, kinds=KINDS, run=self.run, settings=settings, **how)

    def _folders(self, name_of: Callable[[Path], str]) -> dict[str, Any]:
        found = {"study": self.study.settings(name_of)}
        return found if self.fit is None else {"fit": self.fit.settings(name_of)} | found

    def _means(self, patients: Any) -> dict[str, Any]:
        return {"patients": patients, "bootstrap": asdict(self.bootstrap)}


def _same(one: Path | None, other: Path | None) -> bool:
    return one is not None and other is not None and one.resolve() == other.resolve()
