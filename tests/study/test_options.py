"""Options that are mistyped, out of range, of no use, or in need of a package."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dice_semimetric_study.cli import main

HIDE = "import sys; sys.modules[{0!r}] = None; sys.argv = sys.orig_argv = ['dice-semimetric']; "
EVALUATE = "evaluate --pred p --ref r --out o "


def refused(capsys: Any, line: str | list[str]) -> str:
    """Return the last line on stderr of a command that cannot run."""
    assert main(line.split() if isinstance(line, str) else line) == 2
    return str(capsys.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("evaluate --pred p --ref r --uot o", "unknown option --uot; did you mean --out?"),
        ("evaluate --treshold 0.5", "did you mean --thresholds?"),
        ("evaluate --jbos=3", "unknown option --jbos; did you mean --jobs?"),
        ("evaluate --allow_reorient", "did you mean --allow-reorient?"),
        (
            "evaluate -pred p",
            "unknown option -pred; did you mean --pred or --pred-pattern or --pred-scale?",
        ),
        ("agreement x --out o --conf .9", "did you mean --confidence?"),  # no abbreviations
        ("evalute --pred p", "did you mean evaluate?"),
        ("--versoin", "unknown option --versoin; did you mean --version?"),
        ("fuse x --out o --method stapel", "did you mean staple?"),
        ("compare --pred a b --ref r --out o --metric dise", "did you mean dice?"),
        ("completion bsh", "did you mean bash?"),
        ("evaluate --frobnicate", "unknown option --frobnicate"),
        ("evaluate --\x1b[31m", "unknown option --\\x1b[31m"),
    ],
)
def test_a_mistyped_word_suggests_the_right_one(capsys: Any, line: str, words: str) -> None:
    assert refused(capsys, line).endswith(words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--thresholds 0.5 0.50", "--thresholds has 0.5 twice"),
        ("--thresholds 0.1234567 0.12345671", "--thresholds has 0.123457 twice"),
        *((f"--thresholds {t}", "above 0 and at most 1") for t in ("0", "1.1", "nan", "x")),
        ("--bins 0", "must be at least 1 and at most 100000, got 0"),
        ("--bins 1.5", "must be an integer of at least 1 and at most 100000, got '1.5'"),
        ("--bins 1000000000", "must be at least 1 and at most 100000, got 1000000000"),
        ("--label 1.5", "must be an integer, got '1.5'"),
        ("--label 99999999999999999999", "must be an integer of 15 digits or fewer"),
        ("--ignore x", "must be an integer, got 'x'"),
        ("--slab 0", "must be at least 1, got 0"),
        ("--affine-tolerance nan", "must be at least 0, got nan"),
        ("--affine-tolerance=-1", "must be at least 0, got -1"),
        ("--resamples 99", "must be at least 100 and at most 1000000, got 99"),
        ("--resamples 100000000000", "at most 1000000, got 100000000000"),
        *((f"--confidence {c}", "must be above 0 and below 1") for c in ("0", "1", "nan", "inf")),
        ("--jobs x", "got 'x'"),
        ("--mask-pattern {case}.nii", "--mask-pattern has no use without --mask"),
    ],
)
def test_values_out_of_range(capsys: Any, options: str, words: str) -> None:
    assert words in refused(capsys, EVALUATE + options)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fuse x --out o --method staple --seed 3", "--seed has no use without --method random"),
        ("fuse x --out o --method random --mask-pattern y", "no use without --mask"),
        ("agreement x --out o --mask-pattern y", "no use without --mask"),
        ("compare --pred a b --ref r --out o --mask-pattern y", "no use without --mask"),
        (
            "compare --scores a b --out o --mask-pattern y",
            "--mask-pattern has no use with --scores",
        ),
        ("calibrate {} --method kernel --mask-pattern y", "no use without --mask"),
        ("calibrate {} --method temperature --keys 9", "--keys has no use without --method kernel"),
        ("calibrate {} --method temperature --bandwidth .1", "--bandwidth has no use without"),
        ("phantoms --out o --shape 20 20 20 20", "--shape must have two or three axes, got 4"),
        ("phantoms --out o --shape 4 4", "--shape must be two or three axes of at least 16"),
    ],
)
def test_options_that_would_do_nothing(
    tmp_path: Path, capsys: Any, monkeypatch: Any, line: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, line.format("--fit-pred a --fit-ref b --pred c --out d"))
    assert not list(tmp_path.iterdir())  # nothing is written


def test_a_negative_label_is_a_value(capsys: Any) -> None:
    assert "unknown option" not in refused(capsys, EVALUATE + "--ignore -1 -2 --label -3")


@pytest.mark.parametrize("package", ["nibabel", "tqdm", "numpy"])
def test_without_the_extra(package: str) -> None:
    code = HIDE.format(package) + "from dice_semimetric_study.cli import main; "
    code += f"main({EVALUATE.split()})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    install = "pip install 'dice-semimetric[study]', or in a clone pip install -e '.[study]'"
    assert (done.returncode, done.stderr) == (2, f"dice-semimetric needs {package}: {install}\n")
    code = f"import sys; sys.modules[{package!r}] = None; import dice_semimetric_study"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: dice-semimetric needs")
    assert done.stderr.splitlines()[-1].endswith(install)


def test_pictures_without_matplotlib(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    from study_files import study

    ref, pred = (str(folder) for folder in study(tmp_path))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    fit = ["--fit-pred", pred, "--fit-ref", ref, "--pred", pred, "--method", "temperature"]
    for i, argv in enumerate(
        (
            ["evaluate", "--pred", pred, "--ref", ref],
            ["agreement", ref],
            ["compare", "--pred", f"a={pred}", f"b={pred}", "--ref", ref],
            ["calibrate", *fit],
            ["demo"],
        )
    ):
        out = tmp_path / str(i)
        text = refused(capsys, [*argv, "--out", str(out)])
        assert "pictures need matplotlib" in text
        assert "pip install 'dice-semimetric[study]'" in text
        assert "in a clone pip install -e '.[study]'" in text
        assert text.endswith(", or give --no-pictures") == (i < 3)
        assert not list(out.rglob("*.csv"))
    argv = ["evaluate", "--pred", pred, "--ref", ref, "--out", str(tmp_path / "out")]
    assert main([*argv, "--no-pictures", "-q"]) == 0
