"""What ``--protocol`` shows: the scores of a challenge first, and all of them in the files."""

import json
from pathlib import Path
from typing import Any

import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import (
    ALL_SCORES,
    COMPARED,
    PREDICTION_SCORES,
    PROTOCOLS,
    main_scores,
)
from study_files import study


def run(command: str, root: Path, *options: str) -> int:
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    return main([command, *files, "--out", str(root / "out"), *options])


def test_every_protocol_names_scores() -> None:
    assert main_scores() is PREDICTION_SCORES
    for name, scores in PROTOCOLS.items():
        assert tuple(main_scores(name)) == scores
        assert all(ALL_SCORES[s].better != "nearer 0" for s in scores)  # so that models compare
    page = Path(__file__).resolve().parents[2] / "docs/analysis.md"
    for name, scores in PROTOCOLS.items():
        assert f"| `{name}` | {', '.join(f'`{s}`' for s in scores)} |" in page.read_text()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_terminal_and_the_table_have_its_scores(tmp_path: Path, name: str, capsys: Any) -> None:
    study(tmp_path)
    table = tmp_path / "table.md"
    assert run("evaluate", tmp_path, "--protocol", name, "--table", str(table)) == 0
    head = capsys.readouterr().out.splitlines()[0]
    text = table.read_text()
    for score in ALL_SCORES.values():
        shown = score.name in PROTOCOLS[name]
        assert (f"  {score.heading}" in head) == shown
        assert (f"| {score.heading}<br>" in text) == shown
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["protocol"] == name
    run_json = json.loads((tmp_path / "out/run.json").read_text())
    assert run_json["settings"]["protocol"] == name
    assert f"scores of protocol {name}" in text
    assert ALL_SCORES.keys() <= summary["overall"].keys()
    before = (tmp_path / "out/cases.csv").read_bytes()
    assert run("evaluate", tmp_path, "--resume", "--quiet") == 0  # nothing is scored again
    assert (tmp_path / "out/cases.csv").read_bytes() == before
    assert json.loads((tmp_path / "out/summary.json").read_text())["protocol"] is None


def test_the_page_has_its_scores_first_and_each_score_once(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    study(tmp_path, tasks=("task01", "task02"))
    page = tmp_path / "page.html"
    assert run("evaluate", tmp_path, "--protocol", "curvas", "--report", str(page)) == 0
    text = page.read_text()
    head = text[text.index('<th scope="col" data-kind="text">Case</th>') :].split("</tr>")[0]
    first = [s.heading for s in main_scores("curvas").values()]
    places = [head.index(f">{s.heading}</th>") for s in ALL_SCORES.values()]
    assert sorted(places)[:4] == [head.index(f'data-group="">{h}</th>') + 13 for h in first]
    assert all(head.count(f">{s.heading}</th>") == 1 for s in ALL_SCORES.values())
    assert "Overlap and calibration" in text
    assert run("evaluate", tmp_path, "--report", str(page), "--resume") == 0
    assert "Overlap and calibration" not in page.read_text()


def test_models_are_compared_by_its_scores(tmp_path: Path, capsys: Any) -> None:
    study(tmp_path)
    models = ["a=" + str(tmp_path / "pred"), "b=" + str(tmp_path / "pred")]
    how = ["--ref", str(tmp_path / "ref"), "--no-pictures", "--quiet", "--resamples", "100"]
    out = tmp_path / "compared"
    table = tmp_path / "table.tex"
    argv = ["compare", "--pred", *models, *how, "--out", str(out), "--table", str(table)]
    for options, metrics in (
        (("--protocol", "curvas"), PROTOCOLS["curvas"]),
        (("--protocol", "qubiq"), PROTOCOLS["qubiq"]),
        ((), COMPARED),
    ):
        assert main([*argv, *options, "--overwrite"]) == 0
        summary = json.loads((out / "summary.json").read_text())
        assert tuple(summary["metrics"]) == metrics
        assert summary["protocol"] == (options[1] if options else None)
        assert (f"scores of protocol {summary['protocol']}" in table.read_text()) == bool(options)
    assert main([*argv, "--protocol", "curvas", "--metric", "dice"]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
