"""Compile a kernel with Numba, and keep its code on disk."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import config, njit

if config.DISABLE_JIT:
    raise ImportError("Numba may not compile: NUMBA_DISABLE_JIT is set")


def kernel(*liberties: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles, with some liberties in the order of operations.

    The function releases the interpreter's lock. Its divisions are those of the processor: with
    the check for 0 that Python has, no loop around them is vectorised.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        how = {"nogil": True, "error_model": "numpy", "fastmath": set(liberties), **options}
        try:
            compiled = njit(cache=True, **how)(function)
        except RuntimeError:  # there is no folder to keep the code in
            return njit(**how)(function)
        _follow_all_sources(compiled)
        return compiled

    return decorate


def _follow_all_sources(compiled: Any) -> None:
    """Let the code on disk count as up to date while no file of this package has changed.

    Numba looks at the function's own file alone, though functions of others are compiled into it.
    """
    file = compiled._cache._cache_file
    file._source_stamp = (*file._source_stamp, _digest())


@functools.cache
def _digest() -> str:
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()


#: Sums may be taken in any order and by lanes; NaN and infinity keep their meaning.
sums = kernel("reassoc", "contract", "nsz", "arcp")
#: Without reassociation, which would undo a rounding that is meant.
exact = kernel("contract")
