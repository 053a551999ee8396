"""The command ``compare`` with wrong input: what it says, and that nothing is written."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.evaluate import evaluate as evaluating
from dice_semimetric_study.runs.each import stopped
from study_files import save, study

LEVELS = [k / 10 for k in range(1, 10)]


def line(case: str = "one", **other: Any) -> dict[str, Any]:
    scores = dict.fromkeys(("bdice", "dice", "jaccard", "ece", "ece_soft", "ece_near"), 0.5)
    curve = {f"dice@{t:g}": 0.5 for t in LEVELS}
    whose = {"case": case, "task": "task01", "patient": case, "raters": 3, "voxels": 480}
    return whose | scores | curve | other


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in line().items() if k != name}


def scores(folder: Path, table: Any) -> str:
    folder.mkdir(parents=True)
    text = table if isinstance(table, str) else json.dumps(table)
    (folder / "cases.json").write_bytes(text.encode("utf-8", errors="surrogateescape"))
    return str(folder)


def fails(capsys: Any, argv: list[str], *words: str) -> None:
    """Run a command that must stop before it writes, and say why in one line."""
    assert main(argv) == 2
    text = capsys.readouterr()
    assert text.out == ""
    assert text.err.startswith("dice-semimetric: ")
    assert text.err.count("\n") == 1
    for word in words:
        assert word in text.err


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "cannot read"),
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("\udcff[]", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('[{"bdice": NaN}]', "NaN is no number"),
        ("[]", "has no scored case"),
        ("{}", "must hold a list of scores, got dict"),
        ("[3]", "must have one object per case, got int in row 1"),
        ([line(), 3], "got int in row 2"),
        ([without("patient")], "has no patient in row 1"),
        ([line(), without("ece")], "has no ece in row 2"),
        (
            [without("ece_near")],
            "has no ece_near: an older version wrote it; evaluate again, or "
            "give --metric bdice dice jaccard ece\n",
        ),
        ([without("dice@0.3"), line()], "has other thresholds in row 2 than in row 1"),
        ([line(), without("dice@0.3")], "has no dice@0.3 in row 2"),
        ([{k: v for k, v in line().items() if "@" not in k}], "must have columns dice@T"),
        ([line(**{"dice@x": 0.5})], "has the column dice@x of no threshold"),
        ([line(**{"dice@1.5": 0.5})], "with T above 0 and at most 1"),
        ([line(**{"dice@0.05": 0.5})], "must have rising thresholds"),
        ([line(case=3)], "has case 3 in row 1, not a text"),
        ([line(voxels="9")], "has voxels '9' in row 1, not an integer"),
        ([line(dice="0.5")], "has dice '0.5' in row 1, not a number in [0, 1] or null"),
        ([line(dice=True)], "has dice True in row 1"),
        ([line(bdice=1.2)], "has bdice 1.2 in row 1"),
        (json.dumps([line(dice=12345)]).replace("12345", "1e999"), "has dice inf in row 1"),
        ([{"bdice": 0.5}], "has no case in row 1: not a table of evaluate"),
        ([line(), line()], "has one task01 twice"),
    ],
)
def test_a_table_that_is_none_of_evaluate(
    tmp_path: Path, capsys: Any, table: Any, words: str
) -> None:
    good = scores(tmp_path / "good", [line()])
    bad = tmp_path / "bad"
    if table is None:
        bad.mkdir()
    else:
        scores(bad, table)
    argv = ["compare", "--scores", good, str(bad), "--out", str(tmp_path / "out")]
    fails(capsys, argv, words, str(bad / "cases.json"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([line("two")], "no task of any case is scored in all of a, b"),
        ([line(patient="x")], "give one task01 two patients, one and x"),
        ([line(voxels=481)], "480 voxels in the one and 3 raters and 481 voxels in the other"),
        ([without("dice@0.9")], "0.8 0.9, and"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, capsys: Any, table: Any, words: str) -> None:
    two = [scores(tmp_path / "a", [line()]), scores(tmp_path / "b", table)]
    argv = ["compare", "--scores", *two, "--out", str(tmp_path / "out")]
    fails(capsys, argv, words)
    assert not (tmp_path / "out").exists()


def test_tables_that_were_scored_otherwise(tmp_path: Path, capsys: Any) -> None:
    ref, pred = study(tmp_path)
    for name, bins in (("a", "10"), ("b", "5"), ("c", "10")):
        argv = ["evaluate", "--pred", str(pred), "--ref", str(ref), "--out", str(tmp_path / name)]
        assert main([*argv, "--bins", bins, "--no-pictures", "--quiet"]) == 0
    a, b, c = (str(tmp_path / name) for name in "abc")
    out = ["--out", str(tmp_path / "out"), "--quiet", "--no-pictures", "--overwrite"]
    fails(capsys, ["compare", "--scores", a, b, *out], "n_bins 10, and", "with 5")
    assert main(["compare", "--scores", a, c, *out]) == 0
    for text in ("", "[]", "{}", '{"options": 3}', '{"options": {"empty": 1}}'):
        (tmp_path / "b/summary.json").write_text(text)  # nothing is told, and nothing held against
        assert main(["compare", "--scores", a, b, *out]) == 0


def test_patients_of_the_command_line_settle_it(tmp_path: Path, capsys: Any) -> None:
    two = [scores(tmp_path / "a", [line()]), scores(tmp_path / "b", [line(patient="x")])]
    argv = ["compare", "--scores", *two, "--out", str(tmp_path / "out"), "--no-pictures"]
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\nother,ann\n")
    fails(capsys, [*argv, "--patients", str(table)], "no case one")
    table.write_text("case,patient\none,ann\n")
    assert main([*argv, "--patients", str(table)]) == 0


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (["{a}"], "two models at least can be compared, got 1"),
        (["{a}", "x/../{a}"], "two models have the name a; give NAME=DIR"),
        (["A={a}", "{a}"], "two models have the name a"),
        (["=1"], "'' cannot be the name of a model"),
        (["x="], "there is no folder in 'x='"),
        (["a\nb={a}", "{a}"], "'a\\nb' cannot be the name"),
        (["/", "{a}"], "'' cannot be the name"),
        (["./k=v", "{a}"], "'k=v' cannot be the name"),
        (["..={a}", "{a}"], "'..' cannot be the name"),
        (["a\\b={a}", "{a}"], "cannot be the name"),
        ([" a={a}", "{a}"], "cannot be the name"),
        (["Summary.json={a}", "{a}"], "the results have it"),
        (["none", "{a}"], "cannot read none/cases.json"),
    ],
)
def test_models_that_are_none(
    tmp_path: Path, capsys: Any, monkeypatch: Any, models: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    scores(tmp_path / "a", [line()])
    named = [m.format(a="a") for m in models]
    fails(capsys, ["compare", "--scores", *named, "--out", "out"], words)
    assert os.listdir(tmp_path) == ["a"]


def test_options_that_do_not_fit(tmp_path: Path, capsys: Any) -> None:
    a, b = (scores(tmp_path / n, [line()]) for n in "ab")
    argv = ["compare", "--scores", a, b, "--out", str(tmp_path / "out")]
    fails(capsys, [*argv, "--baseline", "c"], "--baseline c is none of the models a, b")
    idle = (["--ref", a], ["--bins", "5"], ["--regions", "x"], ["--pattern", "{case}"])
    for option in (*idle, ["--jobs", "2"], ["--scheduler", "tls://a:1"]):
        fails(capsys, [*argv, *option], f"{option[0]} has no use with --scores")
    fails(capsys, ["compare", "--pred", a, b, "--out", str(tmp_path / "out")], "--pred needs --ref")
    within = ["compare", "--scores", a, b, "--out", f"{b}/out"]
    fails(capsys, within, "must not lie in the folder that is read")
    assert main(["compare", "--out", "out"]) == 2
    assert main([*argv, "--pred", a, b]) == 2
    assert main([*argv, "--metric", "hausdorff"]) == 2
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_predictions_that_cannot_be_compared(tmp_path: Path, capsys: Any) -> None:
    ref, pred = study(tmp_path, cases=("one", "two"))
    out, other = tmp_path / "out", tmp_path / "other"
    argv = ["compare", "--ref", str(ref), "--out", str(out), "--pred", str(pred)]
    fails(capsys, [*argv, str(other)], str(other))
    fails(capsys, [*argv, f"x={other}"], str(other))
    save(other / "three/task01.nii.gz", np.zeros((20, 24), np.float32))
    fails(capsys, [*argv, str(other)], "no prediction of other has a reference")
    (pred / "two/task01.nii.gz").rename(other / "two.nii.gz")
    (other / "three/task01.nii.gz").unlink()
    (other / "two").mkdir()
    (other / "two.nii.gz").rename(other / "two/task01.nii.gz")
    fails(capsys, [*argv, str(other)], "no task of any case has a prediction of every model")
    fails(capsys, [*argv, str(other), "--patient-pattern", "^x"], "does not match case one")
    inside = ["compare", "--ref", str(ref), "--out", str(pred), "--pred", str(pred), str(other)]
    fails(capsys, inside, "must not lie in the folder that is read")
    assert not out.exists()
    assert sorted(os.listdir(pred)) == ["one", "two"]


def test_a_stop_by_the_user_ends_it(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    ref, pred = study(tmp_path)
    done: list[str] = []

    def stop(_: Any, items: Any, **options: Any) -> list[Any]:
        done.append("once")
        options["faults"].append(stopped(0, len(items)))
        return []

    monkeypatch.setattr(evaluating, "each_recorded", stop)
    argv = ["compare", "--ref", str(ref), "--pred", f"a={pred}", f"b={pred}"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 130
    assert "stopped by the user" in capsys.readouterr().err
    assert done == ["once"]
    monkeypatch.undo()
    assert main([*argv, "--out", str(tmp_path / "out"), "--resume", "--quiet"]) == 0


def test_one_model_without_a_good_case(tmp_path: Path, capsys: Any) -> None:
    ref, pred = study(tmp_path)
    for case in pred.iterdir():
        save(tmp_path / "bad" / case.name / "task01.nii.gz", np.full((20, 24), 2, np.float32))
    argv = ["compare", "--ref", str(ref), "--pred", str(pred), str(tmp_path / "bad")]
    assert main([*argv, "--out", str(tmp_path / "out"), "--quiet"]) == 2
    text = capsys.readouterr().err
    assert text.count("faulty: case0") == 3
    assert "bad/cases.json has no scored case" in text
    assert not (tmp_path / "out/summary.json").exists()


def test_strange_names_are_shown_as_they_are(tmp_path: Path, capsys: Any) -> None:
    strange = line("one\n\x1b[2J", task="$\\frac$ ü")
    two = [scores(tmp_path / name, [strange]) for name in "ab"]
    argv = ["compare", "--scores", f"x $a$ é={two[0]}", f"_x={two[1]}"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr()
    assert "x $a$ é - _x" in text.out
    assert "\x1b" not in text.out + text.err
    assert (tmp_path / "out/comparison.png").exists()


def test_an_output_that_is_no_folder(tmp_path: Path, capsys: Any) -> None:
    two = [scores(tmp_path / n, [line()]) for n in "ab"]
    (tmp_path / "out").write_text("")
    fails(capsys, ["compare", "--scores", *two, "--out", str(tmp_path / "out")], "cannot write")


def test_help_has_examples(capsys: Any) -> None:
    assert main(["compare", "--help"]) == 0
    text = capsys.readouterr().out
    assert "exit status:" in text
    assert "dice-semimetric compare --scores" in text.split("examples:")[1]


def test_scores_that_options_ask_for_come_from_their_tables(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    files = ["--pred", str(tmp_path / "pred"), "--ref", str(tmp_path / "ref"), "--no-pictures"]
    folders = [str(tmp_path / name) for name in ("one", "two")]
    for folder, options in zip(folders, (["--lesions"], []), strict=True):
        assert main(["evaluate", *files, "--out", folder, *options]) == 0
    argv = ["compare", "--out", str(tmp_path / "out"), "--metric", "lesion_f1", "--no-pictures"]
    assert main([*argv, "--scores", folders[0], f"again={folders[0]}"]) == 0
    assert "lesion F1" in capsys.readouterr().out
    assert main([*argv, "--scores", *folders, "--overwrite"]) == 2
    assert "has no lesion_f1: evaluate again with --lesions" in capsys.readouterr().err
    models = [f"{name}={tmp_path / 'pred'}" for name in "ab"]
    assert main([*argv, "--pred", *models, "--ref", str(tmp_path / "ref")]) == 2
    assert "give their folders to --scores" in capsys.readouterr().err
