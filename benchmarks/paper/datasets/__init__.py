"""The paper's data sets: from the raw downloads to arrays that memory-map."""

from .augment import augment
from .prepared import Prepared, PreparedCase, open_prepared

__all__ = ["augment", "Prepared", "PreparedCase", "open_prepared"]
