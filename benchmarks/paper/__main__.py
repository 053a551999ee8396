"""The paper's experiments: `prepare` the data once, then run and print a `table`."""

import argparse
import sys

from . import prepare, table


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shown = commands.add_parser(
        "table",
        help="run or resume what a table needs, and print it",
        description=table.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    table.add_table_options(shown)
    shown.set_defaults(run=table.run)
    made = commands.add_parser(
        "prepare",
        help="make arrays out of a downloaded data set, once",
        description=prepare.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    prepare.add_prepare_options(made)
    made.set_defaults(run=prepare.run)
    options = parser.parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    options.run(options)


if __name__ == "__main__":
    main()
