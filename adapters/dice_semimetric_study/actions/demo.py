"""Run ``demo``."""

import argparse

from ..faults import UsageError
from ..results.extras import require_pictures


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    if args.pred is not None and args.data is None:
        raise UsageError("--pred needs --data")
    require_pictures()
    from ..demo.demo import demo  # with it comes matplotlib, which is slow to import

    return demo(args.out, data=args.data, pred=args.pred, overwrite=args.overwrite)
