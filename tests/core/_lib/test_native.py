"""Functions that a library may lack, against SciPy's."""

import numpy as np
import pytest

from dice_semimetric._lib.native import erf, gaussian_integral, stirling


def test_stirling_is_gammaln() -> None:
    from array_api_compat import numpy as xp
    from scipy.special import gammaln

    x = np.concatenate([np.linspace(1, 30, 300), [1e3, 2e4, 1e7]])
    np.testing.assert_allclose(stirling(xp, x), gammaln(x), rtol=1e-14, atol=2e-14)


def test_gaussian_integral_is_erf() -> None:
    from array_api_compat import numpy as xp
    from scipy.special import erf

    x = np.concatenate([np.linspace(-9, 9, 3001), [0.0, 1e-9, -1e-30, np.inf, -np.inf]])
    np.testing.assert_allclose(gaussian_integral(xp, x), erf(x), rtol=1e-14, atol=1e-14)
    assert np.isnan(gaussian_integral(xp, np.array(np.nan)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (8, 8), (65,)])
def test_few_numbers_have_the_error_function_of_many(dtype: type, shape: tuple[int, ...]) -> None:
    from array_api_compat import numpy as xp
    from scipy.special import erf as expected

    x = np.asarray(np.random.default_rng(0).normal(0, 2, shape), dtype)
    found = erf(xp, x)
    assert found.dtype == dtype
    assert found.shape == shape
    np.testing.assert_allclose(found, expected(x), rtol=4 * np.finfo(dtype).eps)
