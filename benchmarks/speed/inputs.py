"""The kinds of input that the functions of arrays are timed on."""

from typing import NamedTuple

import numpy as np

from .comparison import Input


class Sizes(NamedTuple):
    """The sides of the arrays, and how many pixels and keys a kernel regression has."""

    tiny: int
    image: int
    volume: int
    large: int
    pixels: int
    keys: int


FULL = Sizes(tiny=8, image=256, volume=128, large=256, pixels=512 * 512, keys=500)
QUICK = Sizes(tiny=4, image=16, volume=12, large=16, pixels=256, keys=20)


_NO_MONAI = frozenset({"MONAI"})


def generator() -> np.random.Generator:
    """Return the generator that every input starts with."""
    return np.random.default_rng(0)


def pair(*shape: int, dtype: str = "float32") -> tuple[np.ndarray, ...]:
    """Return probabilities and soft labels in quarters."""
    rng = generator()
    x = rng.random(shape, np.float32)
    return x.astype(dtype, copy=False), (np.round(rng.random(shape) * 4) / 4).astype(dtype)


def confidences(*shape: int, dtype: str = "float32") -> tuple[np.ndarray, ...]:
    """Return probabilities and whether the foreground is there."""
    rng = generator()
    x = rng.random(shape, np.float32)
    return x.astype(dtype, copy=False), rng.random(shape) < x**1.5


def classes(*shape: int) -> tuple[np.ndarray, ...]:
    """Return probabilities (B, C, *spatial) and labels (B, *spatial)."""
    rng = generator()
    prob = rng.random(shape, np.float32) ** 3 + 1e-3
    prob /= prob.sum(axis=1, keepdims=True)
    return prob, rng.integers(0, shape[1], (shape[0], *shape[2:]))


def logits(*shape: int) -> tuple[np.ndarray, ...]:
    """Return logits that are twice too large, and labels drawn from what they should be."""
    rng = generator()
    z = 2 * rng.normal(size=shape).astype(np.float32)
    return z, (z / 2 + rng.gumbel(size=shape)).argmax(1)


def marks(raters: int, *shape: int, dtype: str = "int64", top: int = 2) -> tuple[np.ndarray, ...]:
    """Return the labels of raters who agree on most pixels."""
    rng = generator()
    truth = rng.random(shape) < 0.3
    label = truth * rng.integers(1, top, shape)
    wrong = rng.random((raters, *shape)) < 0.1
    return (np.where(wrong, (label + 1) % top, label).astype(dtype),)


def cube(side: int) -> tuple[int, int, int]:
    """Return the shape of a volume."""
    return (side, side, side)


def named(side: int, dimensions: int = 3) -> str:
    """Return how a square or a cube is written."""
    return f"{side}^{dimensions}"


def pair_inputs(sizes: Sizes) -> list[Input]:
    """Return what every function of two maps is timed on."""
    return [
        Input(f"tiny {named(sizes.tiny, 2)}", lambda: pair(sizes.tiny, sizes.tiny)),
        Input(named(sizes.volume), lambda: pair(*cube(sizes.volume))),
    ]


def more_pair_inputs(sizes: Sizes) -> list[Input]:
    """Return the other kinds of two maps: sizes, dtypes, and strides."""
    side = sizes.volume
    shape = cube(side)

    def apart() -> tuple[np.ndarray, ...]:
        return tuple(a[:, ::2] for a in pair(side, 2 * side, side))

    def mask_as_target() -> tuple[np.ndarray, ...]:
        x, y = confidences(*shape)
        return x, y.astype(np.uint8)

    return [
        Input(named(sizes.image, 2), lambda: pair(sizes.image, sizes.image)),
        Input(f"{named(side)} float16", lambda: pair(*shape, dtype="float16"), _NO_MONAI),
        Input(f"{named(side)} float64", lambda: pair(*shape, dtype="float64")),
        Input(f"{named(side)} bool target", lambda: confidences(*shape), _NO_MONAI),
        Input(f"{named(side)} uint8 target", mask_as_target, _NO_MONAI),
        Input(
            f"{named(side)} Fortran order",
            lambda: tuple(np.asfortranarray(a) for a in pair(*shape)),
        ),
        Input(f"{named(side)} every second row", apart),
    ]
