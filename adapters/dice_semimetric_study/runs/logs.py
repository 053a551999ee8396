"""What a run reports of itself on stderr; results go to stdout."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..faults import UsageError, printable, require_no_stop

log = logging.getLogger("dice_semimetric_study")


class _BesideTheBar(logging.Handler):
    """Write lines to stderr without tearing a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm  # slow to import where there is nothing to report

        tqdm.write(self.format(record), file=sys.stderr)


def _one_line(record: logging.LogRecord) -> bool:
    """Make the message printable for every handler, of this package or of the program around it."""
    record.msg, record.args = printable(record.getMessage()), None
    return True


log.addFilter(_one_line)


def set_verbosity(*, quiet: bool = False, verbose: bool = False) -> None:
    """Report faults only, the usual, or every case."""
    log.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
    if not any(isinstance(h, _BesideTheBar) for h in log.handlers):
        log.addHandler(_BesideTheBar())
    log.propagate = False
    # It writes of its fonts and its folders.
    logging.getLogger("matplotlib").setLevel(logging.INFO if verbose else logging.ERROR)
    # nibabel repairs some headers, and logs it without the name of the file.
    logging.getLogger("nibabel.global").setLevel(logging.INFO if verbose else logging.CRITICAL)


@contextmanager
def left_out(what: str) -> Iterator[None]:
    """Report on one line that a part cannot be made, for want of a package or of memory.

    What is there without it stays and is written all the same.
    """
    try:
        yield
    except (OSError, UsageError):
        raise
    except Exception as error:
        require_no_stop(error)
        log.error("%s left out: %s: %s", what, type(error).__name__, error)


def is_quiet() -> bool:
    """Return whether nothing but faults is to be reported."""
    return log.level > logging.WARNING


def is_verbose() -> bool:
    """Return whether each case is to be reported."""
    return log.isEnabledFor(logging.DEBUG)
