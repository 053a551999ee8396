# mypy: ignore-errors
"""The GPU kernels behind `triton`: one program reads tiles of all classes of some pixels.

A tile is read once. The forward pass leaves four sums for each program, in double precision, which
are added up afterwards in a fixed order. The backward pass computes the probabilities again from
the logits and writes the gradient at once, so that nothing of the logits' size is kept between.
The cross-entropy over the same pixels takes part in both passes where it is wanted.
"""

import triton
import triton.language as tl

from .triton_entropy_kernels import class_weights, costs, counted


@triton.jit
def _probabilities(z, inside, ACTIVATION: tl.constexpr):
    """Return the probabilities of a tile of logits, 0 outside the classes and pixels there are.

    With those of a softmax come their logarithms, which have more digits near 0, else the logits.
    """
    if ACTIVATION == "softmax":
        z = tl.where(inside, z, float("-inf"))
        top = tl.max(z, axis=0)
        top = tl.where(top == float("-inf"), 0.0, top)  # outside the image there is no class
        weight = tl.exp(z - top[None, :])
        total = tl.sum(weight, axis=0)
        total = tl.where(total == 0.0, 1.0, total)
        x = tl.where(inside, weight * (1.0 / total)[None, :], 0.0)
        return x, z - (top + tl.log(total))[None, :]
    if ACTIVATION == "sigmoid":
        weight = tl.exp(-tl.abs(z))
        return tl.where(inside, tl.where(z >= 0, 1.0, weight) / (1.0 + weight), 0.0), z
    return z, z


@triton.jit
def _tile(
    pred,
    target,
    mask,
    image,
    start,
    pixels,
    ignored,
    CLASSES: tl.constexpr,
    ACTIVATION: tl.constexpr,
    LABELS: tl.constexpr,
    IGNORED: tl.constexpr,
    MASK_CLASSES: tl.constexpr,
    DTYPE: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Return probabilities, target and which of them count for a tile, and where the tile lies.

    Last is what `_probabilities` returns beside them.
    """
    c = tl.arange(0, BLOCK_C)
    n = start + tl.arange(0, BLOCK_N).to(tl.int64)
    inside = (c < CLASSES)[:, None] & (n < pixels)[None, :]
    at = (image * CLASSES + c.to(tl.int64)[:, None]) * pixels + n[None, :]
    x = tl.load(pred + at, mask=inside, other=0.0).to(DTYPE)
    x, z = _probabilities(x, inside, ACTIVATION)
    keep = inside
    if LABELS:
        label = tl.load(target + image * pixels + n, mask=n < pixels, other=0).to(tl.int64)
        first = 1 if CLASSES == 1 else 0  # one class alone is the foreground
        y = (label[None, :] == (c + first)[:, None]).to(DTYPE)
        if IGNORED:
            keep = keep & (label != ignored)[None, :]
    else:
        y = tl.load(target + at, mask=inside, other=0.0).to(DTYPE)
    if MASK_CLASSES == 1:
        counts = tl.load(mask + image * pixels + n, mask=n < pixels, other=0)
        keep = keep & (counts != 0)[None, :]
    elif MASK_CLASSES > 1:
        keep = keep & (tl.load(mask + at, mask=inside, other=0) != 0)
    return x, y, keep, inside, at, z


@triton.jit
def overlap_forward(
    pred,
    target,
    mask,
    weight,
    partial,
    pixels,
    ignored,
    CLASSES: tl.constexpr,
    ACTIVATION: tl.constexpr,
    LABELS: tl.constexpr,
    IGNORED: tl.constexpr,
    MASK_CLASSES: tl.constexpr,
    DTYPE: tl.constexpr,
    ENTROPY: tl.constexpr,
    WEIGHTED: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Write the sums of each program's tiles: partial is (images, programs, 4 * CLASSES).

    With ENTROPY two more follow, of the cross-entropy and of what its mean divides by.
    """
    program, programs = tl.program_id(0), tl.num_programs(0)
    image = tl.program_id(1).to(tl.int64)
    # each place in the tile has sums of its own: threads need one another at the end only
    sum_x = tl.zeros([BLOCK_C, BLOCK_N], DTYPE)
    sum_y = tl.zeros([BLOCK_C, BLOCK_N], DTYPE)
    difference = tl.zeros([BLOCK_C, BLOCK_N], DTYPE)
    product = tl.zeros([BLOCK_C, BLOCK_N], DTYPE)
    c = tl.arange(0, BLOCK_C)
    if ENTROPY:
        w = class_weights(weight, c, CLASSES, WEIGHTED, DTYPE)[:, None]
        cost = tl.zeros([BLOCK_C, BLOCK_N], DTYPE)
        count = tl.zeros([BLOCK_C, BLOCK_N], DTYPE)
    for tile in range(program, tl.cdiv(pixels, BLOCK_N), programs):
        x, y, keep, _, _, z = _tile(
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
        x = tl.where(keep, x, 0.0)
        y = tl.where(keep, y, 0.0)
        sum_x += x
        sum_y += y
        difference += tl.abs(x - y)
        product += x * y
        if ENTROPY:
            cost += tl.where(keep, costs(z, y, w, ACTIVATION), 0.0)
            count += counted(y, w, keep, c, ACTIVATION, LABELS)
    width = 4 * CLASSES + 2 if ENTROPY else 4 * CLASSES
    out = partial + (image * programs + program) * width + c
    tl.store(out, tl.sum(sum_x.to(tl.float64), axis=1), mask=c < CLASSES)
    tl.store(out + CLASSES, tl.sum(sum_y.to(tl.float64), axis=1), mask=c < CLASSES)
    tl.store(out + 2 * CLASSES, tl.sum(difference.to(tl.float64), axis=1), mask=c < CLASSES)
    tl.store(out + 3 * CLASSES, tl.sum(product.to(tl.float64), axis=1), mask=c < CLASSES)
    if ENTROPY:
        total = tl.sum(tl.sum(cost.to(tl.float64), axis=1), axis=0)
        number = tl.sum(tl.sum(count.to(tl.float64), axis=1), axis=0)
        tl.store(out + 4 * CLASSES, total, mask=c == 0)
        tl.store(out + 4 * CLASSES + 1, number, mask=c == 0)


@triton.jit
def overlap_backward(
    pred,
    target,
    mask,
    weight,
    scale,
    gradient,
    of_pred,
    of_target,
    pixels,
    ignored,
    step,
    step_image,
    step_class,
    CLASSES: tl.constexpr,
    ACTIVATION: tl.constexpr,
    LABELS: tl.constexpr,
    IGNORED: tl.constexpr,
    MASK_CLASSES: tl.constexpr,
    DTYPE: tl.constexpr,
    NEEDS_PRED: tl.constexpr,
    NEEDS_TARGET: tl.constexpr,
    ENTROPY: tl.constexpr,
    WEIGHTED: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Write the gradients of a tile from that of the sums, (4, images, CLASSES) in any strides.

    With ENTROPY that of the cross-entropy's sum, the one entry of scale, takes part in pred's.
    """
    image = tl.program_id(1).to(tl.int64)
    x, y, keep, inside, at, _ = _tile(
        pred,
        target,
        mask,
        image,
        tl.program_id(0).to(tl.int64) * BLOCK_N,
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
    c = tl.arange(0, BLOCK_C)
    given = gradient + image * step_image + c * step_class
    g_x = tl.load(given, mask=c < CLASSES, other=0.0).to(DTYPE)[:, None]
    g_y = tl.load(given + step, mask=c < CLASSES, other=0.0).to(DTYPE)[:, None]
    g_difference = tl.load(given + 2 * step, mask=c < CLASSES, other=0.0).to(DTYPE)[:, None]
    g_product = tl.load(given + 3 * step, mask=c < CLASSES, other=0.0).to(DTYPE)[:, None]
    sign = tl.where(x > y, 1.0, 0.0).to(DTYPE) - tl.where(x < y, 1.0, 0.0).to(DTYPE)
    if NEEDS_TARGET:
        slope = tl.where(keep, g_y - g_difference * sign + g_product * x, 0.0)
        tl.store(of_target + at, slope.to(of_target.dtype.element_ty), mask=inside)
    if NEEDS_PRED:
        slope = tl.where(keep, g_x + g_difference * sign + g_product * y, 0.0)
        if ENTROPY:
            each = tl.load(scale).to(DTYPE)
            y = tl.where(keep, y, 0.0)
            wanted = each * class_weights(weight, c, CLASSES, WEIGHTED, DTYPE)[:, None] * y
        if ACTIVATION == "softmax":
            # a class that does not count still shares in the sum of those that do
            some = tl.max(keep.to(tl.int32), axis=0) > 0
            x = tl.where(some[None, :], x, 0.0)
            if ENTROPY:
                slope = x * (slope - tl.sum(x * slope - wanted, axis=0)[None, :]) - wanted
            else:
                slope = x * (slope - tl.sum(x * slope, axis=0)[None, :])
        elif ACTIVATION == "sigmoid":
            x = tl.where(keep, x, 0.0)
            if ENTROPY:
                slope = x * ((1.0 - x) * slope + each * (1.0 - y)) - wanted * (1.0 - x)
            else:
                slope = slope * x * (1.0 - x)
        tl.store(of_pred + at, slope.to(of_pred.dtype.element_ty), mask=inside)
