# mypy: ignore-errors
"""The GPU kernels behind `triton_counts`: tiles are read as for `Overlap`, and each once.

A program keeps the sums of all thresholds or bins of its tiles and writes them at the end.
"""

import triton
import triton.language as tl

from .triton_kernels import _tile


@triton.jit
def level_counts(
    pred,
    target,
    mask,
    levels,
    partial,
    pixels,
    ignored,
    CLASSES: tl.constexpr,
    ACTIVATION: tl.constexpr,
    LABELS: tl.constexpr,
    IGNORED: tl.constexpr,
    MASK_CLASSES: tl.constexpr,
    DTYPE: tl.constexpr,
    LEVELS: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Count who reaches which of the levels (2, LEVELS): (images, programs, 3, LEVELS, CLASSES)."""
    program, programs = tl.program_id(0), tl.num_programs(0)
    image = tl.program_id(1).to(tl.int64)
    k, c = tl.arange(0, BLOCK_K), tl.arange(0, BLOCK_C)
    of_x = tl.zeros([BLOCK_K, BLOCK_C], tl.int64)
    of_y = tl.zeros([BLOCK_K, BLOCK_C], tl.int64)
    of_both = tl.zeros([BLOCK_K, BLOCK_C], tl.int64)
    for tile in range(program, tl.cdiv(pixels, BLOCK_N), programs):
        x, y, keep, _, _, _ = _tile(
            pred,
            target,
            mask,
            image,
            tile * tl.full([], BLOCK_N, tl.int64),
            pixels,
            ignored,
            CLASSES,
            ACTIVATION,
            LABELS,
            IGNORED,
            MASK_CLASSES,
            DTYPE,
            BLOCK_C,
            BLOCK_N,
        )
        for level in range(LEVELS):
            above_x = (keep & (x >= tl.load(levels + level))).to(tl.int32)
            above_y = (keep & (y >= tl.load(levels + LEVELS + level))).to(tl.int32)
            here = (k == level)[:, None]
            of_x += tl.where(here, tl.sum(above_x, axis=1)[None, :], 0)
            of_y += tl.where(here, tl.sum(above_y, axis=1)[None, :], 0)
            of_both += tl.where(here, tl.sum(above_x * above_y, axis=1)[None, :], 0)
    step: tl.constexpr = LEVELS * CLASSES
    out = partial + (image * programs + program) * 3 * step + k[:, None] * CLASSES + c[None, :]
    inside = (k < LEVELS)[:, None] & (c < CLASSES)[None, :]
    tl.store(out, of_x.to(tl.float64), mask=inside)
    tl.store(out + step, of_y.to(tl.float64), mask=inside)
    tl.store(out + 2 * step, of_both.to(tl.float64), mask=inside)


@triton.jit
def bin_sums(
    pred,
    target,
    mask,
    edges,
    partial,
    pixels,
    ignored,
    CLASSES: tl.constexpr,
    ACTIVATION: tl.constexpr,
    LABELS: tl.constexpr,
    IGNORED: tl.constexpr,
    MASK_CLASSES: tl.constexpr,
    DTYPE: tl.constexpr,
    BINS: tl.constexpr,
    STEP: tl.constexpr,
    TOP: tl.constexpr,
    HARD: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Sum the pixels of each bin, rows of bins a class or one: (images, programs, 3, BINS, rows).

    The edges of a row lie STEP after those of the row before.
    """
    program, programs = tl.program_id(0), tl.num_programs(0)
    image = tl.program_id(1).to(tl.int64)
    ROWS: tl.constexpr = 1 if TOP else CLASSES
    BLOCK_R: tl.constexpr = 1 if TOP else BLOCK_C
    k, r = tl.arange(0, BLOCK_K), tl.arange(0, BLOCK_R)
    count = tl.zeros([BLOCK_K, BLOCK_R], tl.int64)
    confidence = tl.zeros([BLOCK_K, BLOCK_R], tl.float64)
    correct = tl.zeros([BLOCK_K, BLOCK_R], tl.float64)
    for tile in range(program, tl.cdiv(pixels, BLOCK_N), programs):
        x, y, keep, _, _, _ = _tile(
            pred,
            target,
            mask,
            image,
            tile * tl.full([], BLOCK_N, tl.int64),
            pixels,
            ignored,
            CLASSES,
            ACTIVATION,
            LABELS,
            IGNORED,
            MASK_CLASSES,
            DTYPE,
            BLOCK_C,
            BLOCK_N,
        )
        if TOP:  # of equal classes the first
            most, best = tl.max(tl.where(keep, x, float("-inf")), axis=0, return_indices=True)
            chosen = tl.arange(0, BLOCK_C)[:, None] == best[None, :]
            x = most[None, :]
            y = tl.sum(tl.where(chosen, y, 0.0), axis=0)[None, :]
            keep = (tl.max(keep.to(tl.int32), axis=0) > 0)[None, :]
        if HARD:
            y = (y == 1.0).to(DTYPE)
        above = keep
        for level in range(BINS):
            last = level + 1 == BINS
            edge = tl.load(edges + r * STEP + level + 1, mask=r < ROWS, other=0.0)[:, None]
            higher = above & ((x >= edge) & (last == 0))
            within = above & (higher == 0)
            above = higher
            here = (k == level)[:, None]
            number = tl.sum(within.to(tl.int32), axis=1)[None, :]
            of_x = tl.sum(tl.where(within, x, 0.0), axis=1)[None, :]
            of_y = tl.sum(tl.where(within, y, 0.0), axis=1)[None, :]
            count += tl.where(here, number, 0)
            confidence += tl.where(here, of_x, 0.0)
            correct += tl.where(here, of_y, 0.0)
    step: tl.constexpr = BINS * ROWS
    out = partial + (image * programs + program) * 3 * step + k[:, None] * ROWS + r[None, :]
    some = (k < BINS)[:, None] & (r < ROWS)[None, :]
    tl.store(out, count.to(tl.float64), mask=some)
    tl.store(out + step, confidence, mask=some)
    tl.store(out + 2 * step, correct, mask=some)
