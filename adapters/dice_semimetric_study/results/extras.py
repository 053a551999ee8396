"""Whether pictures can be drawn, asked before any work is done."""

from importlib import import_module

from ..extras import INSTALL
from ..faults import UsageError


def require_pictures(instead: str = "") -> None:
    """Raise UsageError if matplotlib cannot be imported, with what to give in its place."""
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        why = "" if isinstance(error, ModuleNotFoundError) else f" ({error})"
        raise UsageError(f"pictures need matplotlib{why}: {INSTALL}{instead}") from error
