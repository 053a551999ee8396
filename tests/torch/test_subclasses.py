"""Tensors of another library's class: PyTorch's numbers, in that class, with its metadata."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backends import leaves
from public_calls import CALLS, parameters
from torch import Tensor

import dice_semimetric as ds


class Own(Tensor):
    """A class that notes which functions it is asked for."""

    asked: list[str]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.asked.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


def metatensor(tensor: Tensor) -> Tensor:
    return pytest.importorskip("monai.data").MetaTensor(tensor, affine=torch.diag(torch.arange(4)))


KINDS = {
    "MetaTensor": metatensor,
    "Own": lambda tensor: tensor.as_subclass(Own),
    "Parameter": lambda tensor: torch.nn.Parameter(tensor, requires_grad=False),
    "learned": lambda tensor: torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point()),
}


def as_tensors(value: Any, kind: Any = lambda tensor: tensor) -> Any:
    """Return an argument with tensors of a kind in place of NumPy's arrays."""
    if isinstance(value, np.ndarray):
        return kind(torch.tensor(value))
    if hasattr(value, "_sums"):
        return replace(value, **{n: as_tensors(getattr(value, n), kind) for n in value._sums})
    return value


def of_arrays(name: str) -> bool:
    given = CALLS[name][1].values()
    return any(isinstance(v, np.ndarray) or hasattr(v, "_sums") for v in given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", [n for n in CALLS if of_arrays(n) and n != "KernelCalibrator.predict_proba"]
)
def test_every_function_gives_the_numbers_of_tensors(name: str, kind: str) -> None:
    Own.asked = []
    function, options = CALLS[name]
    options = options | ({"rng": 0} if "rng" in parameters(function) else {})
    expected = function(**{n: as_tensors(v) for n, v in options.items()})
    found = function(**{n: as_tensors(v, KINDS[kind]) for n, v in options.items()})
    for one, other in zip(leaves(found), leaves(expected), strict=True):
        values = one.detach().as_subclass(Tensor) if isinstance(one, Tensor) else one
        torch.testing.assert_close(values, other, equal_nan=True)
    if isinstance(expected, Tensor):
        assert type(found).__name__ == (kind if kind in ("MetaTensor", "Own") else "Tensor")
        if kind == "MetaTensor":
            assert torch.equal(found.affine, torch.diag(torch.arange(4)).double())


@pytest.mark.parametrize("name", ["dml1", "binarized_dice", "uniform_average", "calibration_bins"])
def test_the_class_is_asked_once(name: str) -> None:
    function, options = CALLS[name]
    given = {n: as_tensors(v, KINDS["Own"]) for n, v in options.items()}
    Own.asked = []
    function(**given)
    assert Own.asked == [name]


@pytest.mark.parametrize("fitted", ["MetaTensor", "Tensor"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "calibrator",
    [
        ds.KernelCalibrator(bandwidth=0.05, n_keys=40),
        ds.KernelCalibrator(bandwidth=0.05, n_keys=3000, sampling="proportional"),
        ds.TemperatureScaling(),
        ds.VectorScaling(),
    ],
    ids=lambda calibrator: type(calibrator).__name__,
)
def test_calibrators(calibrator: Any, kind: str, fitted: str, tmp_path: Any) -> None:
    Own.asked = []
    generator = torch.Generator().manual_seed(4)
    prob = torch.rand(2, 3, 30, 40, generator=generator).softmax(1)
    label = torch.randint(0, 3, (2, 30, 40), generator=generator)
    expected = calibrator.fit(prob, label).predict_proba(prob)
    make = KINDS.get(fitted, torch.clone)
    calibrator.fit(make(prob), make(label))
    found = calibrator.predict_proba(KINDS[kind](prob))
    torch.testing.assert_close(found.detach().as_subclass(Tensor), expected)
    assert type(found).__name__ == (kind if kind in ("MetaTensor", "Own") else "Tensor")
    calibrator.save(tmp_path / "kept.npz")
    again = type(calibrator).load(tmp_path / "kept.npz").predict_proba(KINDS[kind](prob))
    torch.testing.assert_close(again.detach().as_subclass(Tensor), expected)


def test_gradients_go_through_a_class_of_its_own() -> None:
    Own.asked = []
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    slopes = []
    for kind in (torch.clone, metatensor, KINDS["Own"]):
        leaf = logits.clone().requires_grad_()
        ds.region_loss(kind(leaf), labels, activation="softmax").backward()
        slopes.append(leaf.grad)
    torch.testing.assert_close(slopes[1], slopes[0])
    torch.testing.assert_close(slopes[2], slopes[0])


def test_a_mask_alone_may_be_of_the_class() -> None:
    x, mask = torch.rand(2, 8, 8), torch.rand(2, 8, 8) > 0.5
    found = ds.dml1(x, x.flip(0), mask=metatensor(mask))
    torch.testing.assert_close(found.as_tensor(), ds.dml1(x, x.flip(0), mask=mask))


def test_what_does_not_fit_is_refused_as_for_tensors() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)|\(2, 3\).*\(2, 4\)"):
        ds.dml1(metatensor(torch.rand(2, 3)), metatensor(torch.rand(2, 4)))


@pytest.mark.parametrize("kind", KINDS)
def test_named_results_keep_their_names(kind: str) -> None:
    Own.asked = []
    masks = torch.tensor([[1, 1, 0], [1, 0, 0]]).float()
    same = KINDS[kind](masks)
    distance, parts = ds.generalized_energy_distance(same, same, return_parts=True)
    plain_distance, plain = ds.generalized_energy_distance(masks, masks, return_parts=True)
    assert type(parts) is type(plain)
    assert float(distance) == float(plain_distance)
    assert [float(v) for v in parts._asdict().values() if v.ndim == 0] == [
        float(v) for v in plain if v.ndim == 0
    ]
    torch.testing.assert_close(
        torch.as_tensor(parts.best_match), plain.best_match, check_dtype=False
    )
