"""A data set for nnU-Net v2 whose labels count the votes of each case's raters."""

from .dataset import Wanted, write_dataset

__all__ = ["Wanted", "write_dataset"]
