"""The seam: the one place where the core meets an adapter.

A reduction of the core is a plain function, written against the array API standard and marked
``@accelerated``. Before it runs, the adapter registered for the arrays' library is asked for a
function of the same name and arguments. That function may return NotImplemented for input it is
not made for; then, and where there is no such function, the generic reduction runs on the arrays
where they are.

An adapter is a module. NumPy's is part of the core and named in ``OWN``; any other is announced by
an entry point in the group ``dice_semimetric.kernels`` whose name is the library's top-level
package and whose value is the module.
"""

import functools
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import ParamSpec, TypeVar, cast

import array_api_compat as compat

from .native import quietly
from .typing import Activation, Array, DType
from .warning import warn_caller

P = ParamSpec("P")
R = TypeVar("R")

GROUP = "dice_semimetric.kernels"
#: The adapters that are part of the core.
OWN = {"numpy": EntryPoint("numpy", "dice_semimetric._numpy.reductions", GROUP)}

# A plain dictionary, since torch.compile looks into one but calls a cached function anew.
_loaded: dict[str, ModuleType | None] = {}


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixels that a reduction sums over, and how it reads them.

    Attributes
    ----------
    pred : Array
        The prediction: probabilities, or logits if there is an ``activation``.
    target : Array
        The target, of the shape of ``pred``; or integer labels without the class axis 1.
    mask : Array or None
        Boolean, broadcast to the shape of ``pred``: the entries that count.
    axis : tuple of int
        The axes that are summed over: sorted, not negative.
    dtype : DType
        The floating dtype of the sums, at least float32.
    checked : bool
        Whether values are to be checked.
    activation : {None, "softmax", "sigmoid"}
        What makes probabilities of ``pred``, along axis 1.
    ignore_index : int or None
        The integer label of pixels that do not count.
    """

    pred: Array
    target: Array
    mask: Array | None = None
    _: KW_ONLY
    axis: tuple[int, ...]
    dtype: DType
    checked: bool = False
    activation: Activation = None
    ignore_index: int | None = None

    @property
    def labels(self) -> bool:
        """Whether the target holds integer labels, without the class axis."""
        return bool(self.target.ndim < self.pred.ndim)


def library(xp: ModuleType) -> str:
    """Return the top-level package of a namespace: "numpy", "torch", "jax", ..."""
    return xp.__name__.removeprefix("array_api_compat.").split(".")[0]


def adapter(name: str) -> ModuleType | None:
    """Return the module of fast reductions for a library, or None."""
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def _load(name: str) -> ModuleType | None:
    for entry in [OWN[name]] if name in OWN else entry_points(group=GROUP, name=name):
        try:
            return cast(ModuleType, entry.load())
        except Exception as error:  # a broken adapter must not take the core down
            warn_caller(
                f"the adapter {entry.value!r} for {name} could not be loaded and is not used: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
            )
    return None


def accelerated(generic: Callable[P, R]) -> Callable[P, R]:
    """Let an adapter's function of the same name run in place of a generic reduction.

    The first argument must be an array or `Pixels`: its library decides.
    """
    name = generic.__name__

    @functools.wraps(generic)  # outermost: __wrapped__ is the generic reduction
    @quietly
    def reduction(*args: P.args, **kwargs: P.kwargs) -> R:
        first = args[0]
        xp = compat.array_namespace(first.pred if isinstance(first, Pixels) else first)
        fast = getattr(adapter(library(xp)), name, None)
        if fast is not None:
            result = fast(*args, **kwargs)
            if result is not NotImplemented:
                return cast(R, result)
        return generic(*args, **kwargs)

    return reduction
