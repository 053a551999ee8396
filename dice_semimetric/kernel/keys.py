"""Which pixels serve as keys of the kernel regression."""

from typing import Literal

import numpy as np

from .._lib.devices import device
from .._lib.namespace import is_boolean, is_integer, namespace
from .._lib.native import to_host
from .._lib.options import Rng, generator, require_choice, require_integer, require_label
from .._lib.seam import whole
from .._lib.typing import Array

Sampling = Literal["balanced", "proportional"]


@whole
def sample_keys(
    label: Array,
    n_keys: int,
    *,
    rng: Rng = None,
    sampling: Sampling = "balanced",
    ignore_index: int | None = None,
) -> Array:
    """Return the flat indices of pixels drawn as keys, without replacement.

    Parameters
    ----------
    label : Array
        Integer or boolean labels of any shape, eager: the draw depends on its values. A batch is
        one pool of pixels; for keys of each image, draw image by image.
    n_keys : int
        How many keys to draw, at least 1.
    rng : None, int or numpy.random.Generator, optional
        What `numpy.random.default_rng` takes; None draws anew at each call. It draws on the host,
        so that a seed gives the same keys in every library.
    sampling : {"balanced", "proportional"}, optional
        "balanced" draws ceil(n_keys / number of classes present) from each class that is present,
        or all of its pixels where it has fewer; "proportional" draws from all pixels alike.
    ignore_index : int, optional
        The label of pixels that are never drawn.

    Returns
    -------
    Array
        Indices into the flattened ``label``, int64, in the library and on the device of
        ``label``, ordered by class for "balanced". Balanced drawing may give a few more than
        ``n_keys``, or fewer; without any pixel that counts there are none.

    Raises
    ------
    TypeError
        If ``label`` is no eager array of integers or booleans, ``n_keys`` or ``ignore_index`` no
        integer, or ``rng`` of a wrong type.
    ValueError
        If ``n_keys`` is below 1, or ``sampling`` is unknown.

    References
    ----------
    .. [1] Wang et al., "Dice Semimetric Losses", MICCAI 2023, Appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> from dice_semimetric import sample_keys
    >>> label = np.array([[0, 0, 0, 0], [0, 0, 1, 1]])
    >>> keys = sample_keys(label, 4, rng=np.random.default_rng(0))
    >>> label.reshape(-1)[keys]
    array([0, 0, 1, 1])
    """
    xp = namespace(label=label)
    n_keys, rng = require_draw(n_keys, rng, sampling)
    if not (is_integer(xp, label) or is_boolean(xp, label)):
        raise TypeError(f"label must be of an integer dtype, got {label.dtype}")
    ignore_index = require_label("ignore_index", ignore_index)
    flat = to_host(xp, label, "label").reshape(-1)
    groups = _groups(flat, sampling, ignore_index)
    quota = -(-n_keys // max(1, len(groups)))
    drawn = [
        np.sort(rng.choice(group, min(quota, group.size), replace=False, shuffle=False))
        for group in groups
    ]
    indices = np.concatenate([np.empty(0, np.int64), *drawn])
    return xp.asarray(indices.astype(np.int64), device=device(label))


def require_draw(n_keys: int, rng: Rng, sampling: Sampling) -> tuple[int, np.random.Generator]:
    """Return how many keys to draw and the generator that draws, or raise for a bad option."""
    require_choice("sampling", sampling, ("balanced", "proportional"))
    return require_integer("n_keys", n_keys, least=1), generator(rng)


def _groups(flat: np.ndarray, sampling: Sampling, ignore_index: int | None) -> list[np.ndarray]:
    """Return the positions to draw from, class by class or all at once."""
    if sampling == "balanced":
        present = [c for c in np.unique(flat) if ignore_index is None or c != ignore_index]
        return [np.flatnonzero(flat == c) for c in present]
    kept = np.ones(flat.shape, bool) if ignore_index is None else flat != ignore_index
    return [np.flatnonzero(kept)] if kept.any() else []
