"""Run ``compare``."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ..cases.patients import Patients
from ..cases.study import Study, full_name
from ..commands.compare import add_how
from ..compare import (
    FILES,
    Scores,
    align,
    compare,
    comparison_text,
    models_table,
    pairs_of,
    read_scores,
)
from ..evaluate.evaluate import Page, evaluate
from ..faults import UsageError, counted, printable, show
from ..files.atomic import require_apart
from ..results.page.page import require_page
from ..results.registry import ALL_SCORES, COMPARABLE, COMPARED, PROTOCOLS
from ..runs.logs import log
from ..runs.output import Output
from ..starting import STOPPED
from .given import anonymous_of, bootstrap_of, options_of, patients_of, report_of, run_of, study_of
from .models import Model, models_of
from .printing import check_json, check_tables, print_files, print_summary, where, write_tables


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    models = models_of(args.pred or args.scores)
    pairs_of([m.name for m in models], args.baseline)
    metrics = PROTOCOLS[args.protocol] if args.protocol else args.metric or COMPARED
    args.metric = [name for name in COMPARABLE if name in metrics]
    asked = [name for name in args.metric if name not in ALL_SCORES]
    if asked and args.pred:
        raise UsageError(
            f"--metric {asked[0]} is of predictions that evaluate scored with the option for it: "
            "give their folders to --scores"
        )
    for name in (n for n in args.metric if COMPARABLE[n].own_pixels):
        log.warning("%s is over other pixels in each model: ece_near is over the same in all", name)
    folders = [*(m.folder for m in models), args.ref, args.mask]
    check_json(args, *folders)
    check_tables(args, *folders)
    require_page(report_of(args), folders, args.out, FILES)
    return (_run_predictions if args.pred else _run_scores)(args, models)


def _run_scores(args: argparse.Namespace, models: Sequence[Model]) -> int:
    _require_no_scoring(args)
    for model in models:
        require_apart(args.out, model.folder)
    scores = [read_scores(m.name, m.folder, args.metric) for m in models]
    given = args.patients is not None or args.patient_pattern is not None
    patients = patients_of(args) if given else None
    if args.dry_run:
        common = align(scores, patients)
        for one in scores:
            show(f"{one.name}: {counted(len(one.rows), 'score')} in {one.path}")
        patients_of_all = counted(len(set(common.patients)), "patient")
        show(f"{len(common.keys)} of them in all models, of {patients_of_all}")
        return 0
    align(scores, patients)  # before anything is written
    folders = {m.name: full_name(m.folder) for m in models}
    return _compare(args, scores, patients, [], _claim(args, folders, patients))


def _require_no_scoring(args: argparse.Namespace) -> None:
    """Raise UsageError if an option of how to score is given, which would do nothing."""
    parser = argparse.ArgumentParser()
    add_how(parser)
    usual = vars(parser.parse_args([f"--out={args.out}"])) | {"ref": None, "out": args.out}
    idle = [name for name, value in usual.items() if getattr(args, name) != value]
    if idle:
        flag = "--" + idle[0].replace("_", "-")
        raise UsageError(f"{flag} has no use with --scores: what is there is scored already")


def _run_predictions(args: argparse.Namespace, models: Sequence[Model]) -> int:
    if args.ref is None:
        raise UsageError("--pred needs --ref, the folder of references")
    for model in models:
        require_apart(args.out, model.folder)
    study, options, bootstrap = study_of(args, ref=args.ref), options_of(args), bootstrap_of(args)
    studies = anonymous_of(args, *(replace(study, pred=m.folder) for m in models))
    if args.dry_run:
        status = 0
        for model, study in zip(models, studies, strict=True):
            show(f"{model.name}:")
            status |= print_files(study)
            print()
        return status
    _require_common(models, studies)
    faults: list[dict[str, str]] = []
    run = run_of(args)
    folders = {m.name: s.settings(full_name) for m, s in zip(models, studies, strict=True)}
    output = _claim(args, folders, studies[0].patients, asdict(options))
    for model, study in zip(models, studies, strict=True):
        log.info("scoring %s", model.name)
        summary = evaluate(
            study,
            replace(run, out=run.out / model.name),
            options,
            page=Page(not args.no_pictures),
            bootstrap=bootstrap,
            device=args.device,
        )
        faults += [{"model": model.name} | fault for fault in summary["faults"]]
        if "stopped" in summary:
            return STOPPED  # what is scored stays, and --resume goes on from there
    scores = [read_scores(m.name, args.out / m.name, args.metric) for m in models]
    return _compare(args, scores, None, faults, output)


def _claim(
    args: argparse.Namespace,
    models: dict[str, Any],
    patients: Patients | None,
    options: dict[str, Any] | None = None,
) -> Output:
    """Take the folder for the results, which depend on all this besides the content of files."""
    described = {"models": models, "options": options, "patients": patients and asdict(patients)}
    described |= {"metrics": args.metric, "baseline": args.baseline}
    return run_of(args).claim("compare", described | asdict(bootstrap_of(args)), FILES)


def _require_common(models: Sequence[Model], studies: Sequence[Study]) -> None:
    """Raise UsageError, before hours of work, if it cannot end in a comparison."""
    found = []
    for model, study in zip(models, studies, strict=True):
        pairs = study.pairs()[0]
        study.patients.of_all(p.case for p in pairs)
        found.append({(p.case, p.task) for p in pairs})
        if not found[-1]:
            raise UsageError(f"no prediction of {printable(model.name)} has a reference")
    if not set.intersection(*found):
        raise UsageError("no task of any case has a prediction of every model")


def _compare(
    args: argparse.Namespace,
    scores: Sequence[Scores],
    patients: Patients | None,
    faults: Sequence[dict[str, str]],
    output: Output,
) -> int:
    summary = compare(
        scores,
        args.out,
        metrics=args.metric,
        baseline=args.baseline,
        patients=patients,
        bootstrap=bootstrap_of(args),
        pictures=not args.no_pictures,
        page=report_of(args),
        faults=faults,
        protocol=args.protocol,
        output=output,
    )
    write_tables(args, models_table(summary))
    print_summary(args, summary, f"{comparison_text(summary)}\n{where(args)}")
    return 1 if faults else 0
