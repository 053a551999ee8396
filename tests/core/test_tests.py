"""Every module has a test file by its name, or is named here with the file that tests it."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "core": "dice_semimetric",
    "jax": "adapters/dice_semimetric_jax",
    "dask": "adapters/dice_semimetric_dask",
    "cupy": "adapters/dice_semimetric_cupy",
}

# A module without a file of its own -> the file that tests it, through what the module serves.
ELSEWHERE = {
    # what every public function goes through
    "core/_lib/bin_inputs": "core/test_bins",
    "core/_lib/pairs": "core/test_bad_input",
    "core/_lib/calibrator_file": "core/_lib/test_calibrator",
    "core/_lib/aggregate": "core/test_region",
    "core/_lib/blocks": "core/_numpy/test_reductions",
    "core/_lib/empty": "core/test_scores",
    "core/_lib/quantiles": "core/test_bins",
    "core/_lib/score_sums": "core/test_probability_scores",
    "core/_lib/special": "core/_lib/test_native",
    "core/_lib/warning": "core/test_third_party_adapter",
    "core/_lib/bin_sums": "core/test_bins",
    "core/_lib/levels": "core/test_thresholds",
    "core/averages": "core/test_fusion",
    "core/baselines": "core/test_losses",
    "core/region_scores": "core/test_scores",
    "core/tversky": "core/test_losses",
    # JAX's reductions are compared with plain operations, not one by one
    "jax/kernels": "jax/test_losses",
    "jax/classes": "jax/test_losses",
    "jax/counts": "jax/test_losses",
    "jax/pytrees": "jax/test_bins",
    "jax/reduce": "jax/test_sums",
    "jax/softmax": "jax/test_sums",
    # CUDA sources are tested by what a kernel made of them returns
    "cupy/device": "cupy/test_kernels",
    "cupy/layout": "cupy/test_kernels",
    "cupy/pairs": "cupy/test_kernels",
    "cupy/softmax": "cupy/test_kernels",
    "cupy/ahead": "cupy/test_stream",
}
UNTESTED = {"core/_lib/typing"}  # names for mypy only


def modules() -> list[str]:
    """Return each module as the folder and name that its tests would have."""
    found = []
    for folder, package in PACKAGES.items():
        for path in (ROOT / package).rglob("*.py"):
            inside = path.relative_to(ROOT / package).with_suffix("")
            if inside.name != "__init__":
                name = inside.with_name(inside.name.lstrip("_")).as_posix()
                found.append(f"{folder}/{name}")
    return sorted(found)


def own(module: str) -> str:
    folder, name = module.rsplit("/", 1)
    return f"{folder}/test_{name}"


@pytest.mark.parametrize("module", [m for m in modules() if m not in UNTESTED])
def test_a_module_has_its_tests(module: str) -> None:
    file = ROOT / "tests" / f"{ELSEWHERE.get(module, own(module))}.py"
    assert file.is_file(), f"write {file.name}, or name in ELSEWHERE the file that tests {module}"
    assert "def test_" in file.read_text()


def test_what_is_named_is_there_and_has_no_file_of_its_own() -> None:
    for module in (*ELSEWHERE, *UNTESTED):
        assert module in modules()
        assert not (ROOT / "tests" / f"{own(module)}.py").exists()
