"""Several models on the same cases: which is better, and would it be with other patients."""

from .compare import FILES, compare, pairs_of
from .study import Study, align
from .tables import Scores, read_scores
from .text import comparison_text

__all__ = [
    "FILES",
    "Scores",
    "Study",
    "align",
    "compare",
    "comparison_text",
    "pairs_of",
    "read_scores",
]
