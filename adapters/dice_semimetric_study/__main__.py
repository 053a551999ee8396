"""``python -m dice_semimetric_study`` is the command ``dice-semimetric``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
