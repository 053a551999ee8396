"""Probability maps calibrated by held-out cases."""
