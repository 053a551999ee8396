"""List what `make gpu` needs and this Python lacks or has too old, pinned as in constraints.txt.

    make gpu-wheels GPU_PYTHON=python3          on the machine with the GPU
    make gpu-wheels WHEELS=wheels NEEDS="..."   on one with a network: download those

The wheel of this package is made beside them: without it none of its kernels is found. Then,
there, `pip install --no-index --find-links wheels dice-semimetric ...`. It needs only Python.
"""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDS = (
    "numpy",
    "scipy",
    "array-api-compat",
    "torch",
    "triton",
    "numba",
    "ml-dtypes",
    "cupy-cuda12x[ctk]",
    "monai",
    "torchmetrics",
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "array-api-strict",
)


#: Packages that hold the same module for another CUDA.
SAME = {"cupy-cuda12x": ("cupy-cuda12x", "cupy-cuda13x")}


def missing() -> list[str]:
    """Return the requirements, one a package."""
    lines = (ROOT / "constraints.txt").read_text().replace("_", "-")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", lines, re.MULTILINE))
    project = (ROOT / "pyproject.toml").read_text().replace("_", "-")
    oldest = dict(re.findall(r'"([\w-]+)(?:\[\w+\])?>=([\d.]+)', project))
    found = []
    for need in NEEDS:
        name = need.split("[")[0]
        least = release(oldest[name])
        if not any(installed(same) >= least for same in SAME.get(name, (name,))):
            pin = pins.get(name)
            found.append(f"{need}=={pin}" if pin else need)
    return found


def installed(name: str) -> tuple[int, ...]:
    """Return the release of a package, empty where there is none."""
    try:
        return release(version(name))
    except PackageNotFoundError:
        return ()


def release(text: str) -> tuple[int, ...]:
    """Return the numbers at the start of a version, which compare in order."""
    return tuple(int(part) for part in re.match(r"[\d.]*\d", text)[0].split("."))


if __name__ == "__main__":
    print("\n".join(missing()))
