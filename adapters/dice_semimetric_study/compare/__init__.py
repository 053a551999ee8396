"""Several models on the same cases: which is better, and would it be with other patients."""

from .common import align
from .compare import FILES, compare, pairs_of
from .tables import Scores, read_scores
from .text import comparison_text, models_table

__all__ = [
    "FILES",
    "Scores",
    "align",
    "compare",
    "comparison_text",
    "models_table",
    "pairs_of",
    "read_scores",
]
