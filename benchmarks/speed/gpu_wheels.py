"""List what `make gpu` needs and this Python lacks, pinned as in constraints.txt.

    make gpu-wheels GPU_PYTHON=python3          on the machine with the GPU
    make gpu-wheels WHEELS=wheels NEEDS="..."   on one with a network: download those

and then there, `pip install --no-index --find-links wheels ...`. It needs nothing but Python.
"""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
NEEDS = (
    "numpy",
    "scipy",
    "array-api-compat",
    "torch",
    "triton",
    "numba",
    "cupy-cuda12x[ctk]",
    "monai",
    "torchmetrics",
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "array-api-strict",
)


def missing() -> list[str]:
    """Return the requirements, one a package."""
    lines = CONSTRAINTS.read_text().replace("_", "-")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", lines, re.MULTILINE))
    found = []
    for need in NEEDS:
        name = need.split("[")[0]
        try:
            version(name)
        except PackageNotFoundError:
            pin = pins.get(name)
            found.append(f"{need}=={pin}" if pin else need)
    return found


if __name__ == "__main__":
    print("\n".join(missing()))
