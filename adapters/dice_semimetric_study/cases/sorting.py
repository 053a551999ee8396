"""Which map of which case a file is, by its name alone."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..files.names import one_spelling, without_ending
from .listing import File, Listing, as_nifti
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
    root: Path, files: Iterable[File], map_patterns: Patterns, image_patterns: Patterns = ()
) -> Sorted:
    """Sort files into cases; the first pattern that fits decides."""
    found = Sorted()
    for file in sorted(files):
        if fields := match(map_patterns, file.name):
            key, rater = _key(root, fields)
            found.maps[key][rater].append(file)
        elif fields := match(image_patterns, file.name):
            found.images[_key(root, fields)[0][0]] = file.path
        else:
            found.bare[without_ending(file.name)] = file.path
    return found


def maps_not_read(
    root: Path, listing: Listing, patterns: Patterns, maps: dict[Key, Maps]
) -> Iterator[tuple[Key, File]]:
    """Yield images of other formats whose names fit, unless the same map is there as NIfTI."""
    for file in listing.others + listing.series:
        fields = next(filter(None, (match(patterns, name) for name in as_nifti(file))), None)
        if fields is not None:
            key, rater = _key(root, fields)
            if key not in maps or (rater and rater not in maps[key]):
                yield key, file


def _key(root: Path, fields: dict[str, str | None]) -> tuple[Key, str]:
    """Return the case and the task that a name speaks of, and the rater."""
    case = fields["case"] or one_spelling(root.resolve().name)
    return (case, fields.get("task") or TASK), fields.get("rater") or ""
