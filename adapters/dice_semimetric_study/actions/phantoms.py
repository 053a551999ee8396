"""Run ``phantoms``."""

import argparse

from ..demo.phantoms import write_phantoms
from ..faults import UsageError, counted, show


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if len(args.shape) not in (2, 3):
        raise UsageError(f"--shape must have two or three axes, got {len(args.shape)}")
    try:
        write_phantoms(
            args.out,
            cases=args.cases,
            shape=args.shape,
            raters=args.raters,
            seed=args.seed,
            overwrite=args.overwrite,
        )
    except ValueError as error:
        raise UsageError(f"--{error}") from error
    show(f"{counted(args.cases, 'case')} written to {args.out}")
    return 0
