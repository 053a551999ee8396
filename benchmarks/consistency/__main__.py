"""Print functions by libraries, each cell the largest deviation from NumPy float64.

    PYTHONPATH=tests/common python -m benchmarks.consistency [--json F] [--page F]

A cell holds the deviation in float64 and in float32, relative to the largest value where that is
above 1, or a number that stands for the reason below the table. Gradients are compared with
differences in NumPy float64, whose own error is about 1e-9.
"""

import argparse
import functools
import json
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import Backend, leaves
from tqdm import tqdm

from dice_semimetric import value_checks

from .catalogue import CALLS, Call
from .libraries import LIBRARIES, differences, gradient

#: Taken along where they are installed (``pip install ndonnx onnxruntime sparse mlx``).
OUTSIDE = ("mlx", "ndonnx", "sparse")
DTYPES = ("float64", "float32")
START, END = "<!-- consistency: make consistency -->", "<!-- end of consistency -->"


def arrays(value: Any) -> list[np.ndarray]:
    """Return the arrays in a result."""
    return [np.asarray(a, float) for a in leaves(value)]


def inputs(call: Call, dtype: str) -> tuple[Any, ...]:
    """Return the call's arguments, floating ones in that dtype's values and dtype."""
    args = call.inputs(np.random.default_rng(20230918))
    return tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in args)


@functools.cache
def reference(call: Call, dtype: str) -> list[np.ndarray]:
    """Return what NumPy float64 makes of the input, or the differences of it."""
    wide = (a.astype(float) if a.dtype.kind == "f" else a for a in inputs(call, dtype))
    if call.derivative:
        return [differences(call.function, tuple(wide))]
    return arrays(call.function(*wide))


def deviation(call: Call, backend: Backend, dtype: str) -> float:
    """Return how far the library is from NumPy float64 on the same input."""
    args = inputs(call, dtype)
    with value_checks("never" if call.derivative else "host"):
        expected = reference(call, dtype)
        if call.derivative:
            got = [gradient(backend, call.function, args)]
        else:
            got = arrays(backend.run(call.function, *args))
    scale = max(1.0, *(np.nanmax(np.abs(e), initial=0) for e in expected))
    pairs = zip(got, expected, strict=True)
    if any(g.shape != e.shape or (np.isnan(g) != np.isnan(e)).any() for g, e in pairs):
        raise AssertionError("other shape or other NaN")
    differ = (np.nanmax(np.abs(g - e), initial=0) for g, e in zip(got, expected, strict=True))
    return float(max(differ) / scale)


def cell(call: Call, backend: Backend) -> dict[str, Any]:
    """Return the deviations, or the reason why there are none."""
    reason = backend.unavailable()
    if reason is not None:
        return {"reason": reason}
    if call.derivative and backend.module not in ("torch", "jax"):
        return {"reason": "no derivatives"}
    try:
        return {dtype: deviation(call, backend, dtype) for dtype in DTYPES}
    except pytest.skip.Exception as skipped:
        return {"reason": str(skipped)}
    except Exception as error:  # what a library cannot do is a result of this table
        text = " ".join(str(error).split())
        return {"reason": f"{backend.name}: {type(error).__name__}: {text[:160]}"}


def markdown(rows: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Return the table, with the reasons below it."""
    reasons: list[str] = []
    columns = [b.name for b in LIBRARIES]
    absent = {
        c: rows[next(iter(rows))][c]["reason"]
        for c in columns
        if len({row[c].get("reason") for row in rows.values()} - {"no derivatives"}) == 1
        and "reason" in rows[next(iter(rows))][c]
    }
    columns = [c for c in columns if c not in absent]
    lines = [
        "| float64, float32 | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, row in rows.items():
        cells = []
        for column in columns:
            entry = row[column]
            reason = entry.get("reason")
            if reason == "no derivatives":
                cells.append("")
            elif reason is not None:
                if reason not in reasons:
                    reasons.append(reason)
                cells.append(f"[{reasons.index(reason) + 1}]")
            else:
                cells.append(", ".join(f"{entry[d]:.0e}" for d in DTYPES))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    notes = ["Of integer input the result has a library's default dtype: float32 in PyTorch."]
    notes += [f"[{i}] {reason}" for i, reason in enumerate(reasons, 1)]
    notes += [f"{name}: {reason}" for name, reason in absent.items()]
    return "\n\n".join(["\n".join(lines), *notes])


def versions() -> dict[str, str]:
    """Return the versions of what was compared."""
    found = {"python": platform.python_version(), "processor": platform.machine()}
    for name in ("numpy", "torch", "jax", "dask", "array-api-strict", "array-api-compat", *OUTSIDE):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run the table."""
    import jax

    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consistency", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", type=Path, help="write the deviations here")
    parser.add_argument("--page", type=Path, help="put the table between its marks in this file")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = {}
        for call in (progress := tqdm(CALLS, unit="function")):
            progress.set_postfix_str(call.name)
            rows[call.name] = {b.name: cell(call, b) for b in LIBRARIES}
    text = markdown(rows)
    print(text)
    if options.page:
        before, rest = options.page.read_text().split(START)
        options.page.write_text(f"{before}{START}\n\n{text}\n\n{END}{rest.split(END)[1]}")
    if options.json:
        record = {"versions": versions(), "deviations": rows}
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
