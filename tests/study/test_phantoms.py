"""Phantoms: the same numbers every time, and raters whose mean tends to the truth."""

from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.demo import phantoms
from dice_semimetric_study.demo.phantoms import phantom, write_phantoms
from study_files import load


def same(a: phantoms.Phantom, b: phantoms.Phantom) -> bool:
    names = ("image", "masks", "truth", "prediction")
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


@pytest.mark.parametrize("shape", [(48, 40), (32, 36, 8)])
def test_dtypes_shapes_and_ranges(shape: tuple[int, ...]) -> None:
    made = phantom(3, shape=shape, raters=4)
    assert made.masks.shape == (4, *shape)
    assert made.masks.dtype == bool
    assert made.masks.any(axis=tuple(range(1, len(shape) + 1))).all()
    for soft in (made.truth, made.prediction):
        assert soft.shape == shape
        assert soft.dtype == np.float32
        assert soft.min() >= 0
        assert 0.9 < soft.max() <= 1
    assert made.image.dtype == np.int16
    inside = made.image[made.truth > 0.95].mean()
    assert made.image.min() < -900  # air
    assert -40 < inside < 30  # a lesion that is darker than the tissue
    around = (made.truth < 0.01) & (made.image > -50)
    assert made.image[around].mean() > inside + 20


def test_the_same_arguments_give_the_same_case() -> None:
    options = {"shape": (32, 32), "raters": 3}
    assert same(phantom(2, seed=5, **options), phantom(2, seed=5, **options))
    assert not same(phantom(2, seed=5, **options), phantom(2, seed=6, **options))
    assert not same(phantom(2, seed=5, **options), phantom(3, seed=5, **options))
    more = phantom(2, seed=5, shape=(32, 32), raters=5)
    np.testing.assert_array_equal(more.masks[:3], phantom(2, seed=5, **options).masks)


def test_the_mean_of_raters_tends_to_the_truth() -> None:
    few, many = (phantom(1, shape=(40, 40), raters=r) for r in (20, 600))
    np.testing.assert_array_equal(few.truth, many.truth)
    gap = np.abs(many.masks.mean(axis=0) - many.truth)
    # The standard error of a share is at most 0.5 / sqrt(R); the pixels are 1,600.
    assert gap.max() < 4.5 * 0.5 / np.sqrt(600)
    assert gap.mean() < 0.3 * np.abs(few.masks.mean(axis=0) - few.truth).mean()
    # Without bias: errors of both signs cancel over the pixels in doubt.
    doubt = (many.truth > 0.05) & (many.truth < 0.95)
    assert abs((many.masks.mean(axis=0) - many.truth)[doubt].mean()) < 0.04


def test_raters_have_habits() -> None:
    sizes = np.array([phantom(c, shape=(48, 48)).masks.sum(axis=(1, 2)) for c in range(12)])
    ratio = sizes / sizes.mean(axis=1, keepdims=True)
    # A rater who marks more does so in most cases: raters differ more than chance lets them.
    between, within = ratio.mean(axis=0).std(), ratio.std(axis=0).mean() / np.sqrt(len(ratio))
    assert between > 2 * within


def test_smooth_fields_have_variance_one_everywhere() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack([phantoms._smooth((16, 16), rng, scale=0.1) for _ in range(4000)])
    assert abs(fields.mean(axis=0)).max() < 5 / np.sqrt(4000)
    assert abs(fields.var(axis=0) - 1).max() < 5 * np.sqrt(2 / 4000)


def test_the_command_writes_qubiq(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a study"
    options = ["--cases", "2", "--raters", "3", "--shape", "24", "28", "6", "--seed", "4"]
    assert main(["phantoms", "--out", str(out), *options]) == 0
    assert "2 cases written" in capsys.readouterr().out
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    seen = ["image.nii.gz", *(f"task01_seg0{r}.nii.gz" for r in (1, 2, 3))]
    assert files == sorted(
        ["files.json"]
        + [f"raters/case0{c}/{name}" for c in (1, 2) for name in seen]
        + [f"{kind}/case0{c}/task01.nii.gz" for c in (1, 2) for kind in ("truth", "prediction")]
    )
    made = phantom(2, shape=(24, 28, 6), raters=3, seed=4)
    image, header = load(out / "raters/case02/image.nii.gz")
    np.testing.assert_array_equal(image, made.image)
    assert image.dtype == np.int16
    assert header.header.get_zooms() == (1, 1, 3)
    mask, _ = load(out / "raters/case02/task01_seg03.nii.gz")
    np.testing.assert_array_equal(mask, made.masks[2])
    np.testing.assert_array_equal(load(out / "truth/case02/task01.nii.gz")[0], made.truth)


@pytest.mark.parametrize(
    "options",
    [{"shape": (8, 32)}, {"shape": (32,)}, {"shape": (32, 32, 2)}, {"raters": 0}, {"seed": -1}],
)
def test_bad_options(tmp_path: Path, options: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        phantom(1, **options)
    with pytest.raises(ValueError, match="must be"):
        write_phantoms(tmp_path / "out", cases=0)
    assert main(["phantoms", "--out", str(tmp_path / "out"), "--shape", "8", "8"]) == 2
