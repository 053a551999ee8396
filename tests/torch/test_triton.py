"""Triton's kernels: right in Triton's interpreter, and compiled for real GPUs without one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")
torch = pytest.importorskip("torch")

_GPU = torch.cuda.is_available()


def test_kernels_agree_with_the_core() -> None:
    """See triton_interpreted.py."""
    here = Path(__file__).parents[1] / "common"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if not _GPU:
        environment["TRITON_INTERPRET"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"]
    command += [str(here / "triton_interpreted.py")]
    done = subprocess.run(
        command, cwd=here.parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout


@pytest.mark.parametrize(
    ("capability", "soft", "classes"),
    [(80, False, 4), (80, True, 105), (90, True, 4), (90, False, 105)],
)
def test_kernels_compile_without_a_gpu(
    capability: int, soft: bool, classes: int, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from dice_semimetric_torch._sums import triton, triton_kernels
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as build

    pred = torch.empty((2, classes, 64))
    target = torch.empty((2, classes, 64)) if soft else torch.empty((2, 64), dtype=torch.int64)
    options = triton.Options((2,), torch.float32, "softmax", None, False)
    fixed = triton._switches(pred, target, None, options) | triton._tile_shape(classes)
    pointers = dict.fromkeys(("pred", "mask", "gradient", "of_pred", "of_target"), "*fp32")
    pointers |= {"target": "*fp32" if soft else "*i64", "partial": "*fp64"}
    needs = {"NEEDS_PRED": True, "NEEDS_TARGET": soft}
    for kernel, more in (
        (triton_kernels.overlap_forward, {}),
        (triton_kernels.overlap_backward, needs),
    ):
        chosen = {**fixed, **more}
        types = {
            name: "constexpr" if name in chosen else pointers.get(name, "i32")
            for name in kernel.arg_names
        }
        source = ASTSource(kernel, types, chosen)
        compiled = build(source, target=GPUTarget("cuda", capability, 32))
        assert f".target sm_{capability}" in compiled.asm["ptx"]
