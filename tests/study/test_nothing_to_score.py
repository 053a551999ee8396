"""Every command where few cases, or none, have a score: dashes and null, no NaN, no warning."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import masks, save

pytestmark = pytest.mark.filterwarnings("error")
SHAPE = (20, 24)


def study(root: Path, defined: int, cases: int, raters: int = 3) -> tuple[Path, Path, Path]:
    """Write a study of which some cases are marked, and two predictions; return its folders."""
    for c in range(cases):
        seen = masks(c, raters, SHAPE) if c < defined else np.zeros((raters, *SHAPE))
        for r, mask in enumerate(seen, start=1):
            save(root / f"ref/c{c}/task01_seg{r:02d}.nii.gz", mask.astype(np.uint8))
        for name, factor in (("one", 1.0), ("two", 0.7)):
            prob = (factor * seen.mean(axis=0)).astype(np.float32)
            save(root / f"{name}/c{c}/task01.nii.gz", prob)
    return root / "ref", root / "one", root / "two"


def quiet(text: str) -> None:
    """Fail where stderr has what is for a programmer."""
    assert "Warning" not in text
    assert "Traceback" not in text


def numbers(value: Any) -> None:
    """Fail where JSON holds what is no number."""
    text = json.dumps(value)
    assert "NaN" not in text
    assert "Infinity" not in text


def clean(out: Path, text: str) -> None:
    """Fail where something that was written or printed speaks of NaN."""
    word = re.compile(r"\bnan\b|\binf\b", re.IGNORECASE)
    assert not word.search(text), text
    for path in out.rglob("*"):
        if path.suffix == ".json":
            numbers(json.loads(path.read_text(), parse_constant=pytest.fail))
        elif path.suffix == ".csv":
            assert not word.search(path.read_text()), path
        elif path.suffix == ".html":
            body = re.sub(r"(?s)<(script|style).*?</\1>", "", path.read_text())
            assert not word.search(body), path


SIZES = [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(("defined", "cases"), SIZES)
def test_evaluate(tmp_path: Path, capsys: Any, defined: int, cases: int) -> None:
    ref, one, _ = study(tmp_path, defined, cases)
    out = tmp_path / "out"
    argv = ["evaluate", "--pred", one, "--ref", ref, "--out", out, "--report", out / "page.html"]
    assert main([*map(str, argv), "--empty", "skip"]) == 0
    text = capsys.readouterr()
    quiet(text.err)
    clean(out, text.out)
    overall = json.loads((out / "summary.json").read_text())["overall"]
    for part in (overall, overall["pooled"]):
        for name in ("bdice", "dice", "jaccard"):
            assert part[name] == (pytest.approx(1.0) if defined else None)
    assert (overall["intervals"]["dice"] is None) == (defined < 2)
    assert (overall["ece_soft"] is None) == (defined == 0)
    assert {p.name for p in out.glob("*.png")} == {"bdice.png", "reliability.png"}
    shown = re.search(r"BDice</h3><p class=\"value\">(.*?)<", (out / "page.html").read_text())
    assert shown is not None
    assert shown.group(1) == ("1.0000" if defined else "–")


@pytest.mark.parametrize(("defined", "cases"), SIZES)
def test_agreement(tmp_path: Path, capsys: Any, defined: int, cases: int) -> None:
    ref, *_ = study(tmp_path, defined, cases)
    out = tmp_path / "out"
    assert main(["agreement", str(ref), "--out", str(out), "--empty", "skip"]) == 0
    text = capsys.readouterr()
    quiet(text.err)
    clean(out, text.out)
    part = json.loads((out / "summary.json").read_text())["tasks"]["task01"]
    assert (part["dice"] is None) == (defined == 0)
    assert (part["intervals"]["dice"] is None) == (defined < 2)
    matrix = np.array(part["matrices"]["dice"], float)
    assert np.isnan(matrix[~np.eye(3, dtype=bool)]).all() == (defined == 0)
    assert (out / "agreement.png").is_file()


@pytest.mark.parametrize(("defined", "cases"), SIZES)
def test_compare(tmp_path: Path, capsys: Any, defined: int, cases: int) -> None:
    ref, one, two = study(tmp_path, defined, cases)
    out = tmp_path / "out"
    argv = ["compare", "--pred", one, two, f"same={one}", "--ref", ref, "--out", out]
    assert main([*map(str, argv), "--empty", "skip"]) == 0
    text = capsys.readouterr()
    quiet(text.err)
    clean(out, text.out)
    found = json.loads((out / "summary.json").read_text())["overall"]
    pairs = {(p["a"], p["b"], p["metric"]): p for p in found["pairs"]}
    pair = pairs["two", "same", "bdice"]
    assert (pair["cases"], pair["patients"]) == (defined, defined)
    if not defined:
        unknown = ("mean_a", "difference", "low", "p", "p_holm", "effect", "effect_low")
        assert [pair[name] for name in unknown] == [None] * len(unknown)
        assert pair["better"] == ""
        assert "- (-)" in text.out
    else:
        assert pair["difference"] < 0
        assert (pair["p"] is None) == (defined < 2)
        tie = pairs["one", "same", "bdice"]
        assert (tie["difference"], tie["effect"]) == (0, 0)  # all ties
        assert tie["p"] == (None if defined < 2 else 1)
    ranks = {r["model"]: r for r in found["ranks"] if r["score"] == "bdice"}
    assert [ranks[m]["rank"] for m in ("one", "two", "same")] == (
        [1.5, 3, 1.5] if defined else [None] * 3
    )
    assert (out / "comparison.png").is_file()


@pytest.mark.parametrize("method", ["kernel", "temperature"])
@pytest.mark.parametrize(("defined", "cases"), [(0, 1), (1, 1), (2, 2)])
def test_calibrate(tmp_path: Path, capsys: Any, method: str, defined: int, cases: int) -> None:
    ref, one, _ = study(tmp_path, defined, cases)
    known, fitted, _ = study(tmp_path / "fit", 1, 1)
    out = tmp_path / "out"
    files = ["--fit-pred", fitted, "--fit-ref", known, "--pred", one, "--ref", ref]
    assert main(["calibrate", *map(str, files), "--out", str(out), "--method", method]) == 0
    text = capsys.readouterr()
    quiet(text.err)
    clean(out, text.out)
    after = json.loads((out / "calibration.json").read_text())["pred"]["after"]["overall"]
    assert (after["ece_soft"] is None) == (defined == 0)
    assert (out / "reliability-pred.png").is_file()
    if not defined:  # nothing to fit to
        files = ["--fit-pred", one, "--fit-ref", ref, "--pred", one]
        argv = [*map(str, files), "--out", str(tmp_path / "none"), "--method", method]
        assert main(["calibrate", *argv]) == 2
        assert "task01 cannot be fitted" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["weighted", "staple"])
def test_fuse(tmp_path: Path, capsys: Any, method: str) -> None:
    ref, *_ = study(tmp_path, 0, 1)
    out = tmp_path / "out"
    assert main(["fuse", str(ref), "--out", str(out), "--method", method]) == 0
    clean(out, capsys.readouterr().out)


def test_the_demonstration(tmp_path: Path, capsys: Any) -> None:
    ref, one, _ = study(tmp_path, 0, 2)
    argv = ["demo", "--data", str(ref), "--pred", str(one), "--out", str(tmp_path / "out")]
    assert main(argv) == 0
    text = capsys.readouterr()
    quiet(text.err)
    clean(tmp_path / "out", text.out)
