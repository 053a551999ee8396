"""Which map of which case a file is, by its name alone."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..files.names import is_nifti, one_spelling, without_ending
from .listing import File, as_nifti
from .patterns import TASK, Patterns, match

#: The case and the task of a file.
Key = tuple[str, str]
#: The files of a case's task, by rater; those of one map should be one.
Maps = dict[str, list[File]]


@dataclass
class Sorted:
    """The maps of each case and task, the images of cases, and all else by name."""

    maps: dict[Key, Maps] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    images: dict[str, Path] = field(default_factory=dict)
    bare: dict[str, Path] = field(default_factory=dict)

    def image(self, case: str) -> Path | None:
        """Return the image of a case."""
        return self.images.get(case, self.bare.get(case))

    def lonely(self) -> list[str]:
        """Return the cases that have an image but no map, where others have one."""
        known = {case for case, _ in self.maps}
        return [case for case in self.images if case not in known] if self.maps else []


def sort_files(
    root: Path,
    kinds: Sequence[Iterable[File]],
    map_patterns: Patterns,
    image_patterns: Patterns = (),
) -> Sorted:
    """Sort files into cases; the first pattern that fits decides.

    Files of a later kind count for maps that no earlier one has. Images are of the kinds up to the
    first that has a map: later ones may be views of them.
    """
    found = Sorted()
    for files in kinds:
        known = {key: set(maps) for key, maps in found.maps.items()}
        for file in sorted(files):
            if fields := fields_of(map_patterns, file):
                key, rater = _key(root, fields)
                if not _has(known, key, rater):
                    found.maps[key][rater].append(file)
            elif known:
                continue
            elif fields := fields_of(image_patterns, file):
                found.images[_key(root, fields)[0][0]] = file.path
            else:
                found.bare[without_ending(file.name)] = file.path
    return found


def fields_of(patterns: Patterns, file: File) -> dict[str, str | None] | None:
    """Return the fields of the first pattern that fits a file, whatever its format, or None."""
    names = (file.name, *(() if is_nifti(file.name) else as_nifti(file)))
    return next(filter(None, (match(patterns, name) for name in names)), None)


def maps_not_read(
    root: Path, files: Iterable[File], patterns: Patterns, maps: dict[Key, Maps]
) -> Iterator[tuple[Key, File]]:
    """Yield files that are not read though their names fit, unless the same map is there."""
    for file in files:
        if fields := fields_of(patterns, file):
            key, rater = _key(root, fields)
            if not _has(maps, key, rater):
                yield key, file


def _has(maps: Mapping[Key, Container[str]], key: Key, rater: str) -> bool:
    """Return whether a map is there; one without a rater's name, where any map of the task is."""
    return key in maps and (not rater or rater in maps[key])


def _key(root: Path, fields: dict[str, str | None]) -> tuple[Key, str]:
    """Return the case and the task that a name speaks of, and the rater, fold or sample."""
    case = fields["case"] or one_spelling(root.resolve().name)
    kinds = map(fields.get, ("rater", "fold", "sample"))
    return (case, fields.get("task") or TASK), next(filter(None, kinds), "")
