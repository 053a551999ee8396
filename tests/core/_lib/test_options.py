"""Every option of every public callable: what is refused, and that the error names it."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from public_calls import CALLS, parameters, plain

import dice_semimetric as ds
from dice_semimetric._lib.options import generator, require_integer, require_number

#: Of every calibrator: tests/core/_lib/test_calibrator.py has them.
KEEPING = {"save", "get_params", "set_params"}
#: They hold what they are given; the functions that compute them check it.
STATISTICS = {"Agreement", "CalibrationBins", "Overlap", "ProperScore", "ThresholdCounts"}

NO_INTEGER = (True, 1.5, "1", (1, "1"), np.array([1, 2]), 1j)
NO_NUMBER = (True, "0.5", np.nan, np.inf, -1.0, [0.5, "1"], 1j)
NO_CHOICE = ("other", 1, True, ["all"], np.array([1, 2]))
NO_ARRAY = ([[0.5]], 0.5, "x", object())
BAD: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "integer": (
        ("n_bins", "num_classes", "width", "batch_axes", "n_keys", "max_iter", "p"),
        (*NO_INTEGER, -1, np.float64(2.5)),
    ),
    "label": (("ignore_index",), NO_INTEGER),
    "axis": (("axis", "rater_axis"), (True, 1.5, "1", 9, -9, 1j)),
    "number": (
        ("alpha", "beta", "gamma", "smooth", "epsilon", "bandwidth", "tol", "prior"),
        NO_NUMBER,
    ),
    "numbers": (("thresholds", "bandwidths"), ("0.5", [], [True], [-0.5], [np.nan], {0.5: 1}, 1j)),
    "weight": (("weight",), ([1, -1], [1, np.nan], [np.inf, 1], "11", [True, True], [1.0], 1j)),
    "classes": (("classes", "indices"), (7, [7], [-1], [True], [1.5], [], "other", [0, 0])),
    "edges": (("edges",), ([0.0], [1.0, 0.0], [0.0, np.nan], ["0", "1"], "01", 0.5, [[0.0], [1]])),
    "keys": (("keys",), ("01", 1, [[0], [1]], [np.array([0])], [np.array([0.5])] * 2)),
    "more keys": (("keys",), ([np.array([4])] * 2, [np.array([-1])] * 2, [np.array([[0]])] * 2)),
    "switch": (
        [
            "log",
            "return_weights",
            "return_performance",
            "return_parts",
            "unbiased",
            "divergence",
        ],
        ("no", 1, None, np.array([1, 0])),
    ),
    "choice": (
        [
            "form",
            "focal_exponent",
            "activation",
            "per",
            "reduction",
            "score",
            "kind",
            "strategy",
            "norm",
            "mode",
            "sampling",
            "where",
            "start",
            "distance",
            "distribution",
        ],
        NO_CHOICE,
    ),
    "rng": (("rng",), (True, "0", -1, 0.5, [0.5], object())),
    "dtype": (("dtype",), ("float32", float, np.complex64, np.longdouble, object, "x", 1)),
    "empty": (("empty",), (None, "0", 0.5, True, [1.0], 1j)),
    "array": (
        [
            "pred",
            "target",
            "label",
            "prob",
            "key_prob",
            "key_label",
            "raters",
            "logits",
            "value",
            "samples",
        ],
        (*NO_ARRAY, None),
    ),
    "statistic": (("o",), (*NO_ARRAY, None, np.ones(4))),
    "mask": (("mask", "present"), (*NO_ARRAY, np.array([0.5]), np.array([1]))),
}


def cases() -> Iterator[Any]:
    for name, (call, _) in CALLS.items():
        for option in parameters(call):
            for kind, (options, values) in BAD.items():
                if option in options:
                    for k, value in enumerate(values):
                        if not (name == "select_bandwidth" and option == "label" and value is None):
                            yield pytest.param(name, option, value, id=f"{name}-{option}-{kind}{k}")


def test_no_public_callable_and_no_option_is_left_out() -> None:
    public = set(ds.__all__) - STATISTICS
    methods = {
        f"{cls}.{name}"
        for cls in ds.__all__
        if inspect.isclass(getattr(ds, cls))
        for name, _ in inspect.getmembers(getattr(ds, cls), inspect.isfunction)
        if not name.startswith("_") and name not in KEEPING
    }
    assert set(CALLS) == public | methods
    known = {option for options, _ in BAD.values() for option in options}
    assert {o for call, _ in CALLS.values() for o in parameters(call)} <= known


@pytest.mark.parametrize("name", CALLS)
def test_the_valid_call(name: str) -> None:
    call, options = CALLS[name]
    call(**options)


@pytest.mark.parametrize(("name", "option", "bad"), list(cases()))
def test_a_bad_option_is_named(name: str, option: str, bad: Any) -> None:
    call, options = CALLS[name]
    with pytest.raises((TypeError, ValueError)) as caught:
        call(**options | {option: bad})
    assert re.match(rf"{option}('s shape)? must |{option} is for ", str(caught.value)), caught.value


#: A value that each option takes, and the same as NumPy has it.
SAME = {
    "axis": (0, np.int64(0)),
    "n_bins": (7, np.uint8(7)),
    "num_classes": (2, np.int32(2)),
    "ignore_index": (1, np.int64(1)),
    "width": (3, np.int16(3)),
    "batch_axes": (1, np.array(1)),
    "n_keys": (3, np.int64(3)),
    "max_iter": (3, np.int64(3)),
    "p": (2, np.int64(2)),
    "classes": ((1,), np.array([1])),
    "indices": ((0,), np.array([0])),
    "thresholds": ((0.5,), 0.5),
    "alpha": (0.5, np.float64(0.5)),
    "beta": (0.5, np.float32(0.5)),
    "gamma": (2.0, np.float64(2)),
    "smooth": (1.0, np.float64(1)),
    "epsilon": (0.5, np.float64(0.5)),
    "bandwidth": (0.5, np.float64(0.5)),
    "rng": (5, np.int64(5)),
    "empty": (0.0, 0),
    "log": (True, np.True_),
}


@pytest.mark.parametrize(
    ("name", "option"),
    [(n, o) for n, (call, _) in CALLS.items() for o in parameters(call) if o in SAME],
)
def test_numbers_of_numpy_are_those_of_python(name: str, option: str) -> None:
    call, options = CALLS[name]
    if option == "ignore_index" and "target" not in options and "label" not in options:
        return
    for dtype in ("float32", "float64"):
        given = {
            k: v.astype(dtype) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
            for k, v in options.items()
        } | ({"rng": 0} if "rng" in parameters(call) else {})
        first, second = (call(**given | {option: value}) for value in SAME[option])
        assert plain(first) == plain(second)
        assert getattr(first, "dtype", None) == getattr(second, "dtype", None)


def test_a_generator_is_made_as_numpy_makes_it() -> None:
    for seed in (3, np.int64(3), np.random.SeedSequence(3), [3], np.random.PCG64(3)):
        assert generator(seed).random() == np.random.default_rng(3).random()
    given = np.random.default_rng(0)
    assert generator(given) is given
    assert generator(None).random() != generator(None).random()


def test_the_integer_to_write() -> None:
    with pytest.raises(TypeError, match=r"width must be an integer, got '-3'; write -3"):
        require_integer("width", "-3")
    with pytest.raises(TypeError, match=r"width must be an integer, got 3\.0; write 3"):
        require_integer("width", 3.0)
    with pytest.raises(TypeError, match=r"epsilon must be a number, got '1'"):
        require_number("epsilon", "1")
