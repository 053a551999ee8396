"""Leave out of the doctests what needs a library that is not installed here."""

from importlib.util import find_spec

NEEDS = {"nnunetv2": "dice_semimetric_torch/nnunet/nnunet_trainer_dml.py"}

collect_ignore = [path for name, path in NEEDS.items() if find_spec(name) is None]
