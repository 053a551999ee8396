"""The parser of the command line, which suggests the option that a mistyped one may stand for."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NoReturn

from ..faults import printable


class Version(argparse.Action):
    """Print the version that is installed; to import the core for it would take a moment."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        text = "show program's version number and exit"
        super().__init__(option_strings, dest, nargs=0, help=text)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it, and end."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("dice-semimetric")
        except PackageNotFoundError:  # a folder that is merely on the path
            from dice_semimetric import __version__ as found
        parser.exit(message=f"{parser.prog} {found}\n")


class Parser(argparse.ArgumentParser):
    """An argparse parser without abbreviations: they change their meaning as options are added."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False} | how)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse unknown options before anything that is missing for want of them."""
        words = sys.argv[1:] if args is None else list(args)
        if self._subparsers is not None:  # what stands behind the command is the command's own
            words = list(takewhile(lambda word: word.startswith("-"), words))
        for word in filter(self._is_unknown, _options(words)):
            hint = suggestion(word, self._option_string_actions)
            self.error(f"unknown option {word}{hint}")
        return super().parse_known_args(args, namespace)

    def _is_unknown(self, word: str) -> bool:
        known = self._option_string_actions
        short = not word.startswith("--") and word[:2] in known  # -qv
        return word not in known and not short and not _is_number(word)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += suggestion(str(value), action.choices or ())
            raise

    def error(self, message: str) -> NoReturn:
        """Report what is wrong, on one line that any terminal takes."""
        super().error(printable(message))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _options(args: Sequence[str]) -> list[str]:
    """Return the words that look like options, without their values."""
    words = list(args)
    words = words[: words.index("--")] if "--" in words else words
    return [w.split("=")[0] for w in words if w.startswith("-") and len(w) > 1 and " " not in w]


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question about the known word that a mistyped one may stand for, or nothing.

    Examples
    --------
    >>> from dice_semimetric_study.commands.parser import suggestion
    >>> suggestion("--treshold", ["--thresholds", "--bins"])
    '; did you mean --thresholds?'
    >>> suggestion("--colour", ["--thresholds", "--bins"])
    ''
    """
    names = sorted(known)
    bare = word.lstrip("-").replace("_", "-").casefold()
    begun = [name for name in names if name.lstrip("-").startswith(bare)] if bare else []
    near = difflib.get_close_matches(bare, [name.lstrip("-") for name in names], n=1)
    found = begun or [name for name in names if name.lstrip("-") in near]
    return f"; did you mean {' or '.join(found[:3])}?" if found else ""
