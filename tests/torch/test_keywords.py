"""An unknown keyword names the class that was called; options are checked when a loss is made."""

import inspect
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch import (
    AccumulatedLoss,
    CompatibleFocalTverskyLoss,
    CompatibleTverskyLoss,
    DiceSemimetricCELoss,
    DiceSemimetricLoss,
    DistillationLoss,
    JaccardMetricLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
)
from dice_semimetric_torch.nnunet.loss import NNUNetLoss

REGIONAL = [
    DiceSemimetricLoss,
    JaccardMetricLoss,
    CompatibleTverskyLoss,
    CompatibleFocalTverskyLoss,
    SoftDiceLoss,
    SoftJaccardLoss,
]
EVERY = [*REGIONAL, DiceSemimetricCELoss, DistillationLoss]


@pytest.mark.parametrize("loss", EVERY)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jaccard", "for the Jaccard loss use JaccardMetricLoss"),
        ("squared_pred", "leave it out"),
        ("ignore_idx", "write ignore_index="),
        ("class_weights", "write weight="),
        ("smooth_factor", "write label_smoothing="),
        ("include_backgroud", "write include_background="),
        ("num_classes", "read from the input; leave it out"),
        ("from_logits", "write softmax=True or sigmoid=True"),
        ("nothing_like_it", "it takes include_background, to_onehot_y, sigmoid, softmax"),
    ],
)
def test_an_unknown_keyword_says_what_is_meant(loss, name, message) -> None:
    with pytest.raises(TypeError, match=f"^{loss.__name__} has no keyword '{name}'.*{message}"):
        loss(softmax=True, **{name: True})


def test_keywords_of_another_class_name_it() -> None:
    with pytest.raises(TypeError, match="use DiceSemimetricCELoss"):
        DiceSemimetricLoss(lambda_ce=1.0)
    with pytest.raises(TypeError, match="use CompatibleTverskyLoss"):
        DiceSemimetricLoss(alpha=0.3)
    with pytest.raises(TypeError, match="NNUNetLoss has no keyword 'lambda_ce'; write weight_ce="):
        NNUNetLoss(lambda_ce=1.0)
    with pytest.raises(TypeError, match=r"NNUNetLoss has no keyword 'ignore_idx'.*ignore_label="):
        NNUNetLoss(ignore_idx=3)


@pytest.mark.parametrize("loss", [*EVERY, NNUNetLoss])
def test_an_editor_completes_every_keyword(loss) -> None:
    parameters = inspect.signature(loss).parameters
    assert not [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    assert {"variant", "classes", "gamma", "process_group", "weight"} <= set(parameters)
    assert ("ignore_index" in parameters) == (loss is not NNUNetLoss)


def test_a_subclass_of_ones_own_takes_its_own_keywords() -> None:
    class Mine(DiceSemimetricLoss):
        def __init__(self, scale: float, **options) -> None:
            super().__init__(**options)
            self.scale = scale

    assert Mine(scale=2.0, softmax=True).scale == 2.0
    with pytest.raises(TypeError, match=r"^Mine has no keyword 'jaccard'"):
        Mine(scale=2.0, jaccard=True)


@pytest.mark.parametrize("loss", [DiceSemimetricLoss, DiceSemimetricCELoss, DistillationLoss])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weight": math.nan}, ValueError, "weight must be finite, got nan"),
        ({"weight": [1.0, math.inf]}, ValueError, "weight must be finite, got inf"),
        ({"weight": torch.tensor([1.0, -1.0])}, ValueError, "weight must be at least 0, got -1"),
        ({"weight": np.array([1.0, math.nan])}, ValueError, "weight must be finite, got nan"),
        ({"weight": "heavy"}, TypeError, "weight must be a sequence of numbers, got 'heavy'"),
        ({"weight": torch.ones(2, 2)}, ValueError, "a number for each class"),
        ({"ignore_index": "255"}, TypeError, "ignore_index must be an integer, got '255'"),
        ({"ignore_index": 2.5}, TypeError, "ignore_index must be an integer, got 2.5"),
        ({"ignore_index": True}, TypeError, "ignore_index must be an integer, got True"),
        ({"batch": "no"}, TypeError, "batch must be True or False, got 'no'"),
        ({"include_background": 2}, TypeError, "include_background must be True or False"),
        ({"softmax": "yes"}, TypeError, "softmax must be True or False, got 'yes'"),
        ({"log": "no"}, TypeError, "log must be True or False"),
        ({"smooth_nr": "1"}, TypeError, "smooth_nr must be a number, got '1'"),
        ({"smooth_dr": True}, TypeError, "smooth_dr must be a number, got True"),
        ({"smooth_dr": math.nan}, ValueError, "smooth_dr must be finite"),
        ({"reduction": None}, ValueError, "reduction must be one of .* got None"),
        ({"label_smoothing": 1.5}, ValueError, r"label_smoothing must lie in \[0, 1\], got 1.5"),
        ({"label_smoothing": "0.1"}, TypeError, "label_smoothing must be a number"),
        ({"smoothing": "edges"}, ValueError, "smoothing must be one of 'uniform', 'boundary'"),
        ({"deep_supervision_weights": [1.0, -1.0]}, ValueError, "must be at least 0, got -1"),
        ({"batch": True, "process_group": 3}, TypeError, "process_group must be a torch.distrib"),
    ],
)
def test_a_bad_option_is_named(loss, options, error, message) -> None:
    with pytest.raises(error, match=message):
        loss(**{"softmax": True} | options)


@pytest.mark.parametrize("name", ["lambda_dice", "lambda_ce"])
@pytest.mark.parametrize(
    ("value", "error"),
    [("1", TypeError), (True, TypeError), (math.nan, ValueError), (math.inf, ValueError)],
)
def test_a_bad_weight_of_a_term_is_named(name, value, error) -> None:
    with pytest.raises(error, match=f"{name} must be"):
        DiceSemimetricCELoss(softmax=True, **{name: value})


def test_only_a_loss_of_this_package_accumulates() -> None:
    with pytest.raises(TypeError, match=r"loss must be one of this package.*got .*MSELoss$"):
        AccumulatedLoss(torch.nn.MSELoss())
