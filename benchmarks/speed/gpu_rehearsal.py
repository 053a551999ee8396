"""A processor in the place of a GPU: CUDA's sources compiled by g++, Triton's interpreted."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "common"))

import numpy as np
from dice_semimetric_cupy import kernels
from dice_semimetric_torch._sums import function, paths, triton
from emulation import Emulated

from dice_semimetric._lib import seam

adapters, sums_module = seam.adapters, paths.sums_module


@contextmanager
def rehearsal() -> Iterator[None]:
    """Send NumPy's arrays, and what is lent to it, through CuPy's kernels; the loss to Triton."""
    device = Emulated()

    def cuda_for_numpy(name: str) -> tuple[object, ...]:
        return (kernels,) if name == np.__name__ else adapters(name)

    def triton_where_eligible(*arguments: object) -> object:
        eligible = triton.eligible(*arguments)  # type: ignore[arg-type]
        return triton if eligible else sums_module(*arguments)  # type: ignore[arg-type]

    with (
        mock.patch.object(kernels, "device", return_value=device),
        mock.patch.object(seam, "adapters", cuda_for_numpy),
        mock.patch.object(function, "sums_module", triton_where_eligible),
    ):
        yield
