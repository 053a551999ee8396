"""Let a process that reads case after case keep the memory of the last one."""

import ctypes

#: Numbers of glibc's ``mallopt``.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: The largest that glibc takes: bigger arrays go back to the system as before.
_LARGEST = 1 << 25


def keep_memory() -> bool:
    """Return whether freed arrays now stay with the process, at most as many as it held at once.

    The system gives memory page by page, at the first touch of each, which for a case of some
    megabytes costs half as much as to read it. Without glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, 1 << 30))
