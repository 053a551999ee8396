"""The first moments of the command ``dice-semimetric``, while its modules are imported.

In any other process this does nothing: a program that imports the package keeps its own habits.
"""

import os
import signal
import sys
import threading
from _thread import interrupt_main
from importlib import import_module
from itertools import pairwise
from types import FrameType, TracebackType
from typing import Any

#: Brings every package of this tool. The core has `install` for this, and may lack NumPy here.
INSTALL = "pip install 'dice-semimetric[study]', or in a clone pip install -e '.[study]'"
_PROGRAM, _PACKAGE = "dice-semimetric", __name__.partition(".")[0]
#: The exit status of what Ctrl-C has ended, as shells have it.
STOPPED = 130


def is_command() -> bool:
    """Return whether this process is the command, by either of its names."""
    # A process of --jobs has the arguments of the one that started it, and an origin of its own.
    script = next((word for word in sys.argv[:1] if word in sys.orig_argv), "")
    is_script = os.path.basename(script).partition(".")[0] == _PROGRAM
    return is_script or ("-m", _PACKAGE) in pairwise(sys.orig_argv)


def _end(text: str, status: int) -> None:
    os.write(2, f"{_PROGRAM}: {text}\n".encode(errors="backslashreplace"))
    os._exit(status)


def _stop(_: int, __: FrameType | None) -> None:
    _end("stopped by the user", STOPPED)


def _fail(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    """Report on one line what keeps the command from its start."""
    # Some packages wrap what is wrong in a page of advice.
    reason = " ".join(str(error.__cause__ or error).split())[:300]
    if issubclass(kind, ImportError):
        _end(f"cannot start: {reason}; {INSTALL}", 2)
    if issubclass(kind, MemoryError):
        _end("cannot start: there is not enough memory", 2)
    _end(f"cannot start: {kind.__name__}: {reason}", 2)


def _begin() -> None:
    """Have Ctrl-C, and what is broken or missing, end the command with one line."""
    if not is_command():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    sys.excepthook = _fail


def stop_without(error: ImportError) -> None:
    """End the command, or have others raise ImportError, with one line about a missing package."""
    package = (error.name or "").split(".", maxsplit=1)[0]
    if package in ("", _PACKAGE, "dice_semimetric"):
        return
    why = "" if isinstance(error, ModuleNotFoundError) else f" ({error})"
    text = f"dice-semimetric needs {package}{why}: {INSTALL}"
    if not is_command():
        raise ImportError(text, name=error.name) from error
    print(text, file=sys.stderr)
    sys.exit(2)


def load(name: str) -> Any:
    """Import a module of this package, or end the command with one line."""
    try:
        return import_module(f"{_PACKAGE}.{name}")
    except Exception as error:
        if isinstance(error, ImportError):
            stop_without(error)
        if is_command():
            _fail(type(error), error, None)
        raise


def run() -> None:
    """Have Ctrl-C raise KeyboardInterrupt, which whoever works can catch."""
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if is_command():
        sys.excepthook = sys.__excepthook__  # what -v shows
        sys.unraisablehook = _interrupt_again


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Repeat a Ctrl-C that struck where Python drops exceptions, as in a destructor."""
    if lost.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, interrupt_main).start()  # once Python has left that place
    else:
        sys.__unraisablehook__(lost)


def end() -> None:
    """Leave Ctrl-C alone: the command is about to end anyway."""
    if is_command():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A Ctrl-C caught while Python ran a text, as dataclasses do, would yet end it by the signal
    # and not by our status: Python remembers that until it runs the next text.
    exec("")


_begin()
