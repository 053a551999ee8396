"""The compiled kernels take arrays of any size here, not large ones alone."""

import pytest


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    from dice_semimetric_numba import kernels

    monkeypatch.setattr(kernels, "SMALL", 0)
