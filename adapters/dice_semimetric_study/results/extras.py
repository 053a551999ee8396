"""Whether pictures can be drawn, asked before any work is done."""

from importlib import import_module

from ..faults import UsageError, require_no_stop
from ..runs.logs import log
from ..starting import INSTALL


def require_pictures(instead: str = "") -> None:
    """Raise UsageError if matplotlib is not there, with what to give in its place.

    One that is there and broken is reported where the pictures are left out.
    """
    try:
        import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        raise UsageError(f"pictures need matplotlib: {INSTALL}{instead}") from error
    except Exception as error:
        require_no_stop(error)
        log.debug("matplotlib is broken: %s", error)
