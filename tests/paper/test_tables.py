"""The paper's tables: its numbers, what stands in which cell, the command, claims and figure."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from dice_semimetric_study.faults import UsageError
from paper_data import prepared_discs, write_discs

from benchmarks.paper import crossval
from benchmarks.paper.__main__ import main
from benchmarks.paper.claims import compare_columns, verdict
from benchmarks.paper.crossval import Scored, run_name
from benchmarks.paper.datasets import Prepared
from benchmarks.paper.paper_numbers import numbers
from benchmarks.paper.recipe import Recipe
from benchmarks.paper.sources import QUBIQ, SCANS, Source, find_sources, paper_name
from benchmarks.paper.statistics import paired_test
from benchmarks.paper.table_report import escape, number, summarize, to_markdown
from benchmarks.paper.tables import TITLES, Cell, cells, rater_agreement

TINY = ["--networks", "unet", "unet-small", "--augment", "shift", "--crop", "16"]
TINY += ["--batch-size", "4", "--n-keys", "20", "--quick"]


def sources(rng: np.random.Generator, names: tuple[str, ...], raters: int) -> list[Source]:
    return [Source(name, prepared_discs(rng, [1] * 4, raters=raters)) for name in names]


def test_the_papers_numbers_agree_with_each_other() -> None:
    one, two, four, five, seven, eight = (numbers(n) for n in (1, 2, 4, 5, 7, 8))
    for name in QUBIQ:
        labels = "Uniform" if name == "Brain tumor T2" else "Weighted"
        assert two[name, "Ours"] == one[f"{name} | BDice", labels]
    assert four["QUBIQ", "Hard"] == one["All | BDice", "Majority"]
    assert four["QUBIQ", "DML1"] == one["All | BDice", "Weighted"]
    assert seven["DML", "QUBIQ"] == one["All | Dice", "Majority"]
    for name in SCANS:
        assert four[name, "DML1"] == five[name, "DML"] == eight[name, "0"]
        assert four[name, "Hard"] == five[name, "Hard"]
        assert five[name, "KDE"] == eight[name, "0.001"]
        assert numbers(3)["UNet-ResNet50 | Dice", f"{name} | Hard"] == seven["DML", name]
    for labels in ("Majority", "Random", "Uniform", "Weighted", "LS"):
        for score in ("Dice", "BDice"):
            mean = np.mean([one[f"{name} | {score}", labels] for name in QUBIQ])
            assert mean == pytest.approx(one[f"All | {score}", labels], abs=0.2)  # rounding apart


def test_every_number_of_the_paper_has_a_cell(rng: np.random.Generator) -> None:
    several, single = sources(rng, QUBIQ, 3), sources(rng, SCANS, 1)
    for table in TITLES:
        found = cells(table, several + single, Recipe())
        shown = {(" | ".join(c.row), " | ".join(c.column)): c.paper for c in found}
        assert len(shown) == len(found)
        assert {place: n for place, n in shown.items() if n is not None} == numbers(table)


def test_cells_hold_the_runs_that_the_paper_describes(rng: np.random.Generator) -> None:
    several, single = sources(rng, ("Kidney", "Brain tumor T2"), 3), sources(rng, SCANS, 1)

    def runs(table: int, row: str, column: str) -> set[str]:
        found = cells(table, several + single, Recipe())
        wanted = [c for c in found if (" | ".join(c.row), " | ".join(c.column)) == (row, column)]
        return {run_name(config) for _, config in wanted[0].parts}

    net, student = "unet-resnet50", "unet-resnet18"
    assert runs(1, "Kidney | ECE", "LS") == {f"{net}-dml1-ls"}
    assert runs(2, "Brain tumor T2", "Ours") == {f"{net}-dml1-uniform"}
    assert runs(2, "Kidney", "Ours") == {f"{net}-dml1-weighted"}
    assert runs(2, "All", "Ours") == {f"{net}-dml1-uniform", f"{net}-dml1-weighted"}
    assert runs(2, "Kidney", "MRNet") == set()
    kd = f"{student}-dml1-kd"
    assert runs(3, "UNet-ResNet18 | Dice", "KiTS | KD") == {f"{kd}-kde-0.001-from-{net}"}
    assert runs(3, "UNet-ResNet50 | Dice", "LiTS | KD") == set()
    assert runs(4, "LiTS", "SDL") == {f"{student}-sdl-kd-dml-from-{net}"}
    assert runs(4, "QUBIQ", "DML2") == {f"{net}-dml2-weighted"}
    assert runs(5, "LiTS", "Hard") == {f"{student}-dml1-majority"}
    assert runs(5, "LiTS", "CE") == {f"{kd}-ce-from-{net}"}
    assert runs(7, "CE", "QUBIQ") == {f"{net}-ce-majority"}
    assert runs(8, "KiTS", "0") == {f"{kd}-dml-from-{net}"}
    assert runs(8, "KiTS", "0.005") == {f"{kd}-kde-0.005-from-{net}"}


def test_the_protocol_is_the_papers(rng: np.random.Generator) -> None:
    several, single = sources(rng, ("Kidney",), 3), sources(rng, ("LiTS",), 1)
    for source, epochs in ((several[0], 150), (single[0], 60)):
        config = Recipe().plain(source, "unet-resnet50")
        assert (config.epochs, config.batch_size, config.lr) == (epochs, 8, 0.01)
        assert (config.optimizer, config.weight_decay) == ("sgd", 5e-4)
        assert (config.ce_weight, config.loss, config.augment) == (0.25, "dml1", "scale")


@pytest.mark.parametrize(
    ("name", "task", "shown"),
    [
        ("prostate", 2, "Prostate T2"),
        ("qubiq-brain-tumor-task03", 3, "Brain tumor T3"),
        ("brain_growth", None, "Brain growth"),
        ("kidney", 1, "Kidney"),
        ("kits19", None, "KiTS"),
        ("LiTS", None, "LiTS"),
        ("my | data", 1, "my | data"),
        ("my data", 2, "my data T2"),
    ],
)
def test_names_of_the_paper(name: str, task: int | None, shown: str) -> None:
    assert paper_name(Prepared(name, [], task=task)) == shown


def test_data_sets_are_found_and_faulty_ones_named(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write_discs(tmp_path / "my discs", rng, {"Training": 2, "Testing": 1})
    broken = write_discs(tmp_path / "broken", rng, {"Training": 2})
    (broken / "Training" / "case02" / "task01_seg02.nii.gz").unlink()
    (tmp_path / "index.json").write_text("[]")  # a list of patients is no data set
    (tmp_path / "notes").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "index.json").write_text('{"format": 0, "task": null}')
    found, faults = find_sources([tmp_path / "my discs"])
    assert [s.name for s in found] == ["my discs"]
    assert faults == []
    for path in sorted((tmp_path / "my discs").rglob("task01_*")):
        second = path.with_name(path.name.replace("task01", "task02"))
        second.write_bytes(path.read_bytes())
    found, faults = find_sources([tmp_path])
    assert [s.name for s in found] == ["my discs", "my discs T2"]
    assert faults[0].startswith("broken: ")
    assert "case02: the mask of rater 02 is missing" in faults[0]
    assert faults[1].startswith("half: ")
    found, faults = find_sources([tmp_path / "my discs", tmp_path / "my discs"])
    assert len(found) == 2
    assert faults[0].endswith("my discs: there is another my discs")
    with pytest.raises(UsageError, match="no prepared data set is there"):
        find_sources([tmp_path / "notes"])
    with pytest.raises(UsageError, match="not a folder"):
        find_sources([tmp_path / "none"])


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
    monkeypatch.setattr(crossval, "train", None)  # what is finished is not trained again
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
    (tmp_path / "only").mkdir()
    root.rename(tmp_path / "only" / "kidney")
    with pytest.raises(SystemExit, match=r"error: Table 3 needs other data.*LiTS, KiTS") as error:
        main(["table", "3", "--data", str(tmp_path / "only"), "--out", str(tmp_path / "runs")])
    assert "the same command goes on" in str(error.value)


def test_faults_are_told_in_one_line_and_the_rest_is_done(
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


def scored(values: list[float], folds: int = 2) -> Scored:
    one = np.array(values)
    place = np.arange(len(one))
    return Scored(list(range(folds)), place, {"dice": one, "ece": one}, place % folds)


def test_a_cell_is_the_mean_over_cases_and_data_sets() -> None:
    a, b = scored([0.1, 0.2, 0.3, 0.6]), scored([0.5, 0.5])
    row = summarize(Cell(("x",), ("y",), "dice", ((None, None), (None, None)), paper=40.0), [a, b])
    assert row["ours"] == pytest.approx(100 * (0.3 + 0.5) / 2)
    folds = [(0.2 + 0.5) / 2, (0.4 + 0.5) / 2]
    assert row["std"] == pytest.approx(100 * np.std(folds, ddof=1))
    assert number(row) == "40.00 ± 7.07 (40.00)"
    half = summarize(Cell(("x",), ("y",), "dice", ((None, None), (None, None))), [a, None])
    assert number(half) == "–"
    single = summarize(Cell(("x",), ("y",), "dice", ((None, None),)), [scored([0.5], 1)])
    assert number(single) == "50.00"


def test_claims_are_tested_by_patient_on_the_cases_that_both_have(
    rng: np.random.Generator,
) -> None:
    source = Source("mine", prepared_discs(rng, [1] * 12, raters=1))
    better, worse = rng.random(12), rng.random(12) * 0.1
    known = {
        "Hard": scored(list(worse)),
        "CE": scored(list(better + 1)),
        "DML": Scored([0], np.arange(8), {"dice": better[:8] - 1}, np.zeros(8, int)),
        "KDE": None,
    }
    row = [Cell(("mine",), (name,), "dice", ((source, None),)) for name in known]
    claims, shifts = compare_columns(5, row, lambda cell: known[cell.column[0]])
    assert [(c["first"], c["second"], c["verdict"]) for c in claims] == [
        ("CE", "Hard", "shows"),
        ("DML", "CE", "opposite"),
    ]
    assert claims[1]["patients"] == 8
    assert claims[0]["mean"] == pytest.approx(np.mean(better + 1 - worse))
    assert [s["first"] for s in shifts] == ["CE", "DML"]
    text = to_markdown(5, row, [summarize(c, [known[c.column[0]]]) for c in row], claims, [], False)
    assert "| mine | DML better than CE | Dice | -200.00 [" in text
    assert "QUICK" not in text


def test_a_verdict_needs_both_the_test_and_the_interval() -> None:
    gain = {"mean": 0.1, "interval": [0.05, 0.2], "p": 0.01, "score": "dice"}
    gain |= {"above_zero": 0.3, "below_zero": 0.2}
    assert verdict(gain) == "shows"
    assert verdict(gain | {"score": "ece"}) == "opposite"
    assert verdict(gain | {"p": 0.05}) == "not shown"
    wide = gain | {"interval": [-0.01, 0.2]}
    assert verdict(wide) == "in most patients, not in the mean"
    assert verdict(wide | {"score": "ece"}) == "opposite in most patients, not in the mean"
    same = paired_test(np.ones(6), np.ones(6), np.arange(6))
    assert verdict(same | {"score": "dice"}) == "not shown"


def test_text_stays_in_its_cell() -> None:
    assert escape("a\nb | <i>") == "a b \\| &lt;i>"


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
