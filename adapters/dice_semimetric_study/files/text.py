"""Text: small files that a person wrote, and digests."""

import hashlib
from pathlib import Path

#: More bytes than any table of patients or regions has.
_MOST = 1 << 26


def read_small(path: Path) -> bytes:
    """Return the bytes of a small file, or raise OSError.

    What has no end, such as a device, is not read to its end.
    """
    with path.open("rb") as file:
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise OSError(f"it has more than {_MOST >> 20} MiB")
    return content


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text, whatever characters file names hold."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()
