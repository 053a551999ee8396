"""The reductions of arrays in the host's memory, found by the core's seam for NumPy.

An array of fewer than ``SMALL`` elements is left to NumPy's own blocks: to import Numba takes
longer than hundreds of such sums. So are all where Numba is not installed, which is said once.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from dice_semimetric._lib.extras import install
from dice_semimetric._lib.seam import Pixels
from dice_semimetric._lib.warning import warn_caller

SMALL = 1 << 19
#: bfloat16 as two bytes without a meaning to NumPy, for whoever lacks the package that has it.
BRAIN = np.dtype("V2")
#: The modules that could not be loaded, of which the first is told.
_failed: list[str] = []


def _reduction(module: str, name: str) -> Callable[..., Any]:
    """Return a reduction that a module of compiled kernels has, for arrays that are not small."""

    def reduction(first: Any, *args: Any, **kwargs: Any) -> Any:
        array = first.pred if isinstance(first, Pixels) else first
        code = compiled(module) if array.size >= SMALL else None
        if code is None:
            return NotImplemented
        return getattr(code, name)(first, *args, **kwargs)

    return reduction


def kernel_sums(query: Any, key: Any, bias: Any, value: Any, *, skip_self: bool) -> Any:
    """Return the sums of `dice_semimetric.kernel.density.kernel_sums`."""
    module = regression() if query.shape[1] * key.shape[0] >= SMALL else None
    if module is None:
        return NotImplemented
    return module.kernel_sums(query, key, bias, value, skip_self=skip_self)


def regression() -> ModuleType | None:
    """Return the module of the kernel regression and its derivative, or None as `compiled`."""
    return compiled("regression")


overlap_sums = _reduction("sums", "overlap_sums")
threshold_sums = _reduction("sums", "threshold_sums")
bin_sums = _reduction("sums", "bin_sums")
rater_counts = _reduction("fusion", "rater_counts")
strict_majority = _reduction("fusion", "strict_majority")
weighted_marks = _reduction("fusion", "weighted_marks")
most_frequent = _reduction("fusion", "most_frequent")
vote_patterns = _reduction("fusion", "vote_patterns")
vote_counts = _reduction("fusion", "vote_counts")
look_up = _reduction("fusion", "look_up")
value_range = _reduction("fusion", "value_range")
spread = _reduction("fusion", "spread")


@functools.cache
def compiled(name: str) -> ModuleType | None:
    """Return a module of compiled kernels, or None where Numba is absent or broken."""
    try:
        return import_module(f".{name}", __package__)
    except Exception as error:  # a broken compiler must not take the core down
        _failed.append(name)
        if len(_failed) == 1:
            warn_caller(_without_compiler(error), RuntimeWarning)
        return None


def _without_compiler(error: Exception) -> str:
    slower = "so sums take several times as long"
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed, {slower}; write {install('numba')}"
    return f"Numba does not work here, {slower}: {type(error).__name__}: {error}"
