"""The command ``compare``: compare models by their predictions of the same cases."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..cases.patients import Patients
from ..compare import Scores, align, compare, comparison_text, pairs_of, read_scores
from ..evaluate.evaluate import Sides, evaluate
from ..faults import Fault, UsageError, printable
from ..files.atomic import require_apart
from ..results.registry import PREDICTION_SCORES, glossary
from ..runs.each import is_stop
from ..runs.logs import log
from .command import EXIT, LAYOUT, Command, add_common
from .listing import list_pairs
from .models import MODEL, Model, models_of
from .running import add_habits, add_running, workers_of
from .scoring import add_json, add_scoring, options_of, sides_of, tell
from .uncertainty import add_uncertainty, bootstrap_of, patients_of

_EPILOG = f"""examples:
  dice-semimetric compare --pred dml=preds/dml sdl=preds/sdl --ref study/Testing --out comparison
  dice-semimetric compare --pred preds/* --ref study/Testing --out comparison \\
      --patients patients.csv --baseline sdl --metric bdice ece_soft --jobs 4
  dice-semimetric compare --scores scores/dml scores/sdl --out comparison --json - | jq .overall

--pred scores each folder as evaluate does, into OUT/NAME; --scores takes what evaluate wrote.
Differences are the first model minus the second.
p values are of Wilcoxon's signed-rank test of the patients' mean differences, and adjusted after
Holm over the pairs of one score: those over all tasks, or those in all single tasks.

scores:
{glossary(PREDICTION_SCORES)}

{LAYOUT}

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--pred",
        nargs="+",
        metavar=MODEL,
        help="folders of predictions; NAME is the last part of DIR where it is not given",
    )
    what.add_argument("--scores", nargs="+", metavar=MODEL, help="folders that evaluate wrote")
    parser.add_argument("--ref", type=Path, metavar="DIR", help="references of --pred")
    parser.add_argument("--baseline", metavar="NAME", help="pair each other model with it only")
    parser.add_argument(
        "--metric",
        choices=tuple(PREDICTION_SCORES),
        nargs="+",
        default=tuple(PREDICTION_SCORES),
        help="what to compare by (default: all)",
    )
    add_json(parser)
    parser.add_argument("--no-pictures", action="store_true", help="write the tables only")
    _add_scoring(parser)
    add_uncertainty(parser)
    add_running(parser)
    add_habits(parser)


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    add_scoring(parser)


def _run(args: argparse.Namespace) -> int:
    models = models_of(args.pred or args.scores)
    pairs_of([m.name for m in models], args.baseline)
    run = _run_predictions if args.pred else _run_scores
    return run(args, models)


def _run_scores(args: argparse.Namespace, models: Sequence[Model]) -> int:
    _require_no_scoring(args)
    for model in models:
        require_apart(args.out, model.folder)
    scores = [read_scores(m.name, m.folder) for m in models]
    told = args.patients is None and args.patient_pattern is None
    patients = None if told else patients_of(args)
    if args.dry_run:
        study = align(scores, patients)
        for one in scores:
            print(f"{printable(one.name)}: {len(one.rows)} scores in {printable(str(one.path))}")
        print(f"{len(study.keys)} of them in all models, of {len(set(study.patients))} patients")
        return 0
    return _compare(args, scores, patients, [])


def _require_no_scoring(args: argparse.Namespace) -> None:
    """Raise UsageError if an option of how to score is given, which would do nothing."""
    parser = argparse.ArgumentParser()
    _add_scoring(parser)
    usual = vars(parser.parse_args([f"--out={args.out}"])) | {"ref": None, "out": args.out}
    idle = [name for name, value in usual.items() if getattr(args, name) != value]
    if idle:
        flag = "--" + idle[0].replace("_", "-")
        raise UsageError(f"{flag} has no use with --scores: what is there is scored already")


def _run_predictions(args: argparse.Namespace, models: Sequence[Model]) -> int:
    if args.ref is None:
        raise UsageError("--pred needs --ref, the folder of references")
    for model in models:
        for other in models:
            require_apart(args.out / model.name, other.folder)
    sides = [Sides(m.folder, args.ref, **sides_of(args)) for m in models]
    if args.dry_run:
        return _list(models, sides)
    patients = patients_of(args)
    _require_common(models, sides, patients)
    faults: list[dict[str, str]] = []
    options, workers, bootstrap = options_of(args), workers_of(args), bootstrap_of(args)
    for model in models:
        log.info("scoring %s", model.name)
        summary = evaluate(
            model.folder,
            args.ref,
            args.out / model.name,
            options=options,
            pictures=not args.no_pictures,
            workers=workers,
            resume=args.resume,
            device=args.device,
            patients=patients,
            bootstrap=bootstrap,
            **sides_of(args),
        )
        faults += [{"model": model.name} | fault for fault in summary["faults"]]
        if any(is_stop(Fault(**fault)) for fault in summary["faults"]):
            return 1  # what is scored stays, and --resume goes on from there
    scores = [read_scores(m.name, args.out / m.name) for m in models]
    return _compare(args, scores, None, faults)


def _list(models: Sequence[Model], sides: Sequence[Sides]) -> int:
    """Print the pairs of each model, and return the exit status."""
    some = False
    for model, side in zip(models, sides, strict=True):
        text, faults = list_pairs(side)
        print(f"{printable(model.name)}:\n{text}\n")
        some |= bool(faults)
    return int(some)


def _require_common(models: Sequence[Model], sides: Sequence[Sides], patients: Patients) -> None:
    """Raise UsageError, before hours of work, if it cannot end in a comparison."""
    found = []
    for model, side in zip(models, sides, strict=True):
        pairs = side.pairs()[0]
        patients.of_all(p.case for p in pairs)
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
) -> int:
    summary = compare(
        scores,
        args.out,
        metrics=[name for name in PREDICTION_SCORES if name in args.metric],
        baseline=args.baseline,
        patients=patients,
        bootstrap=bootstrap_of(args),
        pictures=not args.no_pictures,
        faults=faults,
    )
    tell(args, summary, f"{comparison_text(summary)}\nresults in {args.out}")
    return 1 if faults else 0


COMMAND = Command(
    "compare", "compare models by their predictions of the same cases", _EPILOG, _add_options, _run
)
