# mypy: ignore-errors
"""The GPU kernels behind `triton_fusion`: a program takes a run of pixels, and all their raters."""

import triton
import triton.language as tl


@triton.jit
def marked(
    raters,
    shares,
    out,
    wanted,
    alike,
    pixels,
    number,
    SHARED: tl.constexpr,
    CLASS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Add the shares of the raters that marked a pixel, from the first on; `alike` pixels share."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < pixels
    total = tl.zeros([BLOCK], out.dtype.element_ty)
    label, share = raters + n, shares + n // alike
    for _ in range(number):
        found = tl.load(label, mask=inside, other=0)
        if CLASS:
            marks = found.to(tl.int64) == wanted
        else:
            marks = found != 0
        if SHARED:
            total += tl.where(marks, tl.load(share, mask=inside, other=0), 0)
        else:
            total += marks.to(total.dtype)
        label += pixels
        share += tl.cdiv(pixels, alike)
    tl.store(out + n, total, mask=inside)


@triton.jit
def most_frequent(raters, out, wanted, pixels, number, BLOCK: tl.constexpr):
    """Write the label below `wanted` that most raters gave, of tied ones the lowest, or 0."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < pixels
    best = tl.zeros([BLOCK], tl.int64)
    most = tl.zeros([BLOCK], tl.int32)
    one = raters + n
    for _ in range(number):  # the labels stay in the cache
        label = tl.load(one, mask=inside, other=0).to(tl.int64)
        votes = tl.zeros([BLOCK], tl.int32)
        other = raters + n
        for _ in range(number):
            votes += (tl.load(other, mask=inside, other=0).to(tl.int64) == label).to(tl.int32)
            other += pixels
        better = (votes > most) | ((votes == most) & (label < best))
        better = better & (label >= 0) & (label < wanted)
        best = tl.where(better, label, best)
        most = tl.where(better, votes, most)
        one += pixels
    tl.store(out + n, best.to(out.dtype.element_ty), mask=inside)


@triton.jit
def look_up(index, table, out, pixels, BLOCK: tl.constexpr):
    """Write the entry of the table at each index."""
    n = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = n < pixels
    at = tl.load(index + n, mask=inside, other=0).to(tl.int64)
    tl.store(out + n, tl.load(table + at, mask=inside), mask=inside)
