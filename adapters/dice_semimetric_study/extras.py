"""What to install where a package is missing; imports nothing itself."""

import sys
from pathlib import Path

#: Brings every package of this tool.
INSTALL = "pip install 'dice-semimetric[study]'"


def stop_without(error: ImportError) -> None:
    """End the command with one line about the missing package, or raise ImportError for others."""
    package = (error.name or "").split(".", maxsplit=1)[0]
    if package in ("", "dice_semimetric_study", "dice_semimetric"):
        raise error
    why = "" if isinstance(error, ModuleNotFoundError) else f" ({error})"
    text = f"dice-semimetric needs {package}{why}: {INSTALL}"
    # "-m": Python looks for the package that it is to run.
    if Path(sys.argv[0]).stem != "dice-semimetric" and sys.argv[0] != "-m":
        raise ImportError(text, name=error.name) from error
    print(text, file=sys.stderr)
    sys.exit(2)
