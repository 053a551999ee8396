"""Compiled kernels for arrays in the host's memory, whoever's they are: NumPy's, PyTorch's, JAX's.

`kernels` is what the core's seam finds. Everything else is imported when it is first used, since
Numba takes as long to import as the rest together.
"""
