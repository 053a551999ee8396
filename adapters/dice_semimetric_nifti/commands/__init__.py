"""The commands of ``dice-semimetric``, each with its options, its help and what it calls."""

from . import calibrate, completion, demo, evaluate, fuse, phantoms

#: In the order of the help.
COMMANDS = tuple(
    module.COMMAND for module in (fuse, evaluate, calibrate, demo, phantoms, completion)
)
