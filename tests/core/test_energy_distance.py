"""The generalized energy distance beside loops over pairs of masks."""

import numpy as np
import pytest
from backends import NUMBERS, available

from dice_semimetric import dice_score as dice
from dice_semimetric import generalized_energy_distance, jml1, value_checks
from dice_semimetric import jaccard_score as jaccard
from dice_semimetric._lib.blocks import BLOCK

RNG = np.random.default_rng(3)
SAMPLES, RATERS = RNG.random((6, 7, 8)) < 0.4, RNG.random((4, 7, 8)) < 0.5
SOFT, SOFT_RATERS = RNG.random((6, 7, 8)), RNG.random((4, 7, 8))
MAPS, RATER_MAPS = RNG.integers(0, 3, (6, 7, 8)), RNG.integers(0, 3, (4, 7, 8))
DISTANCES = {"jaccard": lambda x, y: 1 - jaccard(x, y), "dice": lambda x, y: 1 - dice(x, y)}


def loop(samples, raters, d, unbiased=False):
    """Return the squared distance and its parts, pair by pair in float64."""
    samples, raters = (np.asarray(a, float) for a in (samples, raters))
    cross = np.array([[d(s, y) for y in raters] for s in samples])

    def inner(masks):
        pairs = [d(a, b) for i, a in enumerate(masks) for j, b in enumerate(masks) if i != j]
        number = len(masks)
        return sum(pairs) / (number * (number - unbiased))

    parts = cross.mean(), inner(samples), inner(raters)
    return 2 * parts[0] - parts[1] - parts[2], (*parts, cross.min(axis=0))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("soft", ["none", "samples", "raters", "both"])
def test_it_is_the_loop(distance, unbiased, soft) -> None:
    samples = SOFT if soft in ("samples", "both") else SAMPLES
    raters = SOFT_RATERS if soft in ("raters", "both") else RATERS
    options = {"distance": distance, "unbiased": unbiased}
    found, parts = generalized_energy_distance(samples, raters, return_parts=True, **options)
    wanted, wanted_parts = loop(samples, raters, DISTANCES[distance], unbiased)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    for one, other in zip(parts, wanted_parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert generalized_energy_distance(samples, raters, **options) == found


def test_label_maps() -> None:
    def of(classes):
        def d(x, y):
            return np.mean([1 - jaccard(x == c, y == c) for c in classes])

        return loop(MAPS, RATER_MAPS, d)[0]

    for dtype in ("uint8", "int64"):
        given = MAPS.astype(dtype), RATER_MAPS.astype("int32")
        found = generalized_energy_distance(*given, num_classes=3)
        np.testing.assert_allclose(found, of([0, 1, 2]), rtol=1e-6)
        found = generalized_energy_distance(*given, num_classes=3, classes=(2, 1))
        np.testing.assert_allclose(found, of([1, 2]), rtol=1e-6)
    ones = MAPS == 1, RATER_MAPS == 1
    found = generalized_energy_distance(*(o.astype(int) for o in ones), num_classes=1)
    np.testing.assert_allclose(found, generalized_energy_distance(*ones))


def test_batches_masks_and_nan() -> None:
    mask = RNG.random((2, 8)) < 0.6
    samples, raters = SOFT[:, :2], SOFT_RATERS[:, :2]
    batch = samples.swapaxes(0, 1), raters.swapaxes(0, 1)
    wanted = [
        loop(s[:, m], y[:, m], DISTANCES["jaccard"]) for s, y, m in zip(*batch, mask, strict=True)
    ]
    holed = (np.where(mask[:, None], a, np.nan) for a in batch)
    found, parts = generalized_energy_distance(*holed, batch_axes=1, mask=mask, return_parts=True)
    np.testing.assert_allclose(found, [w[0] for w in wanted], rtol=1e-10)
    np.testing.assert_allclose(parts.best_match, [w[1][3] for w in wanted], rtol=1e-10)
    assert parts.best_match.shape == (2, 4)
    assert parts.diversity.shape == (2,)


def test_two_empty_masks_are_at_no_distance() -> None:
    none, some = np.zeros((2, 9), bool), np.ones((2, 9), bool)
    assert generalized_energy_distance(none, none) == 0
    assert generalized_energy_distance(none, some) == 2
    assert generalized_energy_distance(none[:, :0], some[:, :0]) == 0
    mixed = np.concatenate([none[:1], some[:1]])
    assert generalized_energy_distance(mixed, none) == loop(mixed, none, jml1)[0]


@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_distributions_are_at_no_distance_and_no_others_below_it(distance) -> None:
    twice = np.concatenate([RATERS, RATERS])
    same = generalized_energy_distance(twice, RATERS, distance=distance)
    np.testing.assert_allclose(same, 0, atol=1e-6)
    for _ in range(30):
        shape = (RNG.integers(1, 4), 3)
        samples, raters = (RNG.random(shape) < 0.5 for _ in range(2))
        assert generalized_energy_distance(samples, raters, distance=distance) > -1e-6
    one = generalized_energy_distance(RATERS[:1], RATERS[1:2], distance=distance)
    np.testing.assert_allclose(one, 2 * DISTANCES[distance](RATERS[0], RATERS[1]), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float32", "float64"])
def test_dtypes_strides_and_blocks(dtype) -> None:
    samples, raters = (RNG.random((n, 2 * BLOCK)) < 0.3 for n in (3, 2))
    wanted = loop(samples, raters, DISTANCES["jaccard"])[0]
    samples, raters = (a.astype(dtype).T.copy().T[:, ::-1] for a in (samples, raters))
    samples.flags.writeable = raters.flags.writeable = False
    found = generalized_energy_distance(samples, raters)
    assert found.dtype == ("float32" if dtype in ("float16", "float32") else "float64")
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"samples and raters must have shapes \(S, \*spatial\)"):
        generalized_energy_distance(SAMPLES, RATERS[:, :3])
    with pytest.raises(ValueError, match="raters must hold at least 1 along axis 0"):
        generalized_energy_distance(SAMPLES, RATERS[:0])
    with pytest.raises(ValueError, match="samples must hold at least 2 along axis 0"):
        generalized_energy_distance(SAMPLES[:1], RATERS, unbiased=True)
    with pytest.raises(ValueError, match=r"samples must lie in \[0, 1\]"):
        generalized_energy_distance(MAPS, RATER_MAPS)
    with pytest.raises(ValueError, match=r"raters must hold labels from 0 to 1"):
        generalized_energy_distance(MAPS % 2, RATER_MAPS, num_classes=2)
    with pytest.raises(TypeError, match="samples must be of an integer dtype"):
        generalized_energy_distance(SOFT, RATER_MAPS, num_classes=3)
    with pytest.raises(ValueError, match="classes is for label maps"):
        generalized_energy_distance(SAMPLES, RATERS, classes=(1,))
    with pytest.raises(ValueError, match="classes must be one of 'all'"):
        generalized_energy_distance(MAPS, RATER_MAPS, num_classes=3, classes="present")
    with pytest.raises(ValueError, match=r"raters must lie in \[0, 1\], got NaN"):
        generalized_energy_distance(SAMPLES, np.full(RATERS.shape, np.nan))
    with value_checks("never"):
        generalized_energy_distance(SOFT + 1, RATERS)


@pytest.mark.parametrize("library", NUMBERS)
def test_every_library(library) -> None:
    backend = available(library)
    for arrays, options in (
        ((SAMPLES, RATERS), {"return_parts": True}),
        ((SAMPLES, SOFT_RATERS.astype("float32")), {"distance": "dice"}),
        ((SOFT.astype("float32"), RATERS), {"unbiased": True, "mask": SAMPLES[0]}),
        ((MAPS, RATER_MAPS), {"num_classes": 3, "classes": (1, 2)}),
    ):
        found = backend.run(generalized_energy_distance, *arrays, **options)
        wanted = generalized_energy_distance(*arrays, **options)
        if not isinstance(found, tuple):
            found, wanted = (found, ()), (wanted, ())
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-4, atol=1e-6)
        for one, other in zip(found[1], wanted[1], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_gradients_in_torch() -> None:
    torch = pytest.importorskip("torch")
    samples = torch.tensor(SOFT[:2, :2], requires_grad=True)
    for raters in (torch.tensor(RATERS[:2, :2]), torch.tensor(SOFT_RATERS[:2, :2])):
        assert torch.autograd.gradcheck(
            lambda s, y=raters: generalized_energy_distance(s, y), samples
        )
