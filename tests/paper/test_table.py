"""The command `table`: what it prints, records, goes on from and refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import write_discs

from benchmarks.paper import study
from benchmarks.paper.__main__ import main
from benchmarks.paper.comparisons import LADDER
from benchmarks.paper.recipe import Recipe
from benchmarks.paper.sources import find_sources
from benchmarks.paper.tables import cells, rater_agreement

TINY = ["--networks", "unet", "unet-small", "--augment", "shift", "--crop", "16"]
TINY += ["--batch-size", "4", "--n-keys", "20", "--quick"]


def test_table_6_is_the_agreement_of_the_raters(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
) -> None:
    root = write_discs(tmp_path / "kidney", rng, {"Training": 4})
    main(["table", "6", "--data", str(root), "--out", str(tmp_path / "runs"), "--quick"])
    text = capsys.readouterr().out
    source = find_sources([root])[0][0]
    found = []
    for index in range(4):
        masks = source.data.raters(index).astype(float)
        majority = masks.sum(axis=0) > 1.5
        found += [1 - reference.loss("sdl", mask, majority) for mask in masks]
    assert rater_agreement(source) == pytest.approx(np.mean(found))
    assert f"| Dice | {100 * np.mean(found):.2f} (97.41) |" in text
    assert "| # Raters | 3 |" in text
    assert "QUICK" not in text


@pytest.mark.parametrize("table", [1, 3, 5])
def test_the_command_prints_and_records_a_table(
    table: int, tmp_path: Path, rng: np.random.Generator, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_discs(tmp_path / "data" / "a|b <c>", rng, {"Training": 5}, shape=(24, 24))
    report = tmp_path / "results" / "table"
    options = ["table", str(table), "--data", str(root), "--out", str(tmp_path / "runs"), *TINY]
    main([*options, "--report", str(report)])
    text = capsys.readouterr().out
    assert report.with_suffix(".md").read_text() == text[:-1]
    assert "QUICK RUN" in text
    assert "a\\|b &lt;c>" in text
    assert f"`python -m benchmarks.paper table {table} --data " in text
    assert str(tmp_path) not in text
    rows = list(csv.DictReader(report.with_suffix(".csv").open()))
    recipe = Recipe(networks=("unet", "unet-small"))
    expected = cells(table, find_sources([root])[0], recipe)
    assert len(rows) == len(expected)
    assert {row["quick"] for row in rows} == {"True"}
    for row, cell in zip(rows, expected, strict=True):
        assert (row["row"], row["column"]) == (" | ".join(cell.row), " | ".join(cell.column))
        assert bool(row["ours"]) == bool(cell.parts)
        assert not cell.parts or f"{float(row['ours']):.2f} ± {float(row['std']):.2f}" in text
    assert "2 folds by patient; networks: unet" in text
    model = "unet-small" if table == 5 else "unet"
    results = list((tmp_path / "runs").rglob(f"{model}-dml1-majority/*/result.json"))
    for origin in ("random weights", model):
        for path in results:
            path.write_text(json.dumps(json.loads(path.read_text()) | {"network": origin}))
        main([*options, "--finished"])
        shown = f"{model} (random weights)" in capsys.readouterr().out
        assert shown == (origin != model)
    assert report.with_suffix(".png").stat().st_size > 10_000
    assert json.loads(report.with_suffix(".json").read_text())["claims"] == []
    monkeypatch.setattr(study, "train", None)  # what is finished is not trained again
    main(options)
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if "`" not in line] == [
        line for line in text.splitlines() if "`" not in line
    ]


def test_finished_runs_are_reported_alone(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
) -> None:
    root = write_discs(tmp_path / "data", rng, {"Training": 4}, shape=(24, 24))
    options = ["--data", str(root), "--out", str(tmp_path / "runs"), *TINY]
    main(["table", "7", *options])
    capsys.readouterr()
    main(["table", "1", *options, "--finished"])
    text = capsys.readouterr().out
    assert "16 cells have no finished run yet" in text
    line = next(line for line in text.splitlines() if line.startswith("| data | Dice |"))
    assert line.count(" – ") == 4
    main(["table", "7", *options, "--finished"])
    assert "runs, of a fold or a seed each" not in capsys.readouterr().out
    next((tmp_path / "runs").rglob("fold1/result.json")).unlink()
    main(["table", "7", *options, "--finished"])
    assert "3 of 4 runs, of a fold or a seed each, are finished" in capsys.readouterr().out
    (tmp_path / "only").mkdir()
    root.rename(tmp_path / "only" / "kidney")
    with pytest.raises(SystemExit, match=r"error: Table 3 needs other data.*LiTS, KiTS") as error:
        main(["table", "3", "--data", str(tmp_path / "only"), "--out", str(tmp_path / "runs")])
    assert "the same command goes on" in str(error.value)


def test_faults_are_named_in_one_line_and_the_rest_is_done(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
) -> None:
    write_discs(tmp_path / "data" / "good", rng, {"Training": 4})
    bad = write_discs(tmp_path / "data" / "bad", rng, {"Training": 2})
    (bad / "Training" / "case01" / "image.nii.gz").write_bytes(b"half")
    options = ["table", "6", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "runs")]
    with pytest.raises(SystemExit, match="some data sets could not be used"):
        main(options)
    text = capsys.readouterr().out
    assert "| # Raters | 3 |" in text
    assert "cannot be used: bad: " in text
    with pytest.raises(SystemExit, match="this table needs a student"):
        main(["table", "5", *options[2:], "--networks", "unet"])
    with pytest.raises(SystemExit, match="model must be one of"):
        main(["table", "7", *options[2:], "--networks", "no-net", "--crop", "16", "--quick"])


def test_data_sets_can_have_settings_of_their_own(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture
) -> None:
    for name in ("one", "two"):
        write_discs(tmp_path / "data" / name, rng, {"Training": 4}, shape=(24, 24))
    settings = tmp_path / "settings.json"
    settings.write_text('{"one": {"persons": false, "epochs": 1}, "two": {"crop": 20}}')
    options = ["table", "4", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "runs")]
    options += [*TINY, "--settings", str(settings)]
    main(options)
    assert "| one, uniform labels |" in capsys.readouterr().out
    runs = {p.parent.parent.parent.name: json.loads(p.read_text())["config"]
            for p in (tmp_path / "runs").rglob("unet-dml1-*/fold0/result.json")}  # fmt: skip
    assert (runs["one"]["epochs"], runs["one"]["crop"]) == (1, 16)
    assert (runs["two"]["epochs"], runs["two"]["crop"]) == (2, 20)
    for text, message in (
        (
            '{"one": {"epoch": 1}, "two": {"labels": "ls"}}',
            "that are none: one: epoch, two: labels",
        ),
        ("{", "cannot be read as JSON"),
        ("[1]", "must hold {data set: {setting: value}}"),
    ):
        settings.write_text(text)
        with pytest.raises(SystemExit, match=message):
            main(options)
    settings.write_text('{"three": {"epochs": 1}}')
    main([*options, "--finished"])
    assert "not there, though it has settings: three" in capsys.readouterr().out


@pytest.fixture
def folders(tmp_path: Path, rng: np.random.Generator) -> list[str]:
    """The options of a data set in three folders."""
    splits = {"Training": 4, "Validation": 2, "Testing": 3}
    root = write_discs(tmp_path / "data", rng, splits)
    options = ["--data", str(root), "--out", str(tmp_path / "runs"), "--batch-size", "2"]
    return [*options, "--crop", "16"]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_one_run_learns(folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main(["table", "losses", *folders, "--runs", "dml1", "--seeds", "0", "--epochs", "20",
          "--optimizer", "adamw", "--jitter", "2", "--per", "image"])  # fmt: skip
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1  # a bar is for terminals
    run = tmp_path / "runs" / "data" / "unet-dml1-uniform" / "seed0"
    result = json.loads((run / "result.json").read_text())
    assert result["scores"]["dice"] > 0.8
    assert f"| {100 * result['scores']['dice']:.2f} |" in shown.out
    table = rows(run / "scores.csv")
    assert [row["case"] for row in table] == [f"Testing/case0{k}" for k in (1, 2, 3)]
    mean = np.mean([float(row["bdice"]) for row in table])
    assert result["scores"]["bdice"] == pytest.approx(mean)
    losses = [float(row["loss"]) for row in rows(run / "log.csv")]
    assert losses[-1] < 0.5 * losses[0]


def test_losses_are_trained_once_and_compared(
    folders: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    places = [("Training", f"case0{k}") for k in range(1, 5)]
    places += [("Validation", f"case0{k}") for k in (1, 2)]
    places += [("Testing", f"case0{k}") for k in (1, 2, 3)]
    patients = [
        {"split": split, "case": case, "patient": f"{split} {case}"} for split, case in places
    ]
    patients[-2]["patient"] = patients[-3]["patient"]
    index = tmp_path / "patients.json"
    index.write_text(json.dumps(patients))
    arguments = ["table", "losses", *folders, "--epochs", "1", "--networks", "unet-small"]
    arguments += ["--runs", "dml1:uniform", "sdl:majority", "--seeds", "0", "1"]
    arguments += ["--groups", str(index), "--report", str(tmp_path / "report")]
    main(arguments)
    report = json.loads((tmp_path / "report.json").read_text())
    assert {test["patients"] for test in report["claims"]} == {2}
    assert [test["score"] for test in report["claims"]] == ["dice", "bdice", "ece_seen"]
    assert {cell["row"] for cell in report["cells"]} == {
        "data | dml1 : uniform",
        "data | sdl : majority",
    }
    cell = report["cells"][1]
    assert (cell["column"], cell["parts"]) == ("BDice", [[0, 0], [1, 0]])
    assert cell["ours"] == pytest.approx(np.mean(cell["values"]))
    assert cell["std"] == pytest.approx(np.std(cell["values"], ddof=1))
    text = (tmp_path / "report.md").read_text()
    assert text == capsys.readouterr().out[:-1]
    assert f"{cell['ours']:.2f} ± {cell['std']:.2f}" in text
    assert "4 to train on, 3 of 2 patients to score" in text
    for seed, value in enumerate(cell["values"]):
        assert f" {value:.2f} |" in text.partition(f"Seed {seed}:")[2]
    monkeypatch.setattr(study, "train", None)  # what is finished is not trained again
    main(arguments)
    index.write_text("[]")
    with pytest.raises(SystemExit, match="names no patient for Training/case01"):
        main(arguments)


def test_distillation_is_trained_once_and_compared(
    folders: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    arguments = ["table", "distillation", *folders, "--seeds", "0", "1", "--sweep-seeds", "1"]
    arguments += ["--bandwidths", "0.001", "0.01", "--jitter", "2", "--epochs", "1"]
    arguments += ["--networks", "unet", "unet-small", "--teacher-epochs", "2", "--n-keys", "20"]
    report = tmp_path / "results" / "small"
    main([*arguments, "--report", str(report)])
    found = json.loads(report.with_suffix(".json").read_text())
    cells = {(c["row"].partition(" | ")[2], c["score"]): c for c in found["cells"]}
    for name in LADDER:
        assert cells[f"student, {name}", "dice"]["parts"] == [[0, 0], [1, 0]]
    assert cells["h, 0.01", "dice"]["parts"] == [[1, 0]]
    for same, name in (("0", "+dml"), ("0.001", "+kde")):
        student = cells[f"student, {name}", "dice"]["values"][1:]
        assert cells[f"h, {same}", "dice"]["values"] == student
    assert cells["teacher, raw", "dice"]["ours"] == cells["teacher, temperature", "dice"]["ours"]
    raw, scaled = (cells[f"signal, {name}", "dice"] for name in ("+dml", "+temperature"))
    assert raw["values"] == scaled["values"]
    tests = {(t["first"], t["second"]) for t in found["claims"]}
    assert ("teacher, kernel", "teacher, raw") in tests
    assert ("student, +kde, soft keys", "student, +dml") in tests
    text = report.with_suffix(".md").read_text()
    assert "teacher: unet on uniform labels, 2 epochs; 20 keys a batch" in text
    assert "the teacher's temperature is " in text
    assert "--seeds 0 1 --sweep-seeds 1" in text
    assert str(tmp_path) not in text
    assert report.with_suffix(".png").stat().st_size > 10_000
    monkeypatch.setattr(study, "train", None)  # what is finished is not trained again
    lost = tmp_path / "runs" / "data" / "unet-small-dml1-kd-dml-from-unet" / "seed1"
    (lost / "result.json").unlink()
    main([*arguments, "--report", str(report), "--finished"])
    again = json.loads(report.with_suffix(".json").read_text())
    rows = {c["row"].partition(" | ")[2]: c for c in again["cells"] if c["score"] == "dice"}
    assert rows["student, +dml"]["parts"] == [[0, 0]]
    assert rows["student, hard"] == cells["student, hard", "dice"]
    capsys.readouterr()
    with pytest.raises(SystemExit, match="jitter at most 20"):
        main([*arguments, "--jitter", "4", "--out", str(tmp_path / "other")])


def test_faults_of_options_are_one_line(folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["table", "losses", *folders]
    for more, message in (
        (["--out", str(tmp_path / "file" / "run")], "error: cannot write to"),
        (["--data", str(tmp_path / "none")], "error: .*not a folder"),
        (["--crop", "64"], "error: .*crop must be"),
        (["--epochs", "0"], "error: epochs must be"),
        (["--folds", "3", "--only-folds", "2", "3"], "error: --only-folds must be below the 3"),
        (["--runs", "dice:uniform"], "error: loss must be one of"),
        (["--train-split", "none"], "error: .*no case in a folder none"),
    ):
        with pytest.raises(SystemExit, match=message):
            main([*words, *more])
