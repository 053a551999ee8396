"""The examples run as a user runs them, and their numbers say what their words say."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from scripts import EXAMPLES, run

from dice_semimetric import KernelCalibrator

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("example", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_every_example_is_run_by_a_test(example: str) -> None:
    names = f'"{example}"', f"{example}.py"
    tests = (path.read_text() for path in TESTS.glob("*/test_*.py"))
    assert any(name in text for text in tests for name in names)


def test_dml_is_smallest_at_the_label_and_sdl_is_not() -> None:
    found = run("paradox")
    values = found["values"]
    assert values[found["curves"]["DML1"].argmin()] == 0.5
    assert found["curves"]["DML1"].min() == 0
    assert values[found["curves"]["SDL"].argmin()] == 1
    sdl, dml = found["losses"]["SDL"], found["losses"]["DML1"]
    assert np.all(np.diff(sdl) < 0)
    assert np.all(np.diff(dml) > 0)
    assert dml[0] == 0
    assert set(np.unique(found["mask"])) == {0, 1}


def test_only_dml_on_the_mean_asks_for_the_mean() -> None:
    preferred = run("paradox")["preferred"]
    assert {key for key, what in preferred.items() if what == "the mean"} == {("DML1", "mean")}


def test_labels_and_scores_of_raters() -> None:
    found = run("raters_to_scores")
    raters, labels, scores = found["raters"], found["labels"], found["scores"]
    p = raters.mean(axis=0)
    assert np.array_equal(labels["majority"], p > 0.5)
    assert labels["mean"] == pytest.approx(p)
    assert labels["weighted"] == pytest.approx(np.tensordot(found["weights"], raters, 1))
    assert found["split"] == pytest.approx(4 * p * (1 - p))
    x = found["prediction"]
    dice = 1 - np.abs(x - p).sum() / (x + p).sum()
    assert scores["mean"]["Dice"] == pytest.approx(dice, rel=1e-5)
    assert scores["mean"]["Dice"] > scores["majority"]["Dice"]


def test_statistics_of_cases_add_up_on_every_library() -> None:
    here = run("evaluate_gpu", "--library", "numpy", "--cases", "3")
    x = np.stack([case.prediction for case in here["made"]]).astype(float)
    y = np.stack([case.masks.mean(axis=0) for case in here["made"]])
    assert here["scores"]["Dice"] == pytest.approx(1 - np.abs(x - y).sum() / (x + y).sum())
    pytest.importorskip("torch")
    there = run("evaluate_gpu", "--cases", "3")
    assert there["library"] != "numpy"
    assert there["scores"] == pytest.approx(here["scores"], rel=1e-5)


def test_a_library_that_cannot_compute_is_named(capsys: pytest.CaptureFixture) -> None:
    cupy = pytest.importorskip("cupy")
    if cupy.cuda.is_available():
        pytest.skip("CuPy can compute here")
    with pytest.raises(SystemExit):
        run("evaluate_gpu", "--library", "cupy")
    assert "cupy cannot compute here; there are numpy" in capsys.readouterr().err


def test_monai_learns_and_is_calibrated(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("monai")
    pytest.importorskip("torchmetrics")
    out = tmp_path / "out"
    found = run("train_monai", "--epochs", "30", "--out", str(out))
    assert found["losses"][-1] < 0.5 * found["losses"][0]
    before, after = found["scores"]["before"], found["scores"]["after"]
    assert before["BDice"] > 0.7
    assert after["ECE"] < before["ECE"]
    written = KernelCalibrator.load(out / "calibrator.npz")
    assert written.get_params() == found["calibrator"].get_params()
    raters = str(found["options"].data / "Testing")
    evaluate = ["evaluate", "--pred", str(out / "predictions"), "--ref", raters]
    assert main([*evaluate, "--out", str(tmp_path / "scores")]) == 0
    with (tmp_path / "scores" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["cases"]["Testing"])
    for options, message in (
        (["--out", str(out)], "name a new folder"),
        (["--data", str(tmp_path)], "no CASE/image.nii.gz in .*Training,Validation,Testing"),
    ):
        with pytest.raises(SystemExit):
            run("train_monai", *options)
        assert re.search(message, capsys.readouterr().err)


def test_lightning_learns_in_half_precision() -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("torchmetrics")
    history = run("train_lightning", "--epochs", "15")["module"].history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["BDice"][-1] > 0.6
    assert len(history["ECE"]) == 15


def test_two_processes_have_the_loss_of_the_joined_batch() -> None:
    pytest.importorskip("lightning")
    pytest.importorskip("torchmetrics")
    options = ["--epochs", "1", "--precision", "32-true"]
    one = run("train_lightning", *options)["module"].history["loss"]
    command = [sys.executable, str(EXAMPLES / "train_lightning.py"), *options, "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("loss")]
    two = [float(value) for value in line.split()[1:-1]]
    assert len(two) == 3
    assert two == pytest.approx(one[:3], abs=2e-4)


def test_the_calibrated_teacher_helps() -> None:
    pytest.importorskip("torch")
    found = run("distil")
    teachers, students = found["teachers"], found["students"]
    assert teachers["calibrated"]["ECE"] < 0.95 * teachers["raw"]["ECE"]
    assert teachers["calibrated"]["BDice"] > 0.85
    assert students["labels and teacher"]["ECE"] < students["labels"]["ECE"]
    assert set(found["seconds"]) >= {"a teacher's step", "calibration of an image"}
