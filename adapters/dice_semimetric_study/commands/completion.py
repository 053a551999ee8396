"""The command ``completion``: completion in shells."""

import argparse

from .command import EXIT, Command
from .shells import SHELLS, completion

_EPILOG = f"""examples:
  eval "$(dice-semimetric completion bash)"                     # in ~/.bashrc
  eval "$(dice-semimetric completion zsh)"                      # in ~/.zshrc
  dice-semimetric completion fish > ~/.config/fish/completions/dice-semimetric.fish

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete options")


def _run(args: argparse.Namespace) -> int:
    print(completion(args.parser, args.shell), end="")
    return 0


COMMAND = Command("completion", "print a script for a shell", _EPILOG, _add_options, _run)
