"""The commands of ``dice-semimetric``, each with its options, its help and what it calls."""

from . import agreement, calibrate, compare, completion, demo, evaluate, fuse, phantoms

#: In the order of the help.
COMMANDS = tuple(
    module.COMMAND
    for module in (fuse, agreement, evaluate, compare, calibrate, demo, phantoms, completion)
)
