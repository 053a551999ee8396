"""The paper's data sets: from the raw downloads to arrays that memory-map."""

from .prepared import Prepared, PreparedCase, open_prepared

__all__ = ["Prepared", "PreparedCase", "open_prepared"]
