"""Warnings that point at the line of the user's code."""

import sys
import warnings

#: Whose frames a warning does not point at, besides this package's own and its adapters'.
_INNER = ("torch", "torchmetrics", "contextlib")


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called this package, past the frames of libraries between."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inner(str(frame.f_globals.get("__name__", ""))):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inner(module: str) -> bool:
    package = module.partition(".")[0]
    return package.startswith("dice_semimetric") or package in _INNER
