"""Adding a library is adding a folder: a toy adapter, installed by pip and found by the core."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("array_api_strict")
pytest.importorskip("hatchling")

TOY = Path(__file__).parents[1] / "toy_adapter"

SCORE = """
import sys, warnings
sys.path.insert(0, {site!r})
warnings.simplefilter("error")
import array_api_strict as xp, dice_semimetric as ds
x = xp.asarray([[[0.25, 0.5]]])
mask = xp.asarray([[[True, False]]])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the toy adapter into a folder of its own, as a user would into an environment."""
    source = tmp_path_factory.mktemp("source") / "toy"
    shutil.copytree(TOY, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(source)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return target


def run(site: Path, body: str) -> str:
    """Run a program that sees the folder, and return what it prints."""
    program = SCORE.format(site=str(site)) + body
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_its_kernel_is_found_and_used(site: Path) -> None:
    body = """
score = ds.dice_score(x, x, axis=(1, 2))
from dice_semimetric_toy.kernels import CALLS
assert type(score) is type(x), type(score)
print(float(score[0]), CALLS)
"""
    assert run(site, body) == "1.0 [(1, 1, 2)]"


def test_what_it_declines_or_lacks_runs_as_before(site: Path) -> None:
    body = """
masked = ds.overlap(x, x, mask=mask).pred
curve = ds.binarized_dice(x, x)
from dice_semimetric_toy.kernels import CALLS
print(float(masked), float(curve), CALLS)
"""
    assert run(site, body) == "0.25 1.0 []"


def test_other_libraries_do_not_notice_it(site: Path) -> None:
    body = """
import numpy as np
ds.dml1(np.ones(3), np.ones(3))
print("dice_semimetric_toy" in sys.modules)
"""
    assert run(site, body) == "False"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise RuntimeError('no driver')", "RuntimeError: no driver"),
        ("import a_library_that_is_not_there", "ModuleNotFoundError: No module named"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        (None, "ModuleNotFoundError: No module named 'dice_semimetric_toy.kernels'"),
    ],
    ids=["raises", "imports", "syntax", "missing"],
)
def test_when_broken_it_is_named_once_and_left_out(site, tmp_path, fault, reason) -> None:
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    module = broken / "dice_semimetric_toy" / "kernels.py"
    module.unlink() if fault is None else module.write_text(fault)
    body = """
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    scores = [float(ds.dice_score(x, x)) for _ in range(2)]
(warning,) = caught
print(scores, warning.category.__name__, warning.message, warning.filename)
"""
    said = run(broken, body)
    assert said.startswith("[1.0, 1.0] RuntimeWarning the adapter 'dice_semimetric_toy.kernels'")
    assert "for array_api_strict could not be loaded and is not used" in said
    assert reason in said
    assert said.endswith(" <string>"), "the warning does not point at the user's line"


def test_contributing_shows_this_very_adapter() -> None:
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    for name in ("pyproject.toml", "dice_semimetric_toy/kernels.py"):
        shown = (TOY / name).read_text()
        assert shown in text, f"CONTRIBUTING.md does not show {name} as it is"
