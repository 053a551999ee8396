"""``--report`` of agreement, compare, calibrate and fuse: one look, and what the tables have."""

import json
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.calibrate.page import _verdict
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.page.page import ends_of, mean_of
from dice_semimetric_study.results.registry import PREDICTION_SCORES
from dice_semimetric_study.results.text import form_of, interval, number
from html_pages import Page, require_alone
from study_files import data_folder, load, rows, save, study

COMMANDS = ("agreement", "compare", "calibrate", "fuse")


def run(root: Path, command: str, *options: str) -> int:
    """Run a command on a study with its page in ``page.html``."""
    ref, pred = str(root / "ref"), str(root / "pred")
    argv = {
        "agreement": [ref, "--no-pictures"],
        "compare": ["--pred", f"a={pred}", f"b={root / 'other'}", "--ref", ref, "--no-pictures"],
        "calibrate": [
            *("--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--ref", ref),
            *("--method", "temperature"),
        ],
        "fuse": [ref, "--method", "staple"],
    }[command]
    where = ["--out", str(root / "out"), "--report", str(root / "page.html"), "--quiet"]
    return main([command, *argv, *where, *options])


def make(root: Path, **how: object) -> None:
    """Make a study with a second model, which is less sure."""
    _, pred = study(root, **how)  # type: ignore[arg-type]
    for path in pred.rglob("*.nii.gz"):
        data, _ = load(path)
        save(root / "other" / path.relative_to(pred), (0.2 + 0.6 * data).astype(np.float32))


@pytest.mark.parametrize("command", COMMANDS)
def test_it_needs_nothing_else_and_begins_with_its_finding(tmp_path: Path, command: str) -> None:
    names = ["case 1", "<i>&amp;", "a'\"\u202eb"]
    make(tmp_path, cases=names, tasks=("task01", "task02"), flat=True)
    assert run(tmp_path, command) == 0
    page = Page(tmp_path / "page.html")
    require_alone(page)
    assert len(page.all("script")) == 1
    assert not page.all("i")
    assert "\u202e" not in page.source
    (verdict,) = [text for a, text in page.all("p") if a.get("class") == "verdict"]
    assert verdict.endswith(".")
    assert 20 < len(verdict) < 400
    assert page.all("table", **{"class": "sortable"})
    assert [a["id"] for a, _ in page.all("section")][-2:] == ["faults", "record"]
    if command != "compare":
        assert all(name in page.all("main")[0][1] for name in names[:2])


def texts(page: Page, section: str) -> str:
    (found,) = [text for _, text in page.all("section", id=section)]
    return found


def test_agreement_has_the_numbers_of_its_tables(tmp_path: Path) -> None:
    make(tmp_path)
    assert run(tmp_path, "agreement") == 0
    page, (part,) = Page(tmp_path / "page.html"), _tasks(tmp_path / "out/summary.json")
    raters = texts(page, "raters")
    for row in np.array(part["matrices"]["dice"])[~np.eye(3, dtype=bool)]:
        assert f"{row:.3f}" in raters
    for found in part["raters"].values():
        assert mean_of(found, "dice_to_majority") in raters
        assert ends_of(found, "dice_to_majority") in raters
    for row in rows(tmp_path / "out/cases.csv"):
        for name in ("dice", "cohen_kappa", "dice_to_majority", "fleiss_kappa", "disagreement"):
            assert f"{float(row[name]):.4f}" in texts(page, "cases")
    assert len(page.all("article")) == 3
    to = {name: found["dice_to_majority"] for name, found in part["raters"].items()}
    assert f"Nearest to the majority is rater {max(to, key=to.get)}" in page.source


def _tasks(path: Path) -> list[dict]:
    return list(json.loads(path.read_text())["tasks"].values())


def test_copies_are_named_on_the_pages(tmp_path: Path) -> None:
    make(tmp_path)
    for case in (tmp_path / "ref").iterdir():
        data, _ = load(case / "task01_seg01.nii.gz")
        save(case / "task01_seg02.nii.gz", data)
    for command in ("agreement", "fuse"):
        assert run(tmp_path, command, "--overwrite") == 0
        page = Page(tmp_path / "page.html")
        (warning,) = [text for a, text in page.all("p") if a.get("class") == "warning"]
        assert "raters 01 and 02 mark the very same voxels" in warning


def test_compare_has_the_ranks_and_the_pairs(tmp_path: Path) -> None:
    make(tmp_path, cases=[f"c{k}" for k in range(6)])
    assert run(tmp_path, "compare") == 0
    page = Page(tmp_path / "page.html")
    board = texts(page, "ranks")
    for row in json.loads((tmp_path / "out/ranks.json").read_text()):
        if "@" in row["score"] or row["scope"] == "task":
            continue
        ends = row["low"], row["high"]
        assert number(row["mean"], form_of(ends)) in board
        assert interval(ends, joint=" to ") in board
        if 0.01 <= row["same"] <= 0.99:
            assert f"{row['same']:.0%}" in board
    for row in json.loads((tmp_path / "out/comparison.json").read_text()):
        form = form_of((row["low"], row["high"]))
        assert number(row["difference"], form) in texts(page, "pairs")
    assert "By BDice " in page.source
    assert "of the draws of patients" in page.source


def test_compare_begins_with_the_first_minus_the_second(tmp_path: Path) -> None:
    make(tmp_path, cases=[f"c{k}" for k in range(6)])
    models, told = {"a": tmp_path / "pred", "b": tmp_path / "other"}, []
    for order in ("ab", "ba"):
        pred = [f"{name}={models[name]}" for name in order]
        argv = ["--pred", *pred, "--ref", str(tmp_path / "ref"), "--no-pictures", "--quiet"]
        page = tmp_path / f"{order}.html"
        assert main(["compare", *argv, "--out", str(tmp_path / order), "--report", str(page)]) == 0
        told += [t for a, t in Page(page).all("p") if a.get("class") == "verdict"]
    summary = json.loads((tmp_path / "ab/summary.json").read_text())
    (pair,) = [p for p in summary["overall"]["pairs"] if p["metric"] == "bdice"]
    best, other = (pair["better"], "b" if pair["better"] == "a" else "a")
    assert told[0] == told[1]
    assert f"By BDice {best} comes first (" in told[0]
    difference = number(abs(pair["difference"]), form_of((pair["low"], pair["high"]), sign="+"))
    assert f"{best} minus {other} is {difference} (95 % CI +" in told[0]


def test_compare_names_the_model_of_a_fault(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "other/case02/task01.nii.gz").unlink()
    assert run(tmp_path, "compare") == 1
    page = Page(tmp_path / "page.html")
    require_alone(page)
    assert "b: there is no prediction" in texts(page, "faults")
    assert "1 of a" in texts(page, "summary")


def test_calibrate_names_what_got_clearly_worse() -> None:
    def part(ece_soft: float, ece: float, bdice: float) -> dict:
        means = {"ece_soft": ece_soft, "ece": ece, "bdice": bdice, "dice": 0.9, "jaccard": 0.8}
        ends = {name: [0.9 * v, 1.1 * v] for name, v in means.items()} | {"jaccard": [None, None]}
        means |= {name: 0.1 for name in PREDICTION_SCORES if name not in means}
        overall = means | {"intervals": ends, "pooled": {"ece_soft": ece_soft}}
        return {"overall": overall}

    before, after = part(0.2, 0.00235, 0.9), part(0.1, 0.0052, 0.85)
    told = _verdict({"written": 2, "pred": {"before": before, "after": after}})
    assert told.endswith("Clearly worse: ECE, all pixels from 0.00235 to 0.00520.")
    after["overall"]["bdice"] = 0.8
    told = _verdict({"written": 2, "pred": {"before": before, "after": after}})
    assert ": BDice from 0.900 to 0.800; ECE" in told


def test_calibrate_warns_of_scores_in_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, pred = study(tmp_path)
    save(tmp_path / "new/c/task01.nii.gz", load(next(pred.rglob("*.nii.gz")))[0])
    fit = ["--fit-pred", str(pred), "--fit-ref", str(tmp_path / "ref"), "--method", "temperature"]
    for name, warned in (("pred", True), ("new", False)):
        argv = ["--pred", str(tmp_path / name), "--out", str(tmp_path / "out" / name)]
        assert main(["calibrate", *fit, *argv]) == 0
        text = "predictions were calibrated that the calibrators were fitted to: the scores are too"
        assert (f"{text} good" in capsys.readouterr().err) == warned


def test_calibrate_has_the_scores_before_and_after(tmp_path: Path) -> None:
    make(tmp_path)
    assert run(tmp_path, "calibrate") == 0
    page = Page(tmp_path / "page.html")
    found = json.loads((tmp_path / "out/calibration.json").read_text())
    for part in ("fit", "pred"):
        for when in ("before", "after"):
            for name in ("bdice", "dice", "ece_soft"):
                both = [found[part][w]["overall"] for w in ("before", "after")]
                form = form_of(min((p["intervals"][name] for p in both), key=lambda e: e[1] - e[0]))
                assert f"{both[when == 'after'][name]:{form}}" in texts(page, "summary")
    for row in rows(tmp_path / "out/calibration.csv"):
        assert f"{float(row['ece_soft_after']):.4f}" in texts(page, "cases")
    charts = [a["aria-label"] for a, _ in page.all("svg") if "aria-label" in a]
    assert [label.split(": ")[0] for label in charts] == ["task01, Before", "task01, After"] * 2
    assert "that the calibrators were fitted to" in page.source
    (kept,) = (tmp_path / "out").glob("*.calibrator.npz")
    argv = ["--pred", str(tmp_path / "other"), "--calibrator", str(kept), "--quiet"]
    argv += ["--out", str(tmp_path / "new"), "--report", str(tmp_path / "new.html")]
    assert main(["calibrate", *argv]) == 0
    page = Page(tmp_path / "new.html")
    require_alone(page)
    assert "without references nothing is known" in page.source


@pytest.mark.parametrize("method", ["majority", "random", "uniform", "weighted", "staple"])
def test_fuse_shows_its_labels(tmp_path: Path, method: str) -> None:
    make(tmp_path)
    assert run(tmp_path, "fuse", "--method", method) == 0
    page = Page(tmp_path / "page.html")
    assert len(page.all("article")) == 3
    assert "No pictures" not in page.source
    if method in ("weighted", "staple"):
        for row in rows(tmp_path / "out/raters.csv"):
            for name in row.keys() - {"case", "task", "rater"}:
                assert f"{float(row[name]):.4f}" in texts(page, "cases")


def test_fuse_shows_regions_and_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for case in "ab":
        for rater in "12":
            labels = np.repeat(rng.integers(0, 3, (5, 24), np.uint8), 4, axis=0)
            save(tmp_path / f"ref/{case}/task01_seg0{rater}.nii.gz", labels)
    (tmp_path / "r.toml").write_text("[regions]\nliver = [1]\nboth = [1, 2]\n")
    for options in (["--regions", str(tmp_path / "r.toml")], ["--label", "2"]):
        assert run(tmp_path, "fuse", *options, "--overwrite") == 0
        page = Page(tmp_path / "page.html")
        assert len(page.all("article")) == (4 if options[0] == "--regions" else 2)
        assert "No pictures" not in page.source
    assert run(tmp_path, "fuse", "--method", "majority", "--overwrite") == 0
    assert not Page(tmp_path / "page.html").all("article")  # label maps are no structure


@pytest.mark.parametrize("command", ["agreement", "fuse", "calibrate"])
def test_where_all_cases_are_faulty(tmp_path: Path, command: str) -> None:
    make(tmp_path)
    if command == "calibrate":  # the cases to fit to are good
        for path in (tmp_path / "pred").rglob("*.nii.gz"):
            save(tmp_path / "good" / path.relative_to(tmp_path / "pred"), load(path)[0])
            path.write_bytes(b"")
        options = ["--fit-pred", str(tmp_path / "good")]
    else:
        options = []
        for path in (tmp_path / "ref").rglob("task01*.nii.gz"):
            path.write_bytes(b"")
    assert run(tmp_path, command, *options) == 1
    page = Page(tmp_path / "page.html")
    require_alone(page)
    assert "is empty" in texts(page, "faults")
    assert "Faults (3)" in page.source


@pytest.mark.parametrize("command", COMMANDS)
def test_where_the_page_may_go(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path)
    ours = {"fuse": "raters.csv", "calibrate": "calibration.json"}.get(command, "summary.json")
    foreign = tmp_path / "notes.html"
    foreign.write_text("mine")
    for path, said in (
        (tmp_path / "out" / ours, "is the name of another result: choose another name"),
        (foreign, "did not write it"),
        (tmp_path / "ref/page.html", "must not lie in the folder that is read"),
        (tmp_path, "must be the name of a file"),
    ):
        assert run(tmp_path, command, "--report", str(path)) == 2
        assert said in capsys.readouterr().err
    assert foreign.read_text() == "mine"
    assert not (tmp_path / "out" / ours).exists()
    assert run(tmp_path, command, "--report", str(tmp_path / "new/folder/page.html")) == 0
    assert (tmp_path / "new/folder/page.html").is_file()
    if command in ("agreement", "compare"):
        both = str(tmp_path / "both")
        assert run(tmp_path, command, "--report", both, "--json", both) == 2
        assert "--json and --report are both" in capsys.readouterr().err


def test_pictures_are_of_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path)
    argv = ["fuse", str(tmp_path / "ref"), "--method", "uniform", "--out", str(tmp_path / "out")]
    assert main([*argv, "--pictures", "4"]) == 2
    assert "--pictures has no use without --report" in capsys.readouterr().err
    assert main([*argv, "--pictures", "few", "--report", str(tmp_path / "p.html")]) == 2
    assert "must be an integer of at least 0 or all, got 'few'" in capsys.readouterr().err


def test_real_cells(tmp_path: Path) -> None:
    cells = data_folder() / "bubil-cells/bubil-rabbit/Training"
    argv = ["agreement", str(cells), "--out", str(tmp_path / "out"), "--quiet", "--no-maps"]
    assert main([*argv, "--no-pictures", "--report", str(tmp_path / "page.html")]) == 0
    page = Page(tmp_path / "page.html")
    require_alone(page)
    assert len(page.all("image")) == 6
    assert "over 24 cases. Nearest to the majority is rater 02" in page.source
