"""Every function on every array library: the largest deviation from NumPy in float64."""
