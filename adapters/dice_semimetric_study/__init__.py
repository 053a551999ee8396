"""Whole folders of NIfTI files: fuse raters' masks, score predictions, draw what comes out.

The command ``dice-semimetric`` is made of these functions. A case is read, scored by a pure
function of its arrays, and dropped; what is kept of it is a small record of statistics that add up.
"""

from .starting import is_command, stop_without

if not is_command():  # which imports what it needs, once it is known what that is
    try:
        from .agree import CaseAgreement, agree, agree_files
        from .calibrate.calibrate import apply_calibrators, calibrate
        from .calibrate.calibrators import Fitting
        from .cases.blocks import Reading
        from .cases.layout import CaseFiles, find_cases
        from .cases.pairing import Pair, Rated, pair_up
        from .cases.patients import Patients, match_patients, read_patients
        from .cases.regions import Regions, read_regions
        from .cases.study import Study
        from .compare import Scores, compare, read_scores
        from .demo.paradox import Paradox, best_threshold, soft_dice_paradox
        from .demo.phantoms import Phantom, phantom, write_phantoms
        from .evaluate.evaluate import Page, evaluate
        from .faults import CaseError, Fault, UsageError
        from .files.geometry import Geometry
        from .files.volumes import Volume, read_volume
        from .files.writing import write_volume
        from .fuse.fuse import fuse
        from .fuse.methods import Fused, fuse_masks
        from .results.bootstrap import Bootstrap
        from .runs.cluster import Workers
        from .runs.recorded import Run
        from .scores.case_score import CaseScore
        from .scores.options import Options
        from .scores.rater_score import RaterScore
        from .scores.scoring import score_case, score_files, score_pair
        from .scores.summary import summarize
    except ImportError as missing:
        stop_without(missing)
        raise

__all__ = [
    "Bootstrap",
    "CaseAgreement",
    "CaseError",
    "CaseFiles",
    "CaseScore",
    "Fault",
    "Fitting",
    "Fused",
    "Geometry",
    "Options",
    "Page",
    "Pair",
    "Paradox",
    "Patients",
    "Phantom",
    "Rated",
    "RaterScore",
    "Reading",
    "Regions",
    "Run",
    "Scores",
    "Study",
    "UsageError",
    "Volume",
    "Workers",
    "agree",
    "agree_files",
    "apply_calibrators",
    "best_threshold",
    "calibrate",
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
