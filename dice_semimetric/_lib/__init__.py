"""What the core shares: arrays and their checks, blocks, and the seam for adapters."""
