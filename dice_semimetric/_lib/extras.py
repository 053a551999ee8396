"""How to install what an extra of this package brings."""


def install(extra: str) -> str:
    """Return the commands, by the package's name and in a clone, where the name may be unknown."""
    return f"pip install 'dice-semimetric[{extra}]', or in a clone pip install -e '.[{extra}]'"
