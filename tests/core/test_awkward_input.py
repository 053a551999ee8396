"""Every public function takes awkward input where NumPy raises at any rounding to 0 or infinity."""

import inspect

import awkward
import numpy as np
import pytest
from backends import frozen, numbers

import dice_semimetric as ds


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_no_state_of_numpys_errors_changes_a_result(dtype: str) -> None:
    for name, function, arrays in awkward.calls(np.dtype(dtype)):
        given = [frozen(a.copy()) for a in arrays]
        with np.errstate(all="ignore"):
            expected = numbers(function(*given))
        with np.errstate(all="raise"):
            try:
                got = numbers(function(*given))
            except FloatingPointError as error:
                pytest.fail(f"{name} in {dtype}: {error}")
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_every_public_function_is_called() -> None:
    called = {name.split(":")[0].split(" ")[0] for name, *_ in awkward.calls(np.float32)}
    public = {
        name
        for name in ds.__all__
        if inspect.isfunction(getattr(ds, name)) or hasattr(getattr(ds, name), "fit")
    }
    assert public - {"value_checks"} == called
