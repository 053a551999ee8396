"""Fuse and score a volume that is larger than memory, chunk by chunk.

    python -m benchmarks.speed.dask_volume --gigabytes 40 --out benchmarks/results/dask-volume.json

The volume is virtual: each chunk of the prediction and of four raters' masks is drawn when it is
needed and dropped when it has been scored. All values are drawn independently, x ~ U(0, 1) and each
rater marks a voxel with probability 1/2, so the scores are known: they are compared with the
formulas below. The peak of the resident memory and the wall time are written down.
"""

import argparse
import json
import math
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np

from dice_semimetric import binarized_dice, dice_score, uniform_average

RATERS = 4
SIDE = 256
#: A float32 prediction and one byte a rater.
BYTES_PER_VOXEL = 4 + RATERS


def virtual_volume(gigabytes: float) -> tuple[Any, Any]:
    """Return a prediction (Z, 2048, 2048) and its raters, (R, Z, 2048, 2048), both lazy."""
    slabs = max(1, round(gigabytes * 1e9 / BYTES_PER_VOXEL / (SIDE * 2048**2)))
    shape, chunks = (slabs * SIDE, 2048, 2048), (SIDE, SIDE, SIDE)
    pred = da.map_blocks(_draw_pred, chunks=_chunks(shape, chunks), dtype="float32", meta=_meta(3))
    raters = da.map_blocks(
        _draw_raters,
        chunks=((RATERS,), *_chunks(shape, chunks)),
        dtype="bool",
        meta=_meta(4).astype(bool),
    )
    return pred, raters


def _chunks(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple((c,) * (n // c) for n, c in zip(shape, chunk, strict=True))


def _meta(ndim: int) -> np.ndarray:
    return np.empty((0,) * ndim, "float32")


def _draw_pred(block_info: Any = None) -> np.ndarray:
    place = block_info[None]
    rng = np.random.default_rng([1, *place["chunk-location"]])
    return rng.random(place["chunk-shape"], dtype="float32")


def _draw_raters(block_info: Any = None) -> np.ndarray:
    """Return masks from random bits, a byte of them for eight voxels."""
    place = block_info[None]
    rng = np.random.default_rng([2, *place["chunk-location"]])
    bits = np.frombuffer(rng.bytes(math.prod(place["chunk-shape"]) // 8), np.uint8)
    return np.unpackbits(bits).reshape(place["chunk-shape"]).astype(bool)


def expected() -> dict[str, float]:
    """Return the scores of the whole distribution: y is the mean of R fair coins, x uniform."""
    levels = [k / RATERS for k in range(RATERS + 1)]
    weights = [math.comb(RATERS, k) / 2**RATERS for k in range(RATERS + 1)]
    difference = sum(w * (y**2 + (1 - y) ** 2) / 2 for w, y in zip(weights, levels, strict=True))
    curve = []
    for t in (k / 10 for k in range(1, 10)):
        above = sum(w for w, y in zip(weights, levels, strict=True) if y >= t)
        curve.append(2 * (1 - t) * above / ((1 - t) + above))
    return {"dice": 1 - difference, "bdice": sum(curve) / len(curve)}


def score(gigabytes: float, threads: int) -> dict[str, Any]:
    """Return the scores, the wall time and the peak of the resident memory."""
    pred, raters = virtual_volume(gigabytes)
    target = uniform_average(raters, dtype=np.float32)
    lazy = {"dice": dice_score(pred, target), "bdice": binarized_dice(pred, target)}
    tasks = len(dict(dask.base.collections_to_expr(list(lazy.values())).__dask_graph__()))
    before, load = _peak_gigabytes(), os.getloadavg()[0]
    start, processor = time.perf_counter(), time.process_time()
    (values,) = dask.compute(lazy, scheduler="threads", num_workers=threads)
    seconds = time.perf_counter() - start
    return {
        "gigabytes": (pred.nbytes + raters.nbytes) / 1e9,
        "voxels": pred.size,
        "chunks": pred.npartitions,
        "tasks": tasks,
        "threads": threads,
        "seconds": round(seconds, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "load_before": round(load, 1),
        "peak_resident_gigabytes": round(_peak_gigabytes(), 2),
        "peak_before_gigabytes": round(before, 2),
        "scores": {name: float(value) for name, value in values.items()},
        "expected": expected(),
        "machine": {"processors": os.cpu_count(), "system": platform.machine()},
        "versions": {"python": platform.python_version(), "dask": dask.__version__},
    }


def _peak_gigabytes() -> float:
    """Return the largest resident memory of this process so far; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Score a virtual volume and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = score(options.gigabytes, options.threads)
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
