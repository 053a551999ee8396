"""Predictions that are samples: several maps of a case, scored against the raters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import ALL_SCORES, SAMPLE_SCORES
from study_files import AFFINE, load, masks, nnunet_case, organs, save, study

from dice_semimetric import generalized_energy_distance

PATTERN = "{case}/sample{sample}.nii.gz"
NUMBERS = {"case01": 5, "case02": 3, "case03": 1}
SHAPE = (12, 14, 5)


def evaluate(root: Path, *options: str, status: int = 0, pred: str = "samples") -> Any:
    files = ["--pred", str(root / pred), "--ref", str(root / "ref"), "--out", str(root / "out")]
    assert main(["evaluate", *files, "--overwrite", "-q", *options]) == status
    path = root / "out/cases.json"
    return json.loads(path.read_text()) if path.exists() else []


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return 1 - (one & other).sum() / union if (union := (one | other).sum()) else 0.0


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * (one & other).sum() / both if (both := one.sum() + other.sum()) else 1.0


def by_hand(samples: Any, raters: Any) -> dict[str, float]:
    def mean(these: Any, those: Any) -> float:
        return float(np.mean([distance(a, b) for a in these for b in those]))

    own, others = mean(samples, samples), mean(raters, raters)
    return {
        "ged": 2 * mean(samples, raters) - own - others,
        "best_match": float(np.mean([max(dice(s, r) for s in samples) for r in raters])),
        "sample_diversity": own,
        "rater_diversity": others,
    }


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Return a study of samples, their mean in its folder of predictions, and the samples."""
    study(tmp_path, shape=SHAPE, raters=4)
    found = {}
    for number, (case, count) in enumerate(NUMBERS.items()):
        rng = np.random.default_rng(number)
        near = masks(10 * number, count, SHAPE) * 0.6 + rng.uniform(0, 0.4, (count, *SHAPE))
        found[case] = near.astype(np.float32)
        for n, sample in enumerate(found[case]):
            save(tmp_path / f"samples/{case}/sample{n}.nii.gz", sample)
        mean = found[case].mean(axis=0, dtype=np.float64).astype(np.float32)
        save(tmp_path / f"pred/{case}/task01.nii.gz", mean)
    return tmp_path, found


@pytest.mark.parametrize("slab", ["67108864", "200"])
def test_every_number_by_hand(drawn: tuple[Path, dict[str, Any]], slab: str) -> None:
    root, samples = drawn
    usual = evaluate(root, pred="pred")
    found = evaluate(root, "--pred-pattern", PATTERN, "--slab", slab)
    for number, (row, mean) in enumerate(zip(found, usual, strict=True)):
        raters = masks(10 * number, 4, SHAPE)
        hard = samples[row["case"]] > 0.5
        expected = by_hand(hard, raters)
        assert set(expected) == set(SAMPLE_SCORES)
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-12)
        assert row["ged"] == pytest.approx(float(generalized_energy_distance(hard, raters)))
        for name in ALL_SCORES:
            assert row[name] == pytest.approx(mean[name], abs=1e-5)
    assert found[2]["sample_diversity"] == 0
    summary = json.loads((root / "out/summary.json").read_text())["overall"]
    assert summary["ged"] == pytest.approx(np.mean([row["ged"] for row in found]))
    assert summary["pooled"].keys() & SAMPLE_SCORES.keys() == set()
    assert "ged" not in usual[0]


def test_the_page_and_the_record_have_them(drawn: tuple[Path, dict[str, Any]]) -> None:
    root, _ = drawn
    argv = ("--pred-pattern", PATTERN, "--report", str(root / "page.html"))
    first = evaluate(root, *argv, "--missing", "worst")
    page = (root / "page.html").read_text()
    assert "Samples" in page
    assert "Squared generalized energy distance" in page
    assert evaluate(root, *argv, "--missing", "worst", "--resume") == first
    run = json.loads((root / "out/run.json").read_text())
    assert [len(i["files"]) for i in run["inputs"]] == [n + 5 for n in NUMBERS.values()]


def test_a_faulty_sample_is_named_and_may_count_as_worst(
    drawn: tuple[Path, dict[str, Any]], capsys: Any
) -> None:
    root, _ = drawn
    save(root / "samples/case01/sample3.nii.gz", np.full(SHAPE, 3.5, np.float32))
    save(root / "samples/case02/sample1.nii.gz", np.zeros((2, 3), np.float32))
    found = evaluate(root, "--pred-pattern", PATTERN, "--missing", "worst", status=1)
    err = capsys.readouterr().err
    assert "sample3.nii.gz must hold probabilities" in err
    assert "prediction sample1.nii.gz have different shapes" in err
    assert [found[0][n] for n in SAMPLE_SCORES] == [2, 0, None, None]


def test_samples_of_one_name_are_told_by_their_folders(
    drawn: tuple[Path, dict[str, Any]], capsys: Any
) -> None:
    root, samples = drawn
    for case, maps in samples.items():
        for n, sample in enumerate(maps):
            save(root / f"named/{n}/{case}/task01.nii.gz", sample)
    save(root / "named/2/case01/task01.nii.gz", np.full(SHAPE, 3.5, np.float32))
    (root / "named/1/case02/task01.nii.gz").write_bytes(b"x")
    save(root / "named/0/case03/task01.nii.gz", np.zeros((2, 3), np.float32))
    evaluate(root, "--pred-pattern", "{sample}/{case}/{task}.nii.gz", pred="named", status=1)
    err = capsys.readouterr().err
    assert "case01 task01: 2/case01/task01.nii.gz must hold probabilities" in err
    assert "case02 task01: 1/case02/task01.nii.gz" in err


def test_samples_that_are_label_maps(tmp_path: Path) -> None:
    kept = organs(tmp_path)
    rng = np.random.default_rng(1)
    drawn = {c: rng.choice([0, 2, 3, 5], (3, *seen[0].shape)) for c, (seen, _) in kept.items()}
    for case, maps in drawn.items():
        for n, labels in enumerate(maps):
            save(tmp_path / f"samples/{n}/{case}.nii.gz", labels.astype(np.int16), AFFINE)
    options = ("--pred-pattern", "{sample}/{case}.nii.gz", "--regions", f"{tmp_path}/organs.toml")
    for row in evaluate(tmp_path, *options):
        seen, _ = kept[row["case"]]
        labels = {"liver": [5], "kidneys": [2, 3]}[row["task"]]
        counted = (seen != 9).all(axis=0)
        raters = [np.isin(m, labels) & counted for m in seen]
        samples = [np.isin(m, labels) & counted for m in drawn[row["case"]]]
        expected = by_hand(samples, raters)
        assert {name: row[name] for name in expected} == pytest.approx(expected)
        soft, mean = np.mean(raters, axis=0), np.mean(samples, axis=0)
        assert row["brier_soft"] == pytest.approx(
            np.mean([((mean - r) ** 2)[counted].mean() for r in raters]), rel=1e-5
        )
        assert row["dice"] == pytest.approx(dice(mean > 0.5, soft > 0.5))


def test_samples_of_probabilities_of_nnunet(tmp_path: Path) -> None:
    study(tmp_path, shape=SHAPE, cases=("case01",))
    samples = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32)
    for n, p in enumerate(samples):
        nnunet_case(tmp_path / f"samples/{n}", "case01", np.stack([1 - p, p], axis=-1))
    (row,) = evaluate(tmp_path, "--pred-pattern", "{sample}/{case}.npz", "--label", "1")
    expected = by_hand(samples > 0.5, masks(0, 3, SHAPE))
    assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_empty_samples_and_a_single_reference(tmp_path: Path) -> None:
    some, empty = np.zeros((2, 6, 7), np.uint8)
    some[2:4, 2:4] = 1
    cases = {"both": (empty, [empty, empty]), "one": (some, [some, empty]), "ref": (empty, [some])}
    for case, (ref, samples) in cases.items():
        save(tmp_path / f"ref/{case}.nii.gz", ref)
        for n, sample in enumerate(samples):
            save(tmp_path / f"samples/{case}/sample{n}.nii.gz", sample)
    for row in evaluate(tmp_path, "--pred-pattern", PATTERN, "--empty", "skip"):
        ref, samples = cases[row["case"]]
        expected = by_hand([s > 0 for s in samples], [ref > 0])
        assert {name: row[name] for name in expected} == pytest.approx(expected)


def test_what_cannot_be_is_named(drawn: tuple[Path, dict[str, Any]], capsys: Any) -> None:
    root, _ = drawn
    for pattern in ("{case}/{rater}{sample}.nii.gz", "{case}/{fold}_{sample}.nii.gz"):
        evaluate(root, "--pred-pattern", pattern, status=2)
        assert "can hold one of {rater}, {class}, {fold} and {sample}" in capsys.readouterr().err
    evaluate(root, "--pattern", PATTERN, status=2)
    assert "only predictions have a {sample}, and not the references" in capsys.readouterr().err
    evaluate(root, "--pred-pattern", PATTERN, "--device", "cuda", status=2)
    assert capsys.readouterr().err


def test_other_commands_take_the_mean(drawn: tuple[Path, dict[str, Any]]) -> None:
    root, _ = drawn
    fitted = []
    for pred, more in (("pred", []), ("samples", ["--pred-pattern", PATTERN])):
        out = root / f"calibrated-{pred}"
        argv = ["calibrate", "--method", "temperature", "--fit-ref", str(root / "ref"), "-q"]
        argv += ["--fit-pred", str(root / pred), "--pred", str(root / pred), *more]
        assert main([*argv, "--out", str(out)]) == 0
        fitted.append([load(p)[0].mean() for p in sorted(out.rglob("*.nii.gz"))])
    np.testing.assert_allclose(*fitted, rtol=1e-4)
    models = [f"{name}={root / 'samples'}" for name in ("a", "b")]
    argv = ["compare", "--pred", *models, "--ref", str(root / "ref"), "-q", "--no-pictures"]
    assert main([*argv, "--pred-pattern", PATTERN, "--out", str(root / "compared")]) == 0
    assert "ged" in json.loads((root / "compared/a/summary.json").read_text())["overall"]
