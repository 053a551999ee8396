"""The slopes of regional losses in closed form against automatic differentiation of the core."""

import itertools

import numpy as np
import pytest

from dice_semimetric import Overlap
from dice_semimetric.formulas import FORMS
from dice_semimetric.region import table_loss
from dice_semimetric.slopes import loss_and_slope

torch = pytest.importorskip("torch")


def sums_of(pred, target):
    terms = pred, target, np.abs(pred - target), pred * target
    return np.stack([term.sum(2) for term in terms])


@pytest.fixture
def sums():
    rng = np.random.default_rng(5)
    pred, target = rng.random((2, 3, 4, 50))
    target[1] = target[1] > 0.5
    pred[0, 0], target[0, 0] = 0, 0  # empty against empty
    target[2, 1] = 0  # one is empty
    pred[1, 3] = target[1, 3]  # perfect
    return sums_of(pred, target)


def compare(sums, upstream=None, **options):
    """Compare the loss and its gradient, in both libraries, with those of `table_loss`."""
    sums = np.array(sums)
    found = loss_and_slope(sums, dtype=np.float32, **options)
    weights = options.get("weight")
    tensors = options | {"weight": None if weights is None else torch.from_numpy(weights)}
    of_tensors = loss_and_slope(torch.from_numpy(sums), dtype=torch.float32, **tensors)
    wide = torch.from_numpy(sums).requires_grad_()
    weight = options.pop("weight", None)
    exact = table_loss(
        Overlap(*wide.unbind()),
        **{"per": "batch", "classes": "all", "reduction": "mean"} | options,
        weight=None if weight is None else torch.from_numpy(weight),
    )
    upstream = np.random.default_rng(1).random(tuple(exact.shape))
    (slope,) = torch.autograd.grad(exact, wide, torch.from_numpy(upstream))
    np.testing.assert_allclose(found.loss, exact.detach().numpy(), rtol=1e-12, atol=1e-15)
    gradient = found.gradient(upstream, *sums.shape[1:])
    np.testing.assert_allclose(
        np.broadcast_to(gradient, sums.shape), slope.numpy(), rtol=1e-9, atol=1e-13
    )
    np.testing.assert_allclose(of_tensors.loss.numpy(), found.loss, rtol=1e-12, atol=1e-15)
    again = of_tensors.gradient(torch.from_numpy(upstream), *sums.shape[1:])
    np.testing.assert_allclose(again.numpy(), gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("gamma", "exponent"), [(1.0, "paper"), (4 / 3, "paper"), (0.7, "code")])
@pytest.mark.parametrize("smooth", [(0.0, 0.0), (1e-5, 1e-5), (0.1, 0.3)])
def test_every_form_and_option(sums, form, log, gamma, exponent, smooth) -> None:
    formula = {"form": form, "log": log, "gamma": gamma, "focal_exponent": exponent}
    if log:  # table_loss cuts off at the epsilon of float64 here
        sums = sums[:, 1:2, :1]
    compare(sums, **formula, smooth=smooth, reduction="none", per="image")


@pytest.mark.parametrize("form", ["ctl", "cftl", "stl"])
@pytest.mark.parametrize("weights", [(0.3, 0.7), (1.0, 0.0), (0.0, 0.0)])
def test_weights_of_both_errors(sums, form, weights) -> None:
    alpha, beta = weights
    compare(sums, form=form, alpha=alpha, beta=beta, reduction="none", per="image")


CASES = list(
    itertools.product(
        ["batch", "image", "class"],
        ["mean", "sum", "none"],
        ["all", "present", (2, 0)],
        [False, True],
    )
)


@pytest.mark.parametrize(("per", "reduction", "classes", "weighted"), CASES)
def test_every_reduction(sums, per, reduction, classes, weighted) -> None:
    weight = np.array([0.5, 2.0, 0.0, 1.0]) if weighted else None
    sums[1, :, 3] = 0  # a class that is nowhere present
    compare(sums, per=per, reduction=reduction, classes=classes, weight=weight)


def test_the_logarithm_is_cut_off_at_the_epsilon_of_the_result() -> None:
    sums = np.array([[[1.0]], [[1.0]], [[2.0]], [[0.0]]])  # disjoint: the loss is 1
    found = loss_and_slope(sums, dtype=np.float32, log=True)
    np.testing.assert_allclose(found.loss, -np.log(np.finfo(np.float32).eps), rtol=1e-6)
    assert not found.slope.any()


@pytest.mark.parametrize("per", ["batch", "image", "class"])
def test_a_batch_of_nothing(per) -> None:
    found = loss_and_slope(np.zeros((4, 0, 3)), dtype=np.float32, per=per, classes="present")
    assert found.loss == 0
    assert found.gradient(1.0, 0, 3).shape == (4, 0, 3)


def test_tensors_beside_the_sums_are_moved_there_once() -> None:
    """A copy to a GPU waits for it."""
    options = {"dtype": torch.float32, "classes": (2, 0), "form": "ctl", "alpha": 0.3}
    sums = torch.rand((4, 2, 3), dtype=torch.float64)
    loss_and_slope(sums, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "asarray", None)
        patch.setattr(torch, "tensor", None)
        found = loss_and_slope(sums, **options)
        found.gradient(torch.ones((), dtype=torch.float64), 2, 3)
