"""Checkpoints that a kill at any point leaves whole, and that fit one configuration only."""

from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from dice_semimetric_study.files.atomic import write_bytes

from .config import Config


def save(path: Path, config: Config, state: dict[str, Any]) -> None:
    """Write the state so that ``path`` never holds half of it."""
    content = BytesIO()
    torch.save({"config": asdict(config), **state}, content)
    write_bytes(path, content.getvalue())


def load(path: Path, config: Config, device: torch.device) -> dict[str, Any] | None:
    """Return the state that `save` wrote, or None where there is none.

    Raises ValueError if it cannot be read or is of another configuration.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        saved = state["config"]
    except Exception as error:  # torch has no one error for a file that is not a checkpoint
        raise ValueError(
            f"the checkpoint {path} cannot be read ({type(error).__name__}); "
            "start over with --restart"
        ) from error
    differences = config.differences(saved)
    if differences:
        raise ValueError(
            f"the checkpoint {path} is of another configuration ({'; '.join(differences)}); "
            "choose another --out, or start over with --restart"
        )
    return state
