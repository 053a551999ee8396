"""What is compared, by topic."""

from ..comparison import Comparison
from ..inputs import Sizes
from . import calibration, fusion, kernels, labels, losses, modules, reading, regions, terms

TOPICS = (regions, calibration, labels, fusion, kernels, losses, terms, modules, reading)


def every_comparison(sizes: Sizes) -> list[Comparison]:
    """Return all comparisons; nothing is made before its turn."""
    return [found for topic in TOPICS for found in topic.comparisons(sizes)]
