"""How known kinds of studies name their files, for ``--layout``."""

import re
from dataclasses import dataclass

from ..choices import LAYOUTS
from ..files.names import NIFTI
from .patterns import BARE, IMAGE, MAP, Patterns


@dataclass(frozen=True)
class Layout:
    """The names of references, of predictions, and of images among the references.

    Where it ``describes`` the labels, a ``dataset.json`` lies with the references.
    """

    references: Patterns
    predictions: Patterns
    images: Patterns = ()
    describes: bool = False


def _patterns(*names: str) -> Patterns:
    return tuple(re.compile(name + NIFTI, re.DOTALL) for name in names)


_FLAT = r"(?P<case>[^/]+)"
_BRATS = r"(?:.*/)?(?P<case>[^/]+?)"
_SUBJECT = r"(?:.*/)?(?P<case>sub-[^/_]+(?:_ses-[^/_]+)?)"
_ENTITY = r"(?:_(?!desc-|label-)[^/_-]+-[^/_]+)*"
_LABEL = r"(?:_label-(?P<task>[^/_]+))?"
_MAP = r"_(?:dseg|mask|probseg|seg)"

_LABELS = _patterns(rf"(?:labels(?:Tr|Ts)/)?{_FLAT}")
_KNOWN = (
    Layout(_LABELS, BARE, _patterns(rf"imagesTr/{_FLAT}_0000"), describes=True),
    Layout(_LABELS, BARE, _patterns(rf"imagesTr/{_FLAT}"), describes=True),
    Layout(
        _patterns(rf"{_SUBJECT}{_ENTITY}{_LABEL}{_ENTITY}(?:_desc-(?P<rater>[^/_]+))?{_MAP}"),
        _patterns(rf"{_SUBJECT}{_ENTITY}{_LABEL}{_ENTITY}(?:_desc-[^/_]+)?{_MAP}"),
    ),
    Layout(
        _patterns(rf"{_BRATS}[-_]seg"),
        _patterns(rf"{_BRATS}(?:[-_]seg)?"),
        _patterns(rf"{_BRATS}[-_](?:t2f|flair)"),
    ),
    Layout(MAP, MAP + BARE, IMAGE),
)
KNOWN = dict(zip(LAYOUTS, _KNOWN, strict=True))
