"""The one seam for adapters: a faster reduction, looked up by the arrays' library.

A reduction of the core is a plain function of arrays, written against the array API standard and
marked ``@accelerated``. Before it runs, the module registered for the arrays' library is asked for
a function of the same name and arguments. That function may return NotImplemented for input it is
not made for; then, and where there is no such function, the generic reduction runs on the arrays
where they are.

NumPy's module is part of the core. Any other is announced by an entry point in the group
``dice_semimetric.kernels`` whose name is the library's top-level package and whose value is the
module.
"""

import functools
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import ParamSpec, TypeVar, cast

import array_api_compat as compat

P = ParamSpec("P")
R = TypeVar("R")

GROUP = "dice_semimetric.kernels"

# A plain dictionary, since torch.compile looks into one but calls a cached function anew.
_loaded: dict[str, ModuleType | None] = {}


def library(xp: ModuleType) -> str:
    """Return the top-level package of a namespace: "numpy", "torch", "jax", ..."""
    return xp.__name__.removeprefix("array_api_compat.").split(".")[0]


def kernels(name: str) -> ModuleType | None:
    """Return the module of fast reductions for a library, or None."""
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def _load(name: str) -> ModuleType | None:
    if name == "numpy":
        return import_module("dice_semimetric._numpy.reductions")
    for entry in entry_points(group=GROUP, name=name):
        try:
            return cast(ModuleType, entry.load())
        except Exception as error:  # a broken adapter must not take the core down
            warnings.warn(
                f"the kernels {entry.value!r} for {name} could not be loaded and are not used: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=4,
            )
    return None


def accelerated(generic: Callable[P, R]) -> Callable[P, R]:
    """Let an adapter's function of the same name run in place of a generic reduction.

    The first argument must be an array: its library decides.
    """
    name = generic.__name__

    @functools.wraps(generic)
    def reduction(*args: P.args, **kwargs: P.kwargs) -> R:
        xp = compat.array_namespace(args[0])
        fast = getattr(kernels(library(xp)), name, None)
        if fast is not None:
            result = fast(*args, **kwargs)
            if result is not NotImplemented:
                return cast(R, result)
        return generic(*args, **kwargs)

    return reduction
