"""Real masks of several raters, where they are on this machine."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(os.environ.get("DSM_DATA", Path(__file__).parents[3] / "shared" / "data"))
SETS = [
    ("lidc4-nodules/lidc-nodule", "lidc4-nodules/index.json"),
    ("bubil-cells/bubil-fibroblast", "bubil-cells/bubil-fibroblast_index.json"),
    ("bubil-cells/bubil-rabbit", "bubil-cells/bubil-rabbit_index.json"),
]


def real_cases(count: int) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield the raters' masks and the index entry of some cases of each set, or skip the test."""
    nibabel = pytest.importorskip("nibabel", reason="nibabel reads the real masks")
    if not ROOT.is_dir():
        pytest.skip(f"the real data are not at {ROOT}; set DSM_DATA to their folder")
    for folder, index in SETS:
        entries = json.loads((ROOT / index).read_text())[:count]
        assert entries
        for entry in entries:
            files = sorted((ROOT / folder / entry["split"] / entry["case"]).glob("task01_seg*"))
            assert files
            yield np.stack([np.asanyarray(nibabel.load(f).dataobj) for f in files]), entry
