"""The commands of ``dice-semimetric``, each with its options, its help and what it calls."""

from . import agreement, calibrate, compare, completion, demo, evaluate, fuse, nnunet, phantoms

_MODULES = (fuse, agreement, evaluate, compare, calibrate, nnunet, demo, phantoms, completion)
#: In the order of the help.
COMMANDS = tuple(module.COMMAND for module in _MODULES)
