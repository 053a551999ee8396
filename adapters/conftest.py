"""Doctests: leave out what needs an absent library; run JAX's in the precision it starts with."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

NEEDS = {
    "dice_semimetric_torch/nnunet/nnunet_trainer_dml.py": "nnunetv2",
    "dice_semimetric_torch/nnunet/nnunet_trainer_dml_raters.py": "nnunetv2",
    "dice_semimetric_torch/metrics": "torchmetrics",
}

collect_ignore = [path for path, name in NEEDS.items() if find_spec(name) is None]


@pytest.fixture(autouse=True)
def jax_starts_with_float32(request: pytest.FixtureRequest) -> Iterator[None]:
    """An example shows what its reader sees, although the suite's other tests enable float64."""
    if "dice_semimetric_jax" not in str(request.path):
        yield
        return
    import jax

    with jax.enable_x64(False):
        yield
