"""STAPLE of several classes, and of raters who are missing: Warfield's equations and SimpleITK."""

import numpy as np
import pytest
import reference
from backends import Backend

from dice_semimetric import majority_vote, staple, value_checks


def opinions(rng: np.random.Generator, number: int, classes: int, shape: tuple[int, ...]):
    """Return label maps of raters that confuse classes at rates of their own."""
    truth = rng.choice(classes, size=shape, p=rng.dirichlet(np.full(classes, 3.0)))
    maps = []
    for _ in range(number):
        wrong = rng.uniform(0.02, 0.25, (classes, 1))
        rows = (1 - wrong) * np.eye(classes) + wrong * rng.dirichlet(np.ones(classes), classes)
        drawn = rng.random(shape)[..., None] > np.cumsum(rows, axis=1)[truth]
        maps.append(np.minimum(drawn.sum(axis=-1), classes - 1))
    return np.stack(maps)


def matrices_of(filter_, number: int, classes: int) -> np.ndarray:
    """Return SimpleITK's confusion matrices with the true class in front."""
    found = [
        np.reshape(filter_.GetConfusionMatrix(k), (classes + 1, classes)) for k in range(number)
    ]
    return np.stack(found)[:, :classes].transpose(0, 2, 1)


def of_simpleitk(maps: np.ndarray, **settings) -> tuple[np.ndarray, np.ndarray]:
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is the independent library here")
    theirs = sitk.MultiLabelSTAPLEImageFilter()
    theirs.SetTerminationUpdateThreshold(settings.get("tol", 1e-9))
    theirs.SetMaximumNumberOfIterations(settings.get("max_iter", 5000))
    label = theirs.Execute([sitk.GetImageFromArray(m.astype(np.uint8)) for m in maps])
    classes = int(maps.max()) + 1
    return sitk.GetArrayFromImage(label), matrices_of(theirs, len(maps), classes)


@pytest.mark.parametrize(
    ("number", "classes", "shape", "missing"),
    [
        (3, 3, (2, 12, 10), "nobody"),
        (3, 3, (2, 12, 10), "images"),
        (3, 3, (2, 12, 10), "a rater"),
        (4, 5, (1, 7, 6, 3), "pixels"),
        (3, 4, (1, 2, 2), "nobody"),
        (14, 3, (2, 40), "images"),
    ],
)
def test_it_is_warfields(
    backend: Backend, rng: np.random.Generator, number, classes, shape, missing: str
) -> None:
    maps = opinions(rng, number, classes, shape)
    images = number, shape[0]
    there = {
        "nobody": None,
        "images": (rng.random(images) < 0.6) | (np.arange(number)[:, None] == 0),
        "pixels": rng.random(maps.shape) < 0.7,
        "a rater": np.arange(number) != 1,
    }[missing]
    every = np.ones(maps.shape, bool) if there is None else there
    every = every.reshape(*every.shape, *(1,) * (maps.ndim - every.ndim))
    expected, matrices = reference.staple_of_classes(maps, every, classes, 6)
    holes = maps if there is None else np.where(every, maps, 99)  # what is there is not read
    options = {"num_classes": classes, "max_iter": 6, "tol": 0, "return_performance": True}
    if there is None:
        soft, found = backend.run(staple, holes, **options)
    else:
        soft, found = backend.run(lambda m, p: staple(m, present=p, **options), holes, there)
    np.testing.assert_allclose(soft, np.moveaxis(expected, 0, 1), rtol=2e-4, atol=1e-6)
    np.testing.assert_allclose(found, matrices, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("start", ["performance", "mean", "majority"])
@pytest.mark.parametrize(
    ("number", "classes", "shape"),
    [(3, 3, (40, 30)), (5, 4, (20, 20, 10)), (4, 6, (80, 80)), (20, 4, (50, 50)), (40, 5, (9, 9))],
)
def test_it_agrees_with_simpleitk(
    rng: np.random.Generator, number: int, classes: int, shape, start: str
) -> None:
    """From any start, by a table of joint decisions and by those of many raters that occur."""
    maps = opinions(rng, number, classes, shape).astype(np.uint8)
    label, matrices = of_simpleitk(maps)
    options = {"axis": 0, "start": start, "tol": 1e-9, "max_iter": 5000}
    soft, found = staple(maps, num_classes=classes, return_performance=True, **options)
    np.testing.assert_array_equal(soft.argmax(axis=0), label)
    np.testing.assert_allclose(found, matrices, atol=1e-7)


def test_one_step_from_the_majority_is_that_of_itk(rng: np.random.Generator) -> None:
    maps = opinions(rng, 3, 3, (50, 40))
    maps[2] = np.where(maps[0] != maps[1], maps[0], maps[2])  # no ties, which ITK miscounts
    _, matrices = of_simpleitk(maps, max_iter=1)
    options = {"start": "majority", "max_iter": 1, "tol": 0, "return_performance": True}
    _, found = staple(maps, num_classes=3, axis=0, **options)
    np.testing.assert_allclose(found, matrices, atol=1e-12)


def test_masks_from_the_majority_end_where_they_should(rng: np.random.Generator) -> None:
    maps = opinions(rng, 5, 2, (60, 50))
    label, matrices = of_simpleitk(maps)
    soft, *rates = staple(maps, start="majority", tol=1e-9, return_performance=True)
    np.testing.assert_array_equal(soft > 0.5, label)
    np.testing.assert_allclose(rates, [matrices[:, 1, 1], matrices[:, 0, 0]], atol=1e-7)


def test_two_classes_are_a_mask_and_its_complement(
    backend: Backend, rng: np.random.Generator
) -> None:
    masks = opinions(rng, 4, 2, (3, 8, 9))
    soft, sensitivity, specificity = backend.run(staple, masks, return_performance=True)
    both, matrices = backend.run(staple, masks, num_classes=2, return_performance=True)
    one, of_one = backend.run(staple, masks, num_classes=1, return_performance=True)
    np.testing.assert_allclose(both, np.stack([1 - soft, soft], axis=1), atol=1e-6)
    np.testing.assert_array_equal(one, soft[:, None])
    np.testing.assert_array_equal(of_one, matrices)
    np.testing.assert_array_equal(matrices[:, 1, 1], sensitivity)
    np.testing.assert_array_equal(matrices[:, 0, 0], specificity)
    np.testing.assert_allclose(matrices.sum(axis=2), 1, rtol=1e-6)


def test_raters_who_are_missing_everywhere_change_nothing(
    backend: Backend, rng: np.random.Generator
) -> None:
    maps = opinions(rng, 3, 3, (2, 30))
    more = np.concatenate([maps, maps[::-1]])
    there = np.arange(6) < 3
    options = {"num_classes": 3, "return_performance": True}
    expected, few = backend.run(staple, maps, **options)
    soft, matrices = backend.run(lambda m, p: staple(m, present=p, **options), more, there)
    np.testing.assert_allclose(soft, expected, atol=1e-5)
    np.testing.assert_allclose(matrices[:3], few, atol=1e-5)
    np.testing.assert_array_equal(matrices[3:], np.tile(np.eye(3), (3, 1, 1)))


def test_a_pixel_that_nobody_saw_has_the_prior(backend: Backend, rng: np.random.Generator) -> None:
    maps = opinions(rng, 3, 3, (1, 60))
    there = np.arange(60) >= 7
    options = {"num_classes": 3, "axis": 0}
    expected = backend.run(staple, maps[:, 0, 7:], **options)
    soft = backend.run(lambda m, p: staple(m, present=p, **options), maps, there[None, None])
    np.testing.assert_allclose(soft[:, 0, 7:], expected, atol=1e-5)
    share = np.bincount(maps[:, 0, 7:].ravel(), minlength=3) / maps[:, 0, 7:].size
    np.testing.assert_allclose(soft[:, 0, :7], np.tile(share[:, None], 7), rtol=1e-5)


@pytest.mark.parametrize(
    ("per", "rater_axis"),
    [("rater", 0), ("rater", -1), ("image", 0), ("image", 1), ("image", -1), ("pixel", 1)],
)
def test_where_raters_are_present_lies_as_they_do(
    backend: Backend, rng: np.random.Generator, rater_axis: int, per: str
) -> None:
    masks = opinions(rng, 4, 2, (3, 5, 6)).astype(bool)
    shape = {"rater": (4,), "image": (4, 3), "pixel": (4, 3, 5, 6)}[per]
    there = rng.random(shape) < 0.6
    there[0] = True
    expected = backend.run(lambda m, p: staple(m, present=p), masks, there)
    if per == "image" and rater_axis == -1:
        there = there.reshape(4, 3, 1, 1)
    placed = there if there.ndim == 1 else np.moveaxis(there, 0, rater_axis)
    moved = np.ascontiguousarray(np.moveaxis(masks, 0, rater_axis))
    found = backend.run(lambda m, p: staple(m, present=p, rater_axis=rater_axis), moved, placed)
    np.testing.assert_array_equal(found, expected)


def test_nobody_is_there_at_all(backend: Backend) -> None:
    masks, there = np.ones((2, 3), bool), np.zeros(2, bool)
    soft, *rates = backend.run(
        lambda m, p: staple(m, present=p, return_performance=True), masks, there
    )
    np.testing.assert_array_equal(soft, 0)
    np.testing.assert_array_equal(rates, 1)
    maps = masks.astype(int)
    soft = backend.run(lambda m, p: staple(m, present=p, num_classes=3, axis=0), maps, there)
    np.testing.assert_array_equal(soft, [[1] * 3, [0] * 3, [0] * 3])


def test_a_class_that_nobody_marked(backend: Backend, rng: np.random.Generator) -> None:
    maps = opinions(rng, 3, 3, (40,))
    maps = np.where(maps == 1, 3, maps)
    for prior in (None, (0.25, 0.25, 0.25, 0.25)):
        options = {"num_classes": 4, "axis": 0, "prior": prior, "return_performance": True}
        soft, matrices = backend.run(staple, maps, **options)
        np.testing.assert_array_equal(soft[1], 0)
        np.testing.assert_allclose(soft.sum(axis=0), 1, rtol=1e-6)
        np.testing.assert_array_equal(matrices[:, 1], [[0, 1, 0, 0]] * 3)


def test_all_agree(backend: Backend, rng: np.random.Generator) -> None:
    one = rng.integers(0, 4, (2, 30))
    soft, matrices = backend.run(
        staple, np.stack([one] * 3), num_classes=4, return_performance=True
    )
    np.testing.assert_allclose(soft, np.eye(4)[one].transpose(0, 2, 1), atol=1e-6)
    np.testing.assert_allclose(matrices, np.tile(np.eye(4), (3, 1, 1)), atol=1e-6)
    alone = backend.run(staple, one[None], num_classes=4)
    np.testing.assert_array_equal(alone.argmax(axis=1), one)


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
@pytest.mark.parametrize("number", [1, 3])
def test_no_pixels(backend: Backend, shape: tuple[int, ...], number: int) -> None:
    maps = np.ones((number, *shape), np.int32)
    soft, matrices = backend.run(staple, maps, num_classes=3, axis=0, return_performance=True)
    assert soft.shape == (3, *shape)
    np.testing.assert_array_equal(matrices, np.tile(np.eye(3), (number, 1, 1)))


def test_one_pixel_and_ties(backend: Backend) -> None:
    soft = backend.run(staple, np.array([[0], [1], [2]]), num_classes=3, axis=0)
    np.testing.assert_allclose(soft, 1 / 3, rtol=1e-6)
    soft = backend.run(staple, np.array([[0], [1], [2], [2]]), num_classes=3, axis=0)
    np.testing.assert_array_equal(soft.argmax(axis=0), 2)


@pytest.mark.parametrize("kind", ["int8", "uint8", "uint16", "int64"])
def test_any_dtype(backend: Backend, rng: np.random.Generator, kind: str) -> None:
    maps, there = opinions(rng, 3, 3, (2, 40)), rng.random((3, 2)) < 0.7
    expected = staple(maps, num_classes=3, present=there)
    found = backend.run(lambda m, p: staple(m, present=p, num_classes=3), maps.astype(kind), there)
    np.testing.assert_allclose(found, expected, **reference.tolerance(str(found.dtype)))


def test_strided_read_only_and_swapped(rng: np.random.Generator) -> None:
    maps, there = opinions(rng, 3, 4, (30, 40)), rng.random((3, 30, 1)) < 0.7
    expected = staple(maps, num_classes=4, axis=0, present=there)
    wide = np.zeros((3, 60, 80), ">i4")[:, ::-2, ::2]
    wide[:] = maps
    wide.flags.writeable = False
    found = staple(wide, num_classes=4, axis=0, present=np.asfortranarray(there))
    np.testing.assert_array_equal(found, expected)


def test_a_better_rater_is_weighed_higher(rng: np.random.Generator) -> None:
    truth = rng.integers(0, 3, 20_000)
    correct = np.array([0.95, 0.6, 0.6, 0.6, 0.6])
    wrong = (truth + rng.integers(1, 3, (5, 20_000))) % 3
    maps = np.where(rng.random((5, 20_000)) < correct[:, None], truth, wrong)
    soft, matrices = staple(maps, num_classes=3, axis=0, return_performance=True)
    np.testing.assert_allclose(matrices.diagonal(axis1=1, axis2=2).mean(axis=1), correct, atol=0.03)
    voted = majority_vote(maps, num_classes=3)
    assert np.mean(soft.argmax(axis=0) == truth) > np.mean(voted == truth) + 0.03


def test_a_rater_who_does_not_mark_a_class_is_learned(rng: np.random.Generator) -> None:
    """Such a rater says background there, and that is held against no one."""
    maps = opinions(rng, 4, 3, (5000,))
    expected = staple(maps[:3], num_classes=3, axis=0)
    maps[3][maps[3] == 2] = 0
    soft, matrices = staple(maps, num_classes=3, axis=0, return_performance=True)
    assert matrices[3, 2, 0] > 0.8
    assert matrices[3, 2, 2] == 0
    assert np.mean(soft.argmax(axis=0) == expected.argmax(axis=0)) > 0.95


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_classes": 3, "prior": 0.5}, ValueError, "prior must hold one probability for each"),
        (
            {"num_classes": 3, "prior": [0.5, 0.5]},
            ValueError,
            "prior must hold one.*got 2 of sum 1",
        ),
        ({"num_classes": 3, "prior": [0.5, 0.5, 0.5]}, ValueError, "prior must hold.*of sum 1.5"),
        ({"num_classes": 3, "prior": [1.0, 0.0, 0.0]}, ValueError, "prior must be above 0, got 0"),
        ({"prior": [0.5, 0.5]}, TypeError, "prior must be a number, got"),
        ({"axis": 1}, ValueError, "axis=1 is where the classes of the result are to lie"),
        ({"num_classes": 2}, ValueError, "raters must hold labels from 0 to 1, got.* 0 to 2"),
        ({"present": np.ones(3)}, TypeError, "present must be of dtype bool, got float64; write"),
        ({"present": [True]}, TypeError, "present must be an array.*got list"),
        ({"present": np.ones(2, bool)}, ValueError, r"present must be of shape \(3,\).*got \(2,\)"),
        ({"present": np.ones((3, 4), bool)}, ValueError, r"present must be of .*got \(3, 4\)"),
        ({"present": np.ones((3, 2, 5, 1), bool)}, ValueError, r"present .*got \(3, 2, 5, 1\)"),
        ({"present": np.array(True)}, ValueError, r"present must be of shape .*got \(\)"),
        ({"present": np.ones((2, 3), bool), "rater_axis": 0}, ValueError, r"first axes of raters"),
    ],
)
def test_what_does_not_fit_is_named(options, error: type[Exception], words: str) -> None:
    maps = np.array([[[0, 1, 2, 0, 0]] * 2] * 3)
    with pytest.raises(error, match=words):
        staple(maps if "num_classes" in options else maps > 0, **options)


def test_soft_labels_are_refused() -> None:
    with pytest.raises(TypeError, match=r"integer dtype, got float64; write.*cast label maps"):
        staple(np.full((3, 2, 4), 0.5), num_classes=2)


def test_labels_that_are_no_class_do_no_harm_unchecked(
    backend: Backend, rng: np.random.Generator
) -> None:
    maps = rng.integers(-300, 300, (3, 2, 50))
    with value_checks("never"):
        soft = backend.run(staple, maps, num_classes=3, max_iter=5)
        masks = backend.run(lambda m, p: staple(m, present=p, max_iter=5), maps, np.arange(3) < 2)
    np.testing.assert_allclose(soft.sum(axis=1), 1, rtol=1e-5)
    assert np.all((masks >= 0) & (masks <= 1))


@pytest.mark.parametrize("options", [{}, {"num_classes": 3}, {"start": "majority"}])
def test_it_is_one_graph_of_a_compiler(rng: np.random.Generator, options: dict) -> None:
    torch = pytest.importorskip("torch")
    raters = torch.tensor(opinions(rng, 4, options.get("num_classes", 2), (7, 9)))
    present = torch.tensor([True, True, False, True])

    def fused(raters):
        return staple(raters, present=present, max_iter=5, return_performance=True, **options)

    expected = fused(raters)
    torch._dynamo.reset()
    found = torch.compile(fused, fullgraph=True, backend="aot_eager")(raters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
