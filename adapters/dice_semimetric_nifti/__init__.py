"""Whole folders of NIfTI files: fuse raters' masks, score predictions, draw what comes out.

The command ``dice-semimetric`` is made of these functions. A case is read, scored by a pure
function of its arrays, and dropped; what is kept of it is a small record of statistics that add up.
"""

from .agreeing import CaseAgreement, agree, agree_files
from .blocks import Reading
from .bootstrap import Bootstrap
from .cluster import Workers
from .comparing import Scores, compare, read_scores
from .evaluating import Sides, evaluate
from .faults import CaseError, Fault, UsageError
from .fusing import Fused, fuse, fuse_masks
from .layout import CaseFiles, find_cases
from .pairing import Pair, Rated, pair_up
from .paradox import Paradox, best_threshold, soft_dice_paradox
from .patients import Patients, match_patients, read_patients
from .phantoms import Phantom, phantom, write_phantoms
from .regions import Regions, read_regions
from .scoring import CaseScore, Options, RaterScore, score_case, score_files, score_pair
from .summary import summarize
from .volumes import Geometry, Volume, read_volume
from .writing import write_volume

__all__ = [
    "Bootstrap",
    "CaseAgreement",
    "CaseError",
    "CaseFiles",
    "CaseScore",
    "Fault",
    "Fused",
    "Geometry",
    "Options",
    "Pair",
    "Paradox",
    "Patients",
    "Phantom",
    "Rated",
    "RaterScore",
    "Reading",
    "Regions",
    "Scores",
    "Sides",
    "UsageError",
    "Volume",
    "Workers",
    "agree",
    "agree_files",
    "best_threshold",
    "compare",
    "evaluate",
    "find_cases",
    "fuse",
    "fuse_masks",
    "match_patients",
    "pair_up",
    "phantom",
    "read_patients",
    "read_regions",
    "read_scores",
    "read_volume",
    "score_case",
    "score_files",
    "score_pair",
    "soft_dice_paradox",
    "summarize",
    "write_phantoms",
    "write_volume",
]
