"""Functions that a library may lack, against SciPy's."""

import numpy as np

from dice_semimetric._lib.native import stirling


def test_stirling_is_gammaln() -> None:
    from array_api_compat import numpy as xp
    from scipy.special import gammaln

    x = np.concatenate([np.linspace(1, 30, 300), [1e3, 2e4, 1e7]])
    np.testing.assert_allclose(stirling(xp, x), gammaln(x), rtol=1e-14, atol=2e-14)
