"""The command ``completion``: completion in shells."""

import argparse

from .command import EXIT, Command

SHELLS = ("bash", "zsh", "fish", "tcsh")
_EPILOG = f"""examples:
  eval "$(dice-semimetric completion bash)"                     # in ~/.bashrc
  eval "$(dice-semimetric completion zsh)"                      # in ~/.zshrc, after compinit
  dice-semimetric completion fish > ~/.config/fish/completions/dice-semimetric.fish
  dice-semimetric completion tcsh > ~/.dice-semimetric.tcsh     # source it in ~/.tcshrc

{EXIT}"""


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to write the script for")


COMMAND = Command("completion", "print a script for a shell", _EPILOG, _add_options)
