"""The tables that ``evaluate`` writes, and the intervals of its means by patient."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results import tables
from dice_semimetric_study.results.bootstrap import Bootstrap, mean_intervals
from dice_semimetric_study.results.tables import write_table
from dice_semimetric_study.runs.logs import log
from scipy import stats
from study_files import load, masks, save, study


def evaluate(root: Path, out: Path, *options: str) -> int:
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    return main(["evaluate", *files, "--out", str(out), "--quiet", *options])


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


@pytest.mark.parametrize("options", [(), ("--slab", "40"), ("--jobs", "2")])
def test_each_rater_against_the_slow_way(tmp_path: Path, options: tuple[str, ...]) -> None:
    study(tmp_path, raters=4)
    out = tmp_path / "out"
    assert evaluate(tmp_path, out, *options) == 0
    rows = json.loads((out / "raters.json").read_text())
    assert [(r["case"], r["rater"]) for r in rows] == [
        (f"case0{c}", f"0{r}") for c in (1, 2, 3) for r in (1, 2, 3, 4)
    ]
    for row, (case, rater) in zip(rows, np.ndindex(3, 4), strict=True):
        p, _ = load(tmp_path / f"pred/{row['case']}/task01.nii.gz")
        mask = masks(10 * case, 4)[rater]
        levels = [np.float32(k / 10) for k in range(1, 10)]
        assert row["bdice"] == pytest.approx(np.mean([dice(p >= t, mask) for t in levels]))
        assert row["dice"] == pytest.approx(dice(p > 0.5, mask))
        assert row["jaccard"] == pytest.approx(row["dice"] / (2 - row["dice"]))
        assert row["marked"] == mask.sum()
    before = (out / "raters.json").read_bytes()
    assert evaluate(tmp_path, out, "--resume", *options) == 0
    assert (out / "raters.json").read_bytes() == before


def test_the_formats_hold_the_same(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    study(tmp_path, cases=("one", 'two,"b\n<i>'))
    zeros = np.zeros((20, 24), np.float32)
    for r in (1, 2, 3):
        save(tmp_path / f"ref/one/task01_seg0{r}.nii.gz", zeros.astype(np.uint8))
    save(tmp_path / "pred/one/task01.nii.gz", zeros)
    assert evaluate(tmp_path, tmp_path / "out") == 0
    for name in ("cases", "raters"):
        stem = tmp_path / "out" / name
        whole = json.loads(stem.with_suffix(".json").read_text())
        frame = pandas.read_parquet(stem.with_suffix(".parquet"))
        with stem.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        assert list(frame.columns) == list(whole[0]) == list(lines[0])
        for row, line, (_, cells) in zip(whole, lines, frame.iterrows(), strict=True):
            for key, value in row.items():
                if value is None:
                    assert line[key] == ""
                    assert math.isnan(cells[key])
                else:
                    assert cells[key] == value
                    text = f"{value:.6f}" if isinstance(value, float) else str(value)
                    assert line[key] == text.replace("\n", r"\n")  # a row is a line
    cases = json.loads((tmp_path / "out/cases.json").read_text())
    assert cases[0]["ece_soft"] is None
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["overall"]["intervals"]["ece_soft"] is None  # one value is no spread
    assert summary["overall"]["intervals"]["ece"] is not None


def test_without_pyarrow_verbose_says_what_to_install(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level("DEBUG", logger=log.name):
        write_table(tmp_path / "cases", ["case"], [{"case": "a"}])
    (message,) = {*caplog.messages}
    assert message.startswith("cases.parquet left out: pip install 'dice-semimetric[parquet]'")
    assert message.endswith("or in a clone pip install -e '.[parquet]'")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cases.csv", "cases.json"]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    """Names that look like dates stay text, whatever is missing."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"case": "2020-01-01", "n": 3, "x": math.nan, "y": 1.0},
        {"case": "k\u00e4se\n<\U0001f600>\udce4", "n": 4, "x": math.nan, "y": 1 / 3},
    ]
    for kept in (rows, rows[:1], []):
        write_table(tmp_path / "table", list(rows[0]), kept)
        found = parquet.read_table(tmp_path / "table.parquet")
        assert found.num_rows == len(kept)
        assert found.column_names == list(rows[0])
        if kept:
            assert [str(t) for t in found.schema.types] == ["string", "int64", "double", "double"]
            assert found["case"].to_pylist()[0] == "2020-01-01"
            assert found["x"].to_pylist() == [None] * len(kept)
            assert found["y"].to_pylist() == [row["y"] for row in kept]
    write_table(tmp_path / "table", list(rows[0]), rows)
    name = parquet.read_table(tmp_path / "table.parquet")["case"].to_pylist()[1]
    assert name == "k\u00e4se\n<\U0001f600>\\udce4"  # an undecodable byte is escaped


def test_an_interval_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    patients = [f"p{i}" for i in rng.integers(0, 12, 40)]
    effect = {p: rng.normal(0, 0.1) for p in sorted(set(patients))}
    values = np.array([0.8 + effect[p] + rng.normal(0, 0.02) for p in patients])
    got = mean_intervals(values[:, None], patients, Bootstrap(resamples=20000)).ravel()
    sums = [sum(v for v, q in zip(values, patients, strict=True) if q == p) for p in effect]
    numbers = [patients.count(p) for p in effect]
    want = stats.bootstrap(
        (sums, numbers),
        lambda s, n, axis: s.sum(axis) / n.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=20000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    np.testing.assert_allclose(got, [want.low, want.high], atol=0.003)
    alone = mean_intervals(values[:, None], [str(i) for i in range(40)], Bootstrap()).ravel()
    assert np.ptp(alone) < np.ptp(got)  # cases of one patient are alike


def test_patients_by_table_and_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(tmp_path, cases=("ann-1", "ann-2", "bob-1", "eve-1"))
    table = tmp_path / "patients.csv"
    table.write_text("patient,case\nann,ann-1\nann,ann-2\nbob,bob-1\neve,eve-1\n")
    assert evaluate(tmp_path, tmp_path / "a", "--patients", str(table)) == 0
    assert evaluate(tmp_path, tmp_path / "b", "--patient-pattern", "^([a-z]+)-") == 0
    one, two = ((tmp_path / out / "summary.json").read_bytes() for out in "ab")
    assert one == two
    number = {"ann": "1", "bob": "2", "eve": "3"}  # names of a table go no further
    for name in ("cases.json", "raters.json"):
        one, two = (json.loads((tmp_path / out / name).read_text()) for out in "ab")
        assert one == [row | {"patient": number[row["patient"]]} for row in two]
    overall = json.loads((tmp_path / "a/summary.json").read_text())["overall"]
    assert overall["patients"] == 3
    low, high = overall["intervals"]["dice"]
    assert low < overall["dice"] < high
    assert len(overall["intervals"]["dice_at_threshold"]) == 9
    assert evaluate(tmp_path, tmp_path / "c", "--patient-pattern", "-") == 0
    one = json.loads((tmp_path / "c/summary.json").read_text())["overall"]
    assert (one["patients"], one["intervals"]["dice"]) == (1, None)
    for text, words in (
        ("patient,case\nann,ann-1\n", "no case ann-2"),
        ("case\nx\n", "patient is not there"),
        ("case,patient\nx,\n", "line 2"),
        ("case,patient\nx,a\nx,b\n", "two patients"),
        ("", "case is not there"),
        ("case,patient\n", "names no case"),
    ):
        table.write_text(text)
        capsys.readouterr()
        assert evaluate(tmp_path, tmp_path / "d", "--patients", str(table)) == 2
        assert words in capsys.readouterr().err
    assert evaluate(tmp_path, tmp_path / "d", "--patient-pattern", "(") == 2
    assert evaluate(tmp_path, tmp_path / "d", "--patient-pattern", "ann") == 2
    assert not (tmp_path / "d").exists()
