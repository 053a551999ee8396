"""Kernel regression of labels on probabilities: calibration, its error, teachers."""
