"""Put the page together and write it."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...cases.pairing import Pair
from ...faults import CaseError, UsageError, printable
from ...files.atomic import prepare_folder, write_text
from ...runs.logs import is_quiet, log
from ...scores.case_score import Options
from ...scores.score_tables import NUMBERS, TITLES
from .chosen import Chosen, Scored, choose

_NEEDS = {"jinja2": "Jinja2", "matplotlib": "matplotlib", "PIL": "pillow", "contourpy": "contourpy"}
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Example:
    """A case with pictures.

    Attributes
    ----------
    chosen : Chosen
        The case and why it is shown.
    plane : Plane, optional
        The slice.
    pictures : Pictures, optional
        Of the slice.
    reason : str
        Why there are no pictures.
    """

    chosen: Chosen
    plane: Any = None
    pictures: Any = None
    reason: str = ""


def check_report(path: Path) -> None:
    """Raise UsageError, before any work is done, if a report cannot be made or written."""
    missing = [name for module, name in _NEEDS.items() if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"--report needs {', '.join(missing)}: pip install 'dice-semimetric[study]'"
        )
    if path.is_dir():
        raise UsageError(f"--report must be the name of a file, got the folder {path}")
    prepare_folder(path.parent)


def write_report(
    path: Path,
    scored: Sequence[Scored],
    summary: Mapping[str, Any],
    options: Options,
    record: Mapping[str, Any],
) -> None:
    """Write the page about a study.

    Only the few cases with pictures are read again, one after the other.

    Parameters
    ----------
    path : Path
        The file; it appears as a whole or not at all.
    scored : sequence of Scored
        The scores of all cases, with the files behind them.
    summary : dict
        As `summarize` returns it.
    options : Options
        How the cases were scored.
    record : dict
        How to get the same results again, as ``run.json`` holds it.
    """
    from .content import cards, checksums, data, structures, title

    chosen, without = choose(scored)
    hidden = True if is_quiet() else None
    bar = tqdm(chosen, desc="draw", unit="case", disable=hidden, leave=False)
    examples = [_example(c, options) for c in bar]
    of_examples = [e.chosen.scored.score for e in examples]
    html = (
        _environment()
        .get_template("page.html")
        .render(
            cards=cards(summary, scored),
            checksums=checksums(record),
            css=_text("report.css"),
            css_hash=_hash("report.css"),
            examples=examples,
            js=_text("report.js"),
            js_hash=_hash("report.js"),
            names=NUMBERS,
            options=options,
            data=data(scored, options),
            record=record,
            scored=scored,
            shown={(s.case, s.task): i for i, s in enumerate(of_examples)},
            structures=structures(scored, options),
            summary=summary,
            title=title(record),
            titles=TITLES,
            without=without,
        )
    )
    write_text(path, html)


def _example(chosen: Chosen, options: Options) -> Example:
    from .pictures import draw
    from .planes import read_plane

    pair: Pair = chosen.scored.pair
    try:
        plane = read_plane(pair, chosen.scored.region, options)
        return Example(chosen, plane, draw(plane))
    except (CaseError, OSError) as error:  # it was scored, and has changed since
        log.warning("no picture of %s %s: %s", pair.case, pair.task, error)
        return Example(chosen, reason=str(error))


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from . import content

    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["printable"] = printable
    found.filters["number"] = content.number
    found.globals["interval"] = content.interval
    found.globals["anatomy"] = content.ANATOMY
    found.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return found


@cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    """Return what the page's policy calls the one style, or the one program, that may be used."""
    digest = hashlib.sha256(_text(name).encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
