"""Models on a command line: NAME=DIR, or DIR whose last part is the name."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..compare import FILES
from ..faults import UsageError, printable
from ..files.atomic import names_a_file
from ..runs.output import OWN


@dataclass(frozen=True)
class Model:
    """A folder of predictions or scores, and its model's name, which can be that of a folder."""

    name: str
    folder: Path


def models_of(texts: Sequence[str]) -> list[Model]:
    """Return the models: NAME=DIR or DIR each; what has a separator before its first = is a DIR.

    >>> from dice_semimetric_study.actions.models import models_of
    >>> [(m.name, m.folder.as_posix()) for m in models_of(["dml=preds/a", "preds/lr=1/sdl"])]
    [('dml', 'preds/a'), ('sdl', 'preds/lr=1/sdl')]
    """
    return [_model(text) for text in texts]


def _model(text: str) -> Model:
    name, mark, folder = text.partition("=")
    if not mark or any(s in name for s in (os.sep, os.altsep) if s):
        name, folder = Path(os.path.abspath(text)).name, text
    if not folder:
        raise UsageError(f"there is no folder in {printable(text)!r}; give NAME=DIR")
    if not names_a_file(name):
        raise UsageError(
            f"{name!r} cannot be the name of a model, since it must be that of a folder: no "
            f"separator, = or control character, no dot or dash in front; give NAME=DIR"
        )
    if name.casefold() in (*FILES, *OWN):
        raise UsageError(f"a model cannot have the name {name}: the results have it")
    return Model(name, Path(folder))
