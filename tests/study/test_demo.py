"""``make demo``: the whole story on phantoms and on real cases."""

import csv
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import data_folder, save, study

PICTURES = ("paradox.png", "cases.png", "scores/bdice.png", "scores/reliability.png", "report.html")


def test_the_default_runs_by_itself(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    argv = [sys.executable, "-m", "dice_semimetric_study", "demo", "--out", str(out)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "This holds in 8 of 8 cases." in done.stdout
    with (out / "paradox.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    for row in rows:
        assert float(row["sdl_self"]) > float(row["sdl_hard"])
        assert float(row["dml1_self"]) == float(row["dml2_self"]) == 0
    to_truth = {
        line.split()[0]: float(line.split()[1])
        for line in done.stdout.split("DML1 to truth")[1].splitlines()[2:7]
    }
    # The mean of the raters is nearer to the probabilities than any hard label.
    assert to_truth["uniform"] < min(to_truth["majority"], to_truth["random"])
    summary = json.loads((out / "scores/summary.json").read_text())
    assert summary["overall"]["cases"] == {"scored": 8, "faulty": 0}
    assert 0.8 < summary["overall"]["bdice"] < 1
    assert all((out / name).stat().st_size > 10_000 for name in PICTURES)
    assert len(list((out / "fused").rglob("*.nii.gz"))) == 5 * 8


def test_a_real_folder(tmp_path: Path, capsys) -> None:
    data = data_folder()
    argv = ["demo", "--data", str(data / "lidc4-nodules/lidc-nodule/Testing")]
    argv += ["--pred", str(data / "lidc4-predictions/dml_soft"), "--out", str(tmp_path)]
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert "This holds in 87 of 87 cases." in text
    assert " 0.865 " in text
    assert all((tmp_path / name).is_file() for name in PICTURES)


@pytest.mark.parametrize(
    ("module", "name"), [("agree.agree", "agree_files"), ("scores.devices", "score_files")]
)
def test_stopped_in_any_part(tmp_path: Path, monkeypatch, capsys, module: str, name: str) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module(f"dice_semimetric_study.{module}"), name, stop)
    assert main(["demo", "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "dice-semimetric: stopped by the user"
    known = json.loads((tmp_path / "out/files.json").read_text())
    assert known["state"] != "finished"


def test_three_axes_faults_and_empty_labels(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path, shape=(20, 24, 5))
    (ref / "case02/task01_seg01.nii.gz").write_bytes(b"")
    for r in (1, 2, 3):
        path = ref / f"case03/task01_seg0{r}.nii.gz"
        save(path, np.zeros((20, 24, 5), np.uint8))
    out = tmp_path / "out"
    assert main(["demo", "--data", str(ref), "--pred", str(pred), "--out", str(out)]) == 1
    text = capsys.readouterr()
    assert "This holds in 1 of 2 cases." in text.out
    assert "case02 task01: task01_seg01.nii.gz is empty" in text.err
    assert (out / "cases.png").is_file()
    assert main(["demo", "--data", str(ref), "--out", str(out), "--overwrite"]) == 1
    assert "No predictions to score" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["inside", "alone"])
def test_usage(tmp_path: Path, where: str, capsys) -> None:
    ref, pred = study(tmp_path)
    argv = {
        "inside": ["demo", "--data", str(ref), "--out", str(ref / "demo")],
        "alone": ["demo", "--pred", str(pred), "--out", str(tmp_path / "out")],
    }[where]
    assert main(argv) == 2
    assert "must not lie in" in (err := capsys.readouterr().err) or "needs --data" in err
    assert not (ref / "demo").exists()
