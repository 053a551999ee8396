"""Reductions of NumPy arrays in blocks that stay in a cache, for where no compiler is installed."""
