# mypy: ignore-errors
"""The host's kernels of the cross-entropy, on the tiles of `host_kernels`."""

import math

import numpy as np

from .host_kernels import ONE, TILE, ZERO, _exp, _read, _sums


@_sums
def forward(logits, target, counts, weight, images, pixels, start, stop, modes, sums):
    """Add the cross-entropy over pixels start to stop of some images to sums[0].

    To sums[1] goes what the mean divides by: each pixel that counts, or the weight of its label.
    """
    _, _, labels, hides, ignores, ignored = modes
    raw = (False, False, labels, hides, ignores, ignored)
    classes = weight.size
    size = max(256, TILE // classes)
    x, y = np.empty((classes, size), np.float32), np.empty((classes, size), np.float32)
    row, total = np.empty(size, np.float32), np.empty(size, np.float32)
    for image in range(images[0], images[1]):
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            row[:] = ONE
            _read(logits, target, counts, image, tile, pixels, raw, x, y, row, n)
            if not labels:
                kept = ZERO
                for i in range(n):
                    kept += row[i] if hides else ONE
                sums[1] += kept
            _log_sum(x, row, total, n)
            for c in range(classes):
                logit, share = x[c], y[c]
                entropy, count = ZERO, ZERO
                for i in range(n):
                    count += share[i]
                    term = share[i] * (row[i] - logit[i])
                    entropy += term if share[i] != ZERO else ZERO  # also where a logit is -inf
                sums[0] += weight[c] * entropy
                if labels:
                    sums[1] += weight[c] * count


@_sums
def _log_sum(x, row, total, n):
    """Put the logarithm of the sum of exp(x) over the classes into row."""
    for i in range(n):
        row[i] = x[0, i]
        total[i] = ZERO
    for c in range(1, x.shape[0]):
        own = x[c]
        for i in range(n):
            row[i] = own[i] if own[i] > row[i] else row[i]
    for c in range(x.shape[0]):
        own = x[c]
        for i in range(n):
            total[i] += _exp(own[i] - row[i])
    for i in range(n):
        row[i] += np.float32(math.log(total[i]))


@_sums
def backward(scale, logits, target, counts, weight, images, pixels, start, stop, modes, out):
    """Write scale times the gradient of the logits: with t = w y, it is x sum(t) - t."""
    classes = weight.size
    size = max(256, TILE // classes)
    x, y = np.empty((classes, size), np.float32), np.empty((classes, size), np.float32)
    row, mass = np.empty(size, np.float32), np.empty(size, np.float32)
    for image in range(images[0], images[1]):
        for tile in range(start, stop, size):
            n = min(size, stop - tile)
            _read(logits, target, counts, image, tile, pixels, modes, x, y, row, n)
            for i in range(n):
                mass[i] = ZERO
            for c in range(classes):
                share, factor = y[c], scale * weight[c]
                for i in range(n):
                    share[i] *= factor
                    mass[i] += share[i]
            for c in range(classes):
                prob, share = x[c], y[c]
                there = (image * classes + c) * pixels + tile
                own = out[there : there + n]
                for i in range(n):
                    own[i] = prob[i] * mass[i] - share[i]
