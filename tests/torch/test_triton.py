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


@pytest.mark.parametrize(
    "file", ["triton_interpreted.py", "triton_whole.py", "triton_counts.py", "triton_raters.py"]
)
def test_kernels_agree_with_the_core(file: str) -> None:
    here = Path(__file__).parents[1] / "common"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if not _GPU:
        environment["TRITON_INTERPRET"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"]
    command += [str(here / file)]
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
    from dice_semimetric_torch._sums import triton, triton_count_kernels, triton_kernels

    pred = torch.empty((2, classes, 64))
    target = torch.empty((2, classes, 64)) if soft else torch.empty((2, 64), dtype=torch.int64)
    options = triton.Options((2,), torch.float32, "softmax", None, False)
    fixed = triton._switches(pred, target, None, options) | triton._tile_shape(classes)
    names = ("pred", "mask", "weight", "gradient", "of_pred", "of_target", "levels", "edges")
    pointers = dict.fromkeys(names, "*fp32")
    pointers |= {"target": "*fp32" if soft else "*i64", "partial": "*fp64", "scale": "*fp64"}
    alone, both = ({"ENTROPY": here, "WEIGHTED": here} for here in (False, True))
    bins = {"BINS": 10, "BLOCK_K": 16, "HARD": False}
    for kernel, more in (
        (triton_kernels.overlap_forward, alone),
        (triton_kernels.overlap_forward, both),
        (triton_kernels.overlap_backward, alone | {"NEEDS_PRED": True, "NEEDS_TARGET": soft}),
        (triton_kernels.overlap_backward, both | {"NEEDS_PRED": True, "NEEDS_TARGET": False}),
        (triton_count_kernels.level_counts, {"LEVELS": 9, "BLOCK_K": 16}),
        (triton_count_kernels.bin_sums, bins | {"TOP": True, "STEP": 0}),
        (triton_count_kernels.bin_sums, bins | {"TOP": False, "STEP": 11}),
    ):
        build_for(capability, kernel, fixed | more, pointers)


@pytest.mark.parametrize("labels", ["*u8", "*i64"])
@pytest.mark.parametrize("shared", [True, False])
def test_fusion_compiles_without_a_gpu(
    labels: str, shared: bool, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from dice_semimetric_torch._sums import triton_fusion_kernels as kernels

    out = "*fp32" if shared else "*u8"
    pointers = {"raters": labels, "index": labels, "shares": out, "table": "*fp64"}
    marked = {"SHARED": shared, "CLASS": shared}
    build_for(90, kernels.marked, marked | {"BLOCK": 1024}, pointers | {"out": out})
    build_for(90, kernels.most_frequent, {"BLOCK": 1024}, pointers | {"out": labels})
    build_for(90, kernels.look_up, {"BLOCK": 1024}, pointers | {"out": "*fp64"})


def build_for(capability: int, kernel: Any, fixed: dict[str, Any], pointers: Any) -> None:
    """Compile a kernel for a GPU that need not be there."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from triton.compiler import compile as build

    types = {
        name: "constexpr" if name in fixed else pointers.get(name, "i32")
        for name in kernel.arg_names
    }
    compiled = build(ASTSource(kernel, types, fixed), target=GPUTarget("cuda", capability, 32))
    assert f".target sm_{capability}" in compiled.asm["ptx"]
