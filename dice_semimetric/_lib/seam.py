"""The seam: the one place where the core meets an adapter.

A reduction of the core is a plain function, written against the array API standard and marked
``@accelerated``. Before it runs, the adapters registered for the arrays' library are asked for a
function of the same name and arguments. That function may return NotImplemented for input it is
not made for; then the next one is asked. Where none takes the input, the generic reduction runs on
the arrays where they are.

An adapter is a module. NumPy's are named in ``OWN``: compiled kernels, for whoever has Numba, and
the core's own blocks. Any other is announced by an entry point in the group
``dice_semimetric.kernels`` whose name is the library's top-level package and whose value is the
module.

Kernels belong to memory, not to a library. An adapter of a library whose arrays lie in memory that
another library can read, as those of PyTorch on a host, lends them: ``lend(array)`` returns the
other library's array without a copy, or NotImplemented, and the adapters of that library are asked
first. ``give_back(result, array)`` makes an array of its own of a result, where the array lies. All
of that is done within the context ``lending(array)`` of the first array, which is NotImplemented
if that one is not lent. Where no adapter takes arrays that NumPy can read, the generic
reduction runs on NumPy's: each of its operations takes a fraction of what another library's does.

Where already one operation of a library takes as long as a sum over a small image, or of a class of
its arrays, its adapter lends once a call: ``run(function, args, kwargs)`` returns what a public
function marked ``@whole`` returns, or NotImplemented.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, cast

import array_api_compat as compat
import numpy as np

from .dtypes import PLAIN
from .native import quietly
from .typing import Activation, Array, DType
from .warning import warn_caller

P = ParamSpec("P")
R = TypeVar("R")

GROUP = "dice_semimetric.kernels"
#: NumPy's adapters, which no entry point announces: to look for one takes longer than a sum.
OWN = {"numpy": ("dice_semimetric_numba.kernels", "dice_semimetric._numpy.reductions")}

# A plain dictionary, since torch.compile looks into one but calls a cached function anew.
_loaded: dict[str, tuple[ModuleType, ...]] = {}


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

    @property
    def regional(self) -> bool:
        """Whether all classes of a pixel are needed at once."""
        return self.labels or self.activation == "softmax"


def library(xp: ModuleType) -> str:
    """Return the top-level package of a namespace: "numpy", "torch", "jax", ..."""
    return xp.__name__.removeprefix("array_api_compat.").split(".")[0]


def adapters(name: str) -> tuple[ModuleType, ...]:
    """Return the modules of fast reductions for a library, the one to be asked first in front."""
    if name not in _loaded:
        _loaded[name] = tuple(_load(name))
    return _loaded[name]


def _load(name: str) -> Iterator[ModuleType]:
    own = (EntryPoint(name, module, GROUP) for module in OWN.get(name, ()))
    for entry in own if name in OWN else entry_points(group=GROUP, name=name):
        try:
            yield entry.load()
        except Exception as error:  # a broken adapter must not take the core down
            warn_caller(
                f"the adapter {entry.value!r} for {name} could not be loaded and is not used: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
            )


def accelerated(generic: Callable[P, R]) -> Callable[P, R]:
    """Let an adapter's function of the same name run in place of a generic reduction.

    The first argument must be an array or `Pixels`: its library decides.
    """
    name = generic.__name__

    @functools.wraps(generic)  # outermost: __wrapped__ is the generic reduction
    @quietly
    def reduction(*args: P.args, **kwargs: P.kwargs) -> R:
        modules = adapters(_library(args))
        found = _accelerated(name, modules, args, kwargs)
        for module in modules:
            if found is NotImplemented and hasattr(module, "lend"):
                found = _borrowed(functools.partial(_by_numpy, generic), module, args, kwargs)
        return generic(*args, **kwargs) if found is NotImplemented else cast(R, found)

    return reduction


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """Let an adapter run a public function whole, its checks and formulas too, on what it lends."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        module = _runner(args, kwargs)
        found = NotImplemented if module is None else module.run(function, args, kwargs)
        return function(*args, **kwargs) if found is NotImplemented else cast(R, found)

    return call


def _runner(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the adapter that runs functions of the first array, or statistic of arrays."""
    for value in (*args, *kwargs.values()):
        first = getattr(value, value._sums[0]) if hasattr(value, "_sums") else value
        if isinstance(first, np.ndarray):
            return None
        if compat.is_array_api_obj(first):
            return next((m for m in adapters(_library((first,))) if hasattr(m, "run")), None)
    return None


def _accelerated(
    name: str, modules: tuple[ModuleType, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return what the first adapter that takes the arguments returns, or NotImplemented."""
    for module in modules:
        if hasattr(module, "lend"):
            result = _borrowed(functools.partial(_by_adapters, name), module, args, kwargs)
            if result is not NotImplemented:
                return result
        fast = getattr(module, name, None)
        result = NotImplemented if fast is None else fast(*args, **kwargs)
        if result is not NotImplemented:
            return result
    return NotImplemented


def _by_adapters(name: str, *args: Any, **kwargs: Any) -> Any:
    """Return what the adapters of the arrays' library return."""
    return _accelerated(name, adapters(_library(args)), args, kwargs)


def _by_numpy(generic: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the generic reduction of NumPy's arrays, or NotImplemented for any other."""
    arrays = [a for value in (*args, *kwargs.values()) for a in _arrays(value).values()]
    plain = all(isinstance(a, np.ndarray) and a.dtype.num in PLAIN for a in arrays)
    return generic(*args, **kwargs) if plain else NotImplemented


def _borrowed(
    function: Callable[..., Any], lender: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Return what a function returns for the arrays as those of the library they are lent to."""
    first = _first(args)
    context = lender.lending(first)  # entered once: of a GPU it takes as long as a launch
    if context is NotImplemented:
        return NotImplemented
    with context:
        lent = [_lent(lender, value) for value in (*args, *kwargs.values())]
        if any(value is NotImplemented for value in lent):
            return NotImplemented
        args, values = tuple(lent[: len(args)]), lent[len(args) :]
        found = function(*args, **dict(zip(kwargs, values, strict=True)))
        if isinstance(found, tuple):
            return tuple(lender.give_back(array, first) for array in found)
        return found if found is NotImplemented else lender.give_back(found, first)


def _lent(lender: Any, value: Any) -> Any:
    """Return an argument as the other library's, or NotImplemented where that took a copy."""
    lent = {n: lender.lend(array) for n, array in _arrays(value).items()}
    if any(array is NotImplemented for array in lent.values()):
        return NotImplemented
    if not isinstance(value, Pixels):
        return lent.get("", value)
    dtype = str(getattr(value.dtype, "dtype", value.dtype)).rpartition(".")[2]
    return replace(value, **lent, dtype=getattr(compat.array_namespace(lent["pred"]), dtype))


def _arrays(value: Any) -> dict[str, Array]:
    """Return the arrays of `Pixels` by their names, or an argument that is one."""
    if isinstance(value, Pixels):
        given = {n: getattr(value, n) for n in ("pred", "target", "mask")}
        return {n: array for n, array in given.items() if array is not None}
    if value is None or isinstance(value, int | float | str):  # torch.compile looks no further
        return {}
    return {"": value} if compat.is_array_api_obj(value) else {}


def _library(args: tuple[Any, ...]) -> str:
    """Return the library of the first argument."""
    return library(compat.array_namespace(_first(args)))


def _first(args: tuple[Any, ...]) -> Array:
    first = args[0]
    return first.pred if isinstance(first, Pixels) else first
