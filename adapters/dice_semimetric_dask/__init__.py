"""Dask: one task a chunk, which runs the core on the chunk's own library; see `kernels`."""
