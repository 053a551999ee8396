"""Put a page together and write it."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...choices import PICTURES
from ...faults import Fault, UsageError, counted, grouped, printable
from ...files.atomic import write_text
from ...runs.output import OWN, require_replaceable
from ...starting import INSTALL
from ..registry import Score
from ..text import confidence, form_of, interval, number, p_value, percent, setting
from .parts import DASH, Section

_NEEDS = {"jinja2": "Jinja2", "matplotlib": "matplotlib", "PIL": "pillow", "contourpy": "contourpy"}
_TEMPLATES = Path(__file__).parent / "templates"

shown = partial(number, none=DASH)


@dataclass(frozen=True)
class Report:
    """Where a page goes, and how many cases of each structure have pictures in it, None for all."""

    path: Path
    pictures: int | None = PICTURES


@dataclass(frozen=True)
class Card:
    """One number of a study: its title, its value, how far it can be trusted, and its meaning."""

    title: str
    value: str
    detail: str
    meaning: str


def score_card(score: Score, summary: Mapping[str, Any], *, soft: str, hard: str) -> Card:
    """Return the card of a mean in a summary, with the names of the references."""
    overall = summary["overall"]
    details = []
    if ends := ends_of(overall, score.name):
        details.append(f"{confidence(summary)} {ends}")
    if score.name in overall.get("pooled", {}):
        details.append(f"all pixels pooled {pooled_of(overall, score.name)}")
    value, meaning = mean_of(overall, score.name), score.explained(soft, hard)
    return Card(score.heading, value, "; ".join(details), meaning)


def mean_of(part: Mapping[str, Any], name: str) -> str:
    """Return a mean with the digits that its interval allows."""
    return shown(part[name], _form(part, name))


def pooled_of(part: Mapping[str, Any], name: str) -> str:
    """Return a score over all pixels together, with the digits of the mean."""
    return shown(part["pooled"][name], _form(part, name))


def ends_of(part: Mapping[str, Any], name: str) -> str:
    """Return the ends of the interval of a mean, nothing where there is none."""
    return interval(part.get("intervals", {}).get(name), joint=" to ", none="")


def _form(part: Mapping[str, Any], name: str) -> str:
    return form_of(part.get("intervals", {}).get(name))


def require_page(
    report: Report | None, reads: Iterable[Path | None], out: Path, files: Iterable[str]
) -> None:
    """Raise UsageError, before any work is done, if a page cannot be made or written.

    ``reads`` are the folders that are read, and ``files`` what the run writes into ``out``.
    """
    if report is None:
        return
    missing = [name for module, name in _NEEDS.items() if find_spec(module) is None]
    if missing:
        raise UsageError(f"--report needs {', '.join(missing)}: {INSTALL}")
    require_replaceable(report.path, "--report", reads, is_page, out)
    if report.path.resolve() in {out.resolve() / name for name in (*files, *OWN)}:
        raise UsageError(
            f"--report {report.path} is the name of another result: choose another name, such as "
            "report.html"
        )


def is_page(content: bytes) -> bool:
    """Return whether it is a page by this package."""
    return b'<meta name="generator" content="dice-semimetric ' in content[: 1 << 12]


def write_page(path: Path, templates: Path, name: str, **values: Any) -> None:
    """Write a page from a template in a folder; it appears as a whole or not at all."""
    parts = {f"{kind}_hash": _hash(f"page.{kind}") for kind in ("css", "js")}
    parts |= {kind: _text(f"page.{kind}") for kind in ("css", "js")}
    write_text(path, _environment(templates).get_template(name).render(**parts, **values))


def write_study_page(
    path: Path,
    *,
    title: str,
    verdict: str,
    sections: Sequence[Section],
    summary: Mapping[str, Any],
    record: Mapping[str, Any],
) -> None:
    """Write a page of sections, behind which are the faults of a summary and the record of the run.

    The verdict is the main finding, in a sentence or two.
    """
    faults = f"Faults ({len(summary['faults'])})"
    known = [(s.anchor, s.title) for s in sections]
    write_page(
        path,
        _TEMPLATES,
        "study.html",
        title=title,
        verdict=verdict,
        sections=[*known, ("faults", faults), ("record", "Record")],
        contents=sections,
        summary=summary,
        record=record,
        checksums=checksums(record),
    )


def checksums(record: Mapping[str, Any]) -> str:
    """Return the digests of all files as lines that ``sha256sum --check`` takes.

    What no terminal takes is escaped, even where that hides a file from the check.
    """
    files = {f["path"]: f["sha256"] for i in record["inputs"] for f in i["files"]}
    lines = []
    for path, digest in sorted(files.items()):
        safe = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "" if safe == path else "\\"  # how sha256sum marks a name with escapes
        lines.append(printable(f"{mark}{digest}  {safe}"))
    return "\n".join(lines)


@cache
def _environment(templates: Path) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader([templates, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"printable": printable, "setting": setting, "counted": counted}
    found.filters["number"] = lambda value, places=None: shown(
        value, "" if places is None else f".{places}f"
    )
    found.filters["significant"] = lambda value: shown(value, "#.3g")
    found.filters["with_ends"] = lambda value, *ends: shown(value, form_of(ends))
    found.filters |= {
        "p_value": partial(p_value, none=DASH),
        "percent": partial(percent, none=DASH),
    }
    found.globals |= {"interval": ends_of, "mean": mean_of, "confidence": confidence}
    found.globals["fault_groups"] = lambda faults: grouped(Fault(**f) for f in faults)
    found.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return found


@cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    """Return the digest by which the page's policy allows its one style or its one program."""
    digest = hashlib.sha256(_text(name).encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
