"""Kernels for CuPy: the core's reductions in one pass over the GPU's memory.

Nothing here is called by hand. The core finds `dice_semimetric_cupy.kernels` by the type of its
arrays, so that ``dice_semimetric.binarized_dice(a, b)`` is fast for CuPy arrays by itself.
"""
