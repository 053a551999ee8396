"""The predictions of several folds, averaged."""

from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from study_files import load, nnunet_case, rows, save, study


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Return where a study lies with predictions of three folds, and their mean as one."""
    _, pred = study(tmp_path, shape=(20, 24, 3))
    rng = np.random.default_rng(0)
    for path in pred.rglob("*.nii.gz"):
        data, _ = load(path)
        folds = [np.clip(data + rng.normal(0, 0.2, data.shape), 0, 1) for _ in range(3)]
        folds = [fold.astype(np.float32) for fold in folds]
        for number, fold in enumerate(folds):
            home = tmp_path / f"folds/fold_{number}"
            both = np.stack([1 - fold, fold], -1)
            nnunet_case(home, path.parent.name, both)
            save(home / f"{path.parent.name}_one.nii.gz", fold)
        save(path, np.mean(folds, axis=0, dtype=np.float64).astype(np.float32))
    return tmp_path


def scores(root: Path, pred: str, *options: str, status: int = 0) -> list[dict[str, str]]:
    out = root / f"out{len(list(root.iterdir()))}"
    argv = ["evaluate", "--pred", str(root / pred), "--ref", str(root / "ref"), "--out", str(out)]
    assert main([*argv, "--no-pictures", "-q", *options]) == status
    return rows(out / "cases.csv") if (out / "cases.csv").exists() else []


def same(found: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    for one, other in zip(found, expected, strict=True):
        for name in ("bdice", "dice", "jaccard", "ece", "ece_soft"):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


@pytest.mark.parametrize("slab", ["67108864", "500"])
def test_the_mean_is_scored(folders: Path, slab: str) -> None:
    expected = scores(folders, "pred")
    npz = ("--pred-pattern", "fold_{fold}/{case}.npz", "--slab", slab)
    same(scores(folders, "folds", *npz, "--label", "1"), expected)
    nifti = ("--pred-pattern", "fold_{fold}/{case}_one.nii.gz", "--slab", slab)
    same(scores(folders, "folds", *nifti), expected)


def test_calibrate_takes_the_mean_too(folders: Path) -> None:
    means = []
    for pred, more in (
        ("pred", []),
        ("folds", ["--pred-pattern", "fold_{fold}/{case}_one.nii.gz"]),
    ):
        out = folders / f"calibrated{pred}"
        argv = ["calibrate", "--method", "temperature", "--fit-ref", str(folders / "ref")]
        argv += ["--fit-pred", str(folders / pred), "--pred", str(folders / pred), *more]
        assert main([*argv, "--out", str(out), "-q"]) == 0
        means.append([load(p)[0].mean() for p in sorted(out.rglob("*.nii.gz"))])
    np.testing.assert_allclose(*means, rtol=1e-4)
    assert len(means[0]) == 3


def test_a_case_of_a_cross_validation_has_one_fold(folders: Path) -> None:
    expected = scores(folders, "pred")
    for number, row in enumerate(expected):
        data, _ = load(folders / f"pred/{row['case']}/task01.nii.gz")
        save(folders / f"cross/fold_{number}/{row['case']}.nii.gz", data)
    same(scores(folders, "cross", "--pred-pattern", "fold_{fold}/{case}.nii.gz"), expected)


def test_what_cannot_be_averaged_is_named(folders: Path, capsys) -> None:
    npz = ("--pred-pattern", "fold_{fold}/{case}.npz", "--label", "1")
    (folders / "folds/fold_1/case01.npz").unlink()
    nnunet_case(folders / "folds/fold_2", "case02", np.zeros((20, 24, 3, 3), np.float32))
    logits = np.full((20, 24, 3, 2), 1.5, np.float32)
    nnunet_case(folders / "folds/fold_0", "case03", logits)
    for more in ((), ("--slab", "500")):
        scores(folders, "folds", *npz, *more, status=1)
        text = capsys.readouterr().err
        assert "case01 task01: there are predictions of 2 of 3 folds" in text
        assert "case02 task01: fold_2/case02.npz has 3 channels, and that of another fold" in text
        assert "case03 task01: channel 1 of fold_0/case03.npz must hold probabilities" in text
        assert "to 1.5" in text
    labels = folders / "labels"
    for fold in "01":
        save(labels / f"{fold}/case01.nii.gz", np.ones((20, 24, 3), np.uint8))
    pattern = ("--pred-pattern", "{fold}/{case}.nii.gz")
    scores(folders, "labels", *pattern, "--label", "1", status=1)
    assert "only probabilities of several folds can be averaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pattern", "{fold}/{case}.nii.gz"), "only predictions have a {fold}"),
        (
            ("--pred-pattern", "{fold}/{case}/{class}.nii.gz"),
            "can hold one of {rater}, {class}, {fold}",
        ),
    ],
)
def test_patterns_that_make_no_sense(folders: Path, capsys, options, words: str) -> None:
    scores(folders, "pred", *options, status=2)
    assert words in capsys.readouterr().err
