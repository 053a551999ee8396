"""The example for nnU-Net writes its data set, and names the commands that follow."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from scripts import EXAMPLES

pytest.importorskip("torch")
pytest.importorskip("nibabel")


@pytest.mark.skipif(find_spec("nnunetv2") is not None, reason="it would train")
def test_the_data_set_is_written_and_what_follows_is_printed(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "nnunet_raters.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    made = tmp_path / "raw/Dataset001_Raters"
    description = json.loads((made / "dataset.json").read_text())
    assert description["numTraining"] == len(list((made / "labelsTr").iterdir())) == 8
    assert description["labels"]["background"] == 0
    lines = [line for line in done.stdout.splitlines() if line.startswith("$")]
    assert [line.split()[1] for line in lines] == [
        "dice-semimetric",
        "dice-semimetric",
        "nnUNetv2_plan_and_preprocess",
        "nnUNetv2_train",
        "nnUNetv2_predict",
        "dice-semimetric",
    ]
    assert "nnUNetTrainerDMLRaters" in lines[3]
