"""The paper's experiments: `prepare` the data once, then run and print a `table`."""

import argparse
import sys

from . import prepare, table


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module, text in (
        ("table", table, "run or resume what a table needs, and print it"),
        ("prepare", prepare, "make arrays out of a downloaded data set, once"),
    ):
        plain = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(
            name, help=text, description=module.__doc__, formatter_class=plain
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    options.run(options)


if __name__ == "__main__":
    main()
