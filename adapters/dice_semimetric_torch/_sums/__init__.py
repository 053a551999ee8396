"""How the sums of the losses are taken, and their gradients.

`function` gives autograd the four sums of `Overlap`; `paths` chooses who takes them: `triton` on a
GPU, `host` by Numba's kernels, or `blockwise` in PyTorch's operations. `entropy` is the
cross-entropy over the same pixels.
"""
