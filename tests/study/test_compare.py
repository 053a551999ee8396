"""The command ``compare``: what it writes, says and draws."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.bootstrap import Bootstrap, mean_intervals
from dice_semimetric_study.results.registry import ALL_SCORES
from study_files import data_folder, load, save, study

METRICS = ("bdice", "dice", "jaccard", "ece", "ece_near")
CASES = ("ann-1", "ann-2", "bob-1", "eve-1", "ida-1")


def three_models(root: Path, **options: Any) -> list[str]:
    """Write a study and three folders of predictions, ever worse, and return NAME=DIR each."""
    _, pred = study(root, cases=CASES, **options)
    found = []
    for k, name in enumerate(("good", "fair", "poor")):
        folder = root / "preds" / name
        rng = np.random.default_rng(k)
        for file in sorted(pred.rglob("*.nii.gz")):
            data, image = load(file)
            noise = rng.uniform(-0.3 * k, 0.3 * k, data.shape)
            worse = np.clip(data + noise, 0, 1).astype(np.float32)
            save(folder / file.relative_to(pred), worse, image.affine)
        found.append(f"{name}={folder}")
    return found


def compare(root: Path, models: list[str], out: Path, *options: str) -> int:
    argv = ["compare", "--pred", *models, "--ref", str(root / "ref"), "--out", str(out)]
    return main([*argv, "--resamples", "200", *options])


def rows(file: Path) -> list[dict[str, Any]]:
    found = json.loads(file.read_text())
    assert isinstance(found, list)
    return found


def test_predictions_and_scores_give_the_same(tmp_path: Path, capsys: Any) -> None:
    models = three_models(tmp_path)
    by = ("--patient-pattern", "^([a-z]+)", "--metric", "ece", "bdice")
    assert compare(tmp_path, models, tmp_path / "one", *by) == 0
    text = capsys.readouterr().out
    for name, model in (m.split("=") for m in models):
        argv = ["evaluate", "--pred", model, "--ref", str(tmp_path / "ref"), "--quiet"]
        assert main([*argv, "--out", str(tmp_path / "scores" / name), *by[:2]]) == 0
        same = [tmp_path / d / name / "cases.json" for d in ("one", "scores")]
        assert same[0].read_bytes() == same[1].read_bytes()
    names = [str(tmp_path / "scores" / m.split("=")[0]) for m in models]
    argv = ["compare", "--scores", *names, "--out", str(tmp_path / "two"), "--resamples", "200"]
    assert main([*argv, *by[2:]]) == 0
    assert capsys.readouterr().out == text.replace("/one", "/two")
    for name in ("comparison.csv", "comparison.json", "ranks.csv", "ranks.json", "comparison.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert main([*argv, *by, "--overwrite"]) == 0  # the same patients once more
    assert capsys.readouterr().out == text.replace("/one", "/two")
    assert text.startswith("models: 3, cases: 5, patients: 4\n")
    assert "first by BDice, share of draws" in text
    assert "1 to 1" not in text
    assert "good - poor BDice +" in " ".join(text.split())
    assert "ECE, marked pixels" not in text


@pytest.mark.parametrize("scored", [False, True])
def test_the_same_comparison_is_known_by_what_it_depends_on(
    tmp_path: Path, capsys: Any, monkeypatch: Any, scored: bool
) -> None:
    models = three_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\n" + "".join(f"{c},{c[0]}\n" for c in CASES))
    by = ("--patients", "patients.csv")
    assert compare(Path(), models, Path("one"), *by) == 0
    out, names = "one", [m.split("=")[0] for m in models]
    argv = ["compare", "--pred", *(f"{n}=preds/{n}" for n in names), "--ref", "ref"]
    if scored:
        out, argv = "two", ["compare", "--scores", *(f"one/{n}" for n in names)]
        assert main([*argv, "--resamples", "200", *by, "--out", out]) == 0
    argv += ["--resamples", "200", "--no-pictures", "--quiet"]
    assert main([*argv, *by, "--out", out]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    there = [a.replace("preds/", "../preds/").replace("one/", "../one/") for a in argv]
    there = ["../ref" if a == "ref" else a for a in there]
    assert main([*there, "--patients", "../patients.csv", "--out", f"../{out}"]) == 0
    table.write_text("case,patient\n" + "".join(f"{c},{c}\n" for c in CASES))
    assert main([*there, "--patients", "../patients.csv", "--out", f"../{out}"]) == 2
    assert "with other options or files" in capsys.readouterr().err


def test_the_tables_say_what_the_cases_say(tmp_path: Path) -> None:
    models = three_models(tmp_path, tasks=("task01", "task02"))
    out = tmp_path / "out"
    assert (
        compare(tmp_path, models, out, "--quiet", "--no-pictures", "--patient-pattern", "^[a-z]+")
        == 0
    )
    cases = {name: rows(out / name / "cases.json") for name in ("good", "fair", "poor")}
    pairs, ranks = rows(out / "comparison.json"), rows(out / "ranks.json")
    assert len(pairs) == 3 * len(METRICS) * 3  # all tasks and two, metrics, pairs
    for row in pairs:
        d, mean_a, whose = [], [], []
        for a, b in zip(cases[row["a"]], cases[row["b"]], strict=True):
            assert (a["case"], a["task"]) == (b["case"], b["task"])
            if row["scope"] == "task" and a["task"] != row["task"]:
                continue
            d.append(a[row["metric"]] - b[row["metric"]])
            mean_a.append(a[row["metric"]])
            whose.append(a["patient"])
        assert (row["cases"], row["patients"]) == (len(d), 4)
        assert row["difference"] == pytest.approx(np.mean(d))
        assert row["mean_a"] == pytest.approx(np.mean(mean_a))
        between = mean_intervals(np.array(d)[:, None], whose, Bootstrap(resamples=200))[:, 0]
        assert [row["low"], row["high"]] == pytest.approx(between.tolist())
        first = (np.mean(d) > 0) != row["metric"].startswith("ece")
        assert row["better"] == (row["a"] if first else row["b"])
    family = [r for r in pairs if (r["scope"], r["metric"]) == ("task", "bdice")]
    smallest = min(family, key=lambda r: r["p"])
    assert len(family) == 6  # three pairs of two tasks
    assert smallest["p_holm"] == pytest.approx(min(1, 6 * smallest["p"]))
    overall = [row for row in ranks if row["scope"] == "overall"]
    assert {row["model"] for row in overall} == set(cases)
    for row in overall:
        mean = np.mean([c[row["score"]] for c in cases[row["model"]]])
        assert row["mean"] == pytest.approx(mean)
        assert sum(row[f"rank{k}"] for k in (1, 2, 3)) == pytest.approx(1)
        assert row["best"] == row["rank1"]
    assert {r["rank"] for r in ranks if r["model"] == "poor" and r["score"] == "bdice"} == {3}
    summary = json.loads((out / "summary.json").read_text())
    told = [{"scope": "overall", "task": "", **r} for r in summary["overall"]["pairs"]]
    told += [
        {"scope": "task", "task": t, **r} for t, p in summary["tasks"].items() for r in p["pairs"]
    ]
    assert [{k: r[k] for k in pairs[0]} for r in told] == pairs
    with (out / "comparison.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["p"]) for line in lines] == pytest.approx([r["p"] for r in pairs], abs=1e-6)


def test_only_pairs_with_the_baseline(tmp_path: Path) -> None:
    models, out = three_models(tmp_path), tmp_path / "out"
    assert (
        compare(
            tmp_path, models, out, "-q", "--no-pictures", "--baseline", "fair", "--metric", "dice"
        )
        == 0
    )
    found = rows(out / "comparison.json")
    assert {(r["a"], r["b"], r["metric"]) for r in found} == {
        ("good", "fair", "dice"),
        ("poor", "fair", "dice"),
    }
    scores = {r["score"] for r in rows(out / "ranks.json")}
    assert scores == {"bdice", "dice", *(f"dice@0.{k}" for k in range(1, 10))}


def test_a_model_and_its_copy(tmp_path: Path) -> None:
    models, out = three_models(tmp_path)[:1], tmp_path / "out"
    shutil.copytree(tmp_path / "preds/good", tmp_path / "copy")
    assert (
        compare(tmp_path, [*models, str(tmp_path / "copy")], out, "--quiet", "--no-pictures") == 0
    )
    for row in rows(out / "comparison.json"):
        assert (row["difference"], row["p"], row["effect"], row["better"]) == (0, 1, 0, "")
    for row in rows(out / "ranks.json"):
        assert (row["rank"], row["best"], row["tau"]) == (1.5, 0.5, None)


def test_what_is_not_common_is_left_out_and_said(tmp_path: Path, capsys: Any) -> None:
    models, out = three_models(tmp_path), tmp_path / "out"
    (tmp_path / "preds/poor/ann-1/task01.nii.gz").unlink()
    (tmp_path / "preds/fair/eve-1/task01.nii.gz").write_bytes(b"no NIfTI")
    assert compare(tmp_path, models, out, "--json", "-") == 1
    text = capsys.readouterr()
    summary = json.loads(text.out)
    assert summary == json.loads((out / "summary.json").read_text())
    assert "left out, since not scored in all models: 2 of good, 1 of fair, 1 of poor" in text.err
    assert {n: m["dropped"] for n, m in summary["models"].items()} == {
        "good": 2,
        "fair": 1,
        "poor": 1,
    }
    assert summary["overall"]["cases"] == 3
    faults = {(f["model"], f["case"]) for f in summary["faults"]}
    assert faults == {("poor", "ann-1"), ("fair", "eve-1")}


def test_scores_that_are_skipped_leave_their_pair_out(tmp_path: Path) -> None:
    models, out = three_models(tmp_path), tmp_path / "out"
    empty = np.zeros((20, 24))
    for rater in (1, 2, 3):
        save(tmp_path / f"ref/bob-1/task01_seg0{rater}.nii.gz", empty.astype(np.uint8))
    save(tmp_path / "preds/good/bob-1/task01.nii.gz", empty.astype(np.float32))
    assert compare(tmp_path, models, out, "--quiet", "--no-pictures", "--empty", "skip") == 0
    found = {(r["metric"], r["a"], r["b"]): r for r in rows(out / "comparison.json")}
    assert found["bdice", "good", "fair"]["cases"] == 4
    assert found["bdice", "fair", "poor"]["cases"] == 5
    assert {r["cases"] for r in rows(out / "ranks.json") if r["score"] == "bdice"} == {4}


@pytest.mark.parametrize("cases", [("one",), ("one", "two")])
def test_too_few_patients_for_a_test(tmp_path: Path, cases: tuple[str, ...]) -> None:
    study(tmp_path, cases=cases)
    models, out = [f"a={tmp_path}/pred", f"b={tmp_path}/pred"], tmp_path / "out"
    assert compare(tmp_path, models, out, "--quiet", "--patient-pattern", "") == 0
    (row, *_) = rows(out / "comparison.json")
    assert (row["patients"], row["p"], row["p_holm"], row["low"]) == (1, None, None, None)
    assert rows(out / "ranks.json")[0]["best"] is None
    assert (out / "comparison.png").stat().st_size > 10_000


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: Any) -> None:
    models, out = three_models(tmp_path), tmp_path / "out"
    before = sorted(tmp_path.rglob("*"))
    assert compare(tmp_path, models, out, "--dry-run") == 0
    text = capsys.readouterr().out
    assert text.count("ann-1 task01") == 3
    assert text.startswith("good:\n")
    assert sorted(tmp_path.rglob("*")) == before
    assert compare(tmp_path, models, out, "--quiet", "--no-pictures") == 0
    assert not (out / "comparison.png").exists()
    scores = [f"{m.split('=')[0]}={out / m.split('=')[0]}" for m in models]
    argv = ["compare", "--scores", *scores, "--out", str(tmp_path / "two")]
    assert main([*argv, "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("5 of them in all models, of 5 patients\n")
    assert not (tmp_path / "two").exists()
    assert main([*argv, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_real_models_differ_in_calibration(tmp_path: Path, capsys: Any) -> None:
    data = data_folder()
    index = json.loads((data / "lidc4-nodules/index.json").read_text())
    table = tmp_path / "patients.csv"
    lines = [f"{e['case']},{e['patient']}" for e in index if e["split"] == "Testing"]
    table.write_text("\n".join(["case,patient", *lines]))
    names = ("dml_soft", "sdl_soft", "dml_maj", "sdl_maj")
    argv = ["compare", "--pred", *(str(data / "lidc4-predictions" / n) for n in names)]
    argv += ["--ref", str(data / "lidc4-nodules/lidc-nodule/Testing"), "--patients", str(table)]
    metrics = ("bdice", "dice", "ece_soft", "ece_near")
    assert main([*argv, "--out", str(tmp_path / "out"), "--metric", *metrics]) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    overall = summary["overall"]
    assert (overall["cases"], overall["patients"]) == (87, 58)
    for score, best, least, most in (
        ("ece_soft", 0.113, 0.1645, 0.1775),
        ("ece_near", 0.0379, 0.0474, 0.0498),
    ):
        ece = {r["model"]: r for r in overall["ranks"] if r["score"] == score}
        assert ece["dml_soft"]["mean"] == pytest.approx(best, abs=5e-4)
        assert (ece["dml_soft"]["rank"], ece["dml_soft"]["best"]) == (1, 1)
        assert all(least - 1e-4 < ece[n]["mean"] < most + 1e-4 for n in names[1:])
        pairs = [r for r in overall["pairs"] if (r["metric"], r["a"]) == (score, "dml_soft")]
        assert len(pairs) == 3
        for row in pairs:
            assert (row["better"], row["better_is"]) == ("dml_soft", "lower")
            assert row["p_holm"] < 0.001
            assert row["effect"] < -0.88
            assert row["high"] < 0
    best = {r["score"]: r["model"] for r in overall["ranks"] if r["rank"] == 1}
    assert best["bdice"] == "dml_soft"
    assert len(set(best.values())) > 1  # which is best depends on the threshold
    told = capsys.readouterr()
    assert "dml_soft - sdl_maj ECE, marked pixels -0.06" in " ".join(told.out.split())
    assert "ece_soft is over other pixels in each model" in told.err


def test_every_score_of_evaluate_can_be_compared(tmp_path: Path) -> None:
    models, out = three_models(tmp_path), tmp_path / "out"
    assert compare(tmp_path, models, out, "--quiet", "--metric", *ALL_SCORES) == 0
    cases = {name: rows(out / name / "cases.json") for name in ("good", "fair", "poor")}
    pairs, ranks = rows(out / "comparison.json"), rows(out / "ranks.json")
    assert [r["metric"] for r in pairs[::3]] == list(ALL_SCORES) * 2
    for row in pairs:
        means = [np.mean([c[row["metric"]] for c in cases[row[side]]]) for side in "ab"]
        assert row["difference"] == pytest.approx(means[0] - means[1])
    for name, score in ALL_SCORES.items():
        means = {m: np.mean([c[name] for c in of_model]) for m, of_model in cases.items()}
        if score.better == "nearer 0":
            means = {m: abs(value) for m, value in means.items()}
            assert {r["better"] for r in pairs if r["metric"] == name} == {""}
        order = sorted(cases, key=lambda m: means[m] * (1 - 2 * (score.better == "higher")))
        found = {r["model"]: r["rank"] for r in ranks if (r["scope"], r["score"]) == ("task", name)}
        assert sorted(cases, key=lambda m: found[m]) == order
