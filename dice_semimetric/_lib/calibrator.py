"""What calibrators share: options as scikit-learn reads them, and files that keep them."""

import inspect
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from . import calibrator_file
from .fitting import require_fitted
from .typing import Array


class Calibrator:
    """A calibrator with the habits of scikit-learn's estimators, without need of scikit-learn.

    Attributes
    ----------
    n_classes_ : int
        The number of classes, after ``fit``.
    """

    #: The arrays of a file and their axes: of "classes" there are n_classes_.
    _AXES: ClassVar[dict[str, tuple[str, ...]]] = {}
    #: Those of its arrays that are above 0.
    _POSITIVE: ClassVar = frozenset({"temperature", "scale", "bandwidth"})

    n_classes_: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options of the constructor.

        Parameters
        ----------
        deep : bool, optional
            Has no influence: no option is a calibrator itself.

        Returns
        -------
        dict
            The options by name, as they were given.
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change options of the constructor; what was fitted stays until the next ``fit``.

        Parameters
        ----------
        **params : Any
            The options by name.

        Returns
        -------
        Calibrator
            Itself.

        Raises
        ------
        ValueError
            If an option is unknown or out of its range.
        """
        known = self.get_params()
        for name in params:
            if name not in known:
                has = f"its parameters are {', '.join(known)}" if known else "it has none"
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; {has}")
        vars(self).update(vars(type(self)(**known | params)))
        return self

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted calibrator to a file, from which ``load`` makes an equal one.

        The file holds numbers and text, never a pickle. It appears as a whole, and takes the place
        of one that is there.

        Parameters
        ----------
        path : str or os.PathLike
            Ends with ``.npz``, or with ``.safetensors`` where that package is installed.

        Raises
        ------
        RuntimeError
            If ``fit`` was not called.
        ValueError
            If the path ends otherwise.
        ImportError
            If safetensors is not installed.
        """
        calibrator_file.write(Path(path), self._header(), self._arrays())

    def _packed(self, **notes: Any) -> bytes:
        """Return the content of a file .npz, with notes in its header that ``load`` passes over."""
        return calibrator_file.packed(self._header() | notes, self._arrays())

    def _header(self) -> calibrator_file.Header:
        require_fitted(self, "n_classes_")
        options = {name: _plain(value) for name, value in self.get_params().items()}
        return {"class": type(self).__name__, "n_classes": self.n_classes_, "params": options}

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Return the calibrator that ``save`` wrote to a file.

        Parameters
        ----------
        path : str or os.PathLike
            Ends with ``.npz`` or ``.safetensors``.

        Returns
        -------
        Calibrator
            It predicts the same, bit for bit, on arrays of any library and device. A generator that
            was given as ``rng`` is not kept: that option is None then.

        Raises
        ------
        ValueError
            If the file holds anything but a calibrator of this class.
        ImportError
            If safetensors is needed and not installed.
        """
        path = Path(path)
        header, arrays = calibrator_file.read(path)
        if header.get("class") != cls.__name__:
            other = header.get("class")
            raise ValueError(
                f"{path} holds a {other}, not a {cls.__name__}; write {other}.load({str(path)!r})"
            )
        try:
            calibrator = cls(**header["params"])
            calibrator.n_classes_ = int(header["n_classes"])
            calibrator._require_arrays(arrays)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} holds a damaged {cls.__name__}: {error}") from error
        calibrator._restore(arrays)
        return calibrator

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return what ``fit`` learned, as arrays of NumPy."""
        raise NotImplementedError

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take over what another calibrator learned."""
        raise NotImplementedError

    def _require_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Raise ValueError unless these are the arrays of such a calibrator."""
        if set(arrays) != set(self._AXES):
            raise ValueError(f"it must have {', '.join(self._AXES)}, got {', '.join(arrays)}")
        length = {"classes": self.n_classes_}
        for name, axes in self._AXES.items():
            array = arrays[name]
            fits = array.ndim == len(axes) and array.dtype.kind == "f" and array.size > 0
            if not fits or any(
                length.setdefault(axis, n) != n for axis, n in zip(axes, array.shape, strict=True)
            ):
                raise ValueError(f"{name} has shape {array.shape} and dtype {array.dtype}")
            if not np.isfinite(array).all() or (name in self._POSITIVE and not (array > 0).all()):
                raise ValueError(
                    f"{name} must be finite{' and above 0' * (name in self._POSITIVE)}"
                )

    def _require_classes(self, name: str, array: Array) -> None:
        if array.shape[1] != self.n_classes_:
            raise ValueError(
                f"{name} must have {self.n_classes_} classes along axis 1 as in fit, "
                f"got {array.shape[1]}: shape {tuple(array.shape)}"
            )

    def __repr__(self) -> str:
        """Return the call that makes it, with the options that are not the defaults."""
        defaults = inspect.signature(type(self)).parameters
        given = (
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        )
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether scikit-learn may take it as fitted."""
        return hasattr(self, "n_classes_")

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn, which is imported where this is called, asks of estimators."""
        utils = import_module("sklearn.utils")
        return utils.Tags(estimator_type=None, target_tags=utils.TargetTags(required=True))


def _plain(value: Any) -> Any:
    """Return an option as JSON has it; a generator of random numbers is left out."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str) else None
