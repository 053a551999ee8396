"""Triton's kernels for raters, and the way to all of Triton's that have no gradient.

Run by tests/torch/test_triton.py in a process of its own, as triton_interpreted.py is.
"""

from typing import Any

import pytest
import torch
from dice_semimetric_torch import kernels
from dice_semimetric_torch._sums import paths, triton, triton_counts, triton_fusion
from torch import Tensor

from dice_semimetric import (
    binarized_dice,
    calibration_bins,
    dice_weighted_average,
    majority_vote,
    uniform_average,
    value_checks,
)
from dice_semimetric._lib import seam
from dice_semimetric._lib.raters import look_up, rater_counts, weighted_marks
from dice_semimetric.fusion import most_frequent

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def labels(*shape: int, top: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(0, top, shape, generator=generator).to(DEVICE)


def same(function: Any, *args: Any) -> None:
    """Compare a kernel with the generic reduction bit by bit."""
    got = getattr(triton_fusion, function.__name__)(*args)
    want = function.__wrapped__(*args)
    assert got.dtype == want.dtype
    torch.testing.assert_close(got, want, rtol=0, atol=0)


DTYPES = [torch.bool, torch.uint8, torch.int16, torch.uint16, torch.int64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 1023), (2, 3, 171), (5, 1025), (300, 7)])
def test_raters(dtype: torch.dtype, shape: Any) -> None:
    raters = labels(*shape, top=2 if dtype == torch.bool else 4).to(dtype)
    same(rater_counts, raters)
    if dtype != torch.bool:
        same(rater_counts, raters, 2)
        raters = raters[:20]
        same(most_frequent, raters, 3)
        same(most_frequent, raters, 1)


@pytest.mark.parametrize("share", [(4,), (4, 1, 1, 1), (4, 2, 1, 1), (4, 2, 3, 1), (4, 1, 3, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weighted_marks(share: Any, dtype: torch.dtype) -> None:
    raters = labels(4, 2, 3, 7, top=3)
    shares = torch.rand(share, generator=torch.Generator().manual_seed(4)).to(DEVICE, dtype)
    for c in (None, 1):
        same(weighted_marks, raters, shares, c)
        some = shares if shares.ndim == 1 else shares[..., :1]
        same(weighted_marks, raters.flip(3)[:, :, :, ::2], some, c)
    same(weighted_marks, raters != 0, shares)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
@pytest.mark.parametrize("shape", [(1,), (3, 700)])
def test_look_up(dtype: torch.dtype, shape: Any) -> None:
    table = torch.rand(4, 2, generator=torch.Generator().manual_seed(4)).to(DEVICE)[:, 0]
    index = labels(*shape, top=4).to(dtype)
    same(look_up, index, table)
    same(look_up, index[..., ::2], table.double())


def test_raters_that_are_left_to_pytorch() -> None:
    empty, shares = labels(3, 0, top=2), torch.ones(3, device=DEVICE)
    assert triton_fusion.rater_counts(empty) is NotImplemented
    assert triton_fusion.most_frequent(empty, 2) is NotImplemented
    assert triton_fusion.look_up(empty, shares) is NotImplemented
    assert triton_fusion.weighted_marks(labels(3, 4, top=2), shares.half()) is NotImplemented
    raters = labels(3, 2, 4, top=2)
    assert triton_fusion.weighted_marks(raters, torch.ones(3, 4)) is NotImplemented


def test_public_functions_reach_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    prob, label = labels(2, 3, 9, 20, top=11) / 10, labels(2, 9, 20, top=3)
    raters = labels(5, 2, 40, top=3)

    def found() -> list[Tensor]:
        with value_checks("never"):
            bins = calibration_bins(prob, label)
            return [
                binarized_dice(prob, prob.flip(0)),
                bins.count,
                bins.correct,
                majority_vote(raters, num_classes=3),
                uniform_average(raters, num_classes=3),
                dice_weighted_average(raters, num_classes=3),
            ]

    monkeypatch.setattr(seam, "adapters", lambda name: ())
    plain = found()
    used = []

    def module(name: str, *tensors: Any) -> Any:
        used.append(name)
        return {"triton_counts": triton_counts, "triton_fusion": triton_fusion}[name]

    monkeypatch.setattr(kernels, "gpu_module", module)
    monkeypatch.setattr(kernels, "lend", lambda tensor: NotImplemented)
    monkeypatch.setattr(seam, "adapters", lambda name: (kernels,))
    torch.testing.assert_close(found(), plain)
    assert {"triton_counts", "triton_fusion"} == set(used)


def test_kernels_without_a_gradient_are_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = labels(4, top=2).float()
    if DEVICE == "cpu":
        assert paths.gpu_module("triton_counts", tensor) is None
    monkeypatch.setattr(paths, "on_gpu", lambda tensor: True)
    monkeypatch.setattr(paths, "_triton", lambda device: triton)
    assert paths.gpu_module("triton_counts", tensor, None) is triton_counts
    learns = labels(4, top=2).float().requires_grad_()
    assert paths.gpu_module("triton_counts", tensor, learns) is None
    with torch.no_grad():
        assert paths.gpu_module("triton_counts", tensor, learns) is triton_counts
    monkeypatch.setattr(paths, "_triton", lambda device: None)
    assert paths.gpu_module("triton_counts", tensor) is None
