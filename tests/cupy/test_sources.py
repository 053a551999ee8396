"""Every CUDA source compiles for real GPUs, in every dtype, wherever a compiler is installed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dice_semimetric_cupy._device")

from dice_semimetric_cupy._device import C_TYPES, Kernel

PAIRS: dict[str, Any] = {
    "PRED": "float",
    "TARGET": "float",
    "ACC": "float",
    "MASKED": 0,
    "LABELS": 0,
    "IGNORED": 0,
    "ACTIVATION": "IDENTITY",
    "VECTOR": 4,
}
BINS: dict[str, Any] = {"BINS": 10, "CELLS": 64}
STATISTICS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "overlap_sums": (("overlap.cu",), {}),
    "threshold_sums": (("thresholds.cu",), {"LEVELS": 9, "CELLS": 16}),
    "bin_sums": (("bin_counts.cuh", "bins.cu"), {**BINS, "HARD": 0}),
}


def make(entry: str, sources: tuple[str, ...], threads: int = 128, **macros: Any) -> Kernel:
    return Kernel(entry, sources, threads, tuple((k, str(v)) for k, v in macros.items()))


def every_kernel() -> Iterator[Kernel]:
    """Yield each source in each dtype and with each of its switches."""
    for entry, (files, more) in STATISTICS.items():
        sources = ("common.cuh", "pairs.cuh", *files)
        base = {**PAIRS, **more}
        for name, c_type in C_TYPES.items():
            wide = "double" if name == "float64" else "float"
            chosen = {**base, "PRED": c_type, "TARGET": c_type, "ACC": wide}
            yield make(entry, sources, **{**chosen, "VECTOR": 2, "MASKED": 1})
            if "int" in name:
                labels = {**base, "TARGET": c_type, "LABELS": 1, "IGNORED": 1, "VECTOR": 1}
                yield make(entry, sources, **labels, threads=256)
        for activation in ("SIGMOID", "SOFTMAX"):
            for wide in ("float", "double"):
                chosen = {"PRED": wide, "ACC": wide, "ACTIVATION": activation, "VECTOR": 0}
                yield make(entry, sources, **{**base, **chosen})
    for c_type, wide in (("Half", "float"), ("Bfloat16", "float"), ("double", "double")):
        yield make("softmax_scale", ("common.cuh", "softmax.cu"), PRED=c_type, ACC=wide)
        some = {**PAIRS, **BINS, "PRED": c_type, "TARGET": c_type, "ACC": wide, "MASKED": 1}
        sources = ("common.cuh", "bin_counts.cuh", "top_bins.cu")
        yield make("top_bin_sums", sources, **some)
        yield make("top_bin_sums", sources, **{**some, "TARGET": "int", "LABELS": 1, "IGNORED": 1})
    for c_type in ("unsigned char", "long long"):
        for out, shared in (("unsigned char", 0), ("float", 1), ("double", 1)):
            macros = {"LABEL": c_type, "OUT": out, "SHARED": shared, "VECTOR": 2}
            yield make("marked", ("common.cuh", "fusion.cu"), **macros)
    for wide in ("float", "double"):
        for skip in (0, 1):
            macros = {"ACC": wide, "SIZE": 8, "VALUES": 8, "SKIP_SELF": skip}
            yield make("kernel_sums", ("common.cuh", "regression.cu"), **macros)


def entries(kernels: list[Kernel]) -> int:
    """Return how many functions their sources define."""
    return sum(kernel.text().count("__global__") for kernel in kernels)


def unit(kernels: list[Kernel]) -> str:
    """Put kernels into one source, each in a namespace of its own."""
    parts = []
    for number, kernel in enumerate(kernels):
        names = {line.split()[1] for line in kernel.text().splitlines() if line[:8] == "#define "}
        body = kernel.text().replace('extern "C" ', "")
        forget = "".join(f"#undef {name}\n" for name in sorted(names))
        parts.append(f"namespace kernel_{number} {{\n{body}\n}}\n{forget}")
    return "\n".join(parts)


@pytest.mark.parametrize("arch", ["80", pytest.param("90", marks=pytest.mark.slow)])
def test_nvcc_takes_every_source(tmp_path: Path, arch: str) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    kernels = list(every_kernel())
    source, ptx = tmp_path / "kernels.cu", tmp_path / "kernels.ptx"
    source.write_text(unit(kernels))
    command = [nvcc, "-std=c++17", "-ptx", f"-arch=compute_{arch}", "-Werror", "all-warnings"]
    command += ["-diag-suppress=177", "-Wno-deprecated-gpu-targets", "-o", str(ptx), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ptx.read_text().count(".visible .entry") == entries(kernels)


@pytest.mark.parametrize("arch", ["80", "90"])
def test_nvrtc_takes_them_without_any_header(arch: str) -> None:
    """CuPy compiles by NVRTC, which has no host headers."""
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"NVRTC is not installed: {type(error).__name__}")
    kernels = list(every_kernel())
    program = nvrtc.createProgram(unit(kernels), "kernels.cu", (), ())
    try:
        nvrtc.compileProgram(program, ("-std=c++17", f"--gpu-architecture=compute_{arch}"))
    except Exception:
        pytest.fail(nvrtc.getProgramLog(program))
    assert nvrtc.getPTX(program).count(b".visible .entry") == entries(kernels)


def test_a_missing_semicolon_would_be_noticed(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    source = tmp_path / "broken.cu"
    source.write_text(unit([next(every_kernel())]).replace("sums;", "sums", 1))
    command = [nvcc, "-std=c++17", "-ptx", "-o", str(tmp_path / "broken.ptx"), str(source)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
