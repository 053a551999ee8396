"""The slices that a report shows, and its pictures: what is drawn is what the numbers are."""

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study import Options, pair_up
from dice_semimetric_study.cases.layout import find_cases
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.page.pictures import draw
from dice_semimetric_study.results.page.planes import Plane, read_plane
from PIL import Image
from study_files import load, masks, save, study


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 5)])
@pytest.mark.parametrize("slab", [1 << 20, 500])
def test_the_slice_with_the_largest_error(
    tmp_path: Path, shape: tuple[int, ...], slab: int
) -> None:
    ref, pred = study(tmp_path, shape=shape, cases=("a",))
    (pair,), _ = pair_up(find_cases(ref), find_cases(pred))
    plane = read_plane(pair, "", Options(slab=slab))
    seen = masks(0, shape=shape)
    p, _ = load(pred / "a/task01.nii.gz")
    image, _ = load(ref / "a/image.nii.gz")
    soft = seen.mean(axis=0)
    error = np.abs(p - soft).reshape(20, 24, -1).sum(axis=(0, 1))
    best = int(error.argmax())
    assert (plane.number, plane.count) == (best + 1, error.size)

    def turned(volume: np.ndarray) -> np.ndarray:
        cut = volume.reshape(20, 24, -1)[..., best].T
        return cut[::-1, ::-1] if len(shape) == 3 else cut  # R and A: the body seen from its feet

    np.testing.assert_array_equal(plane.prediction, turned(p))
    np.testing.assert_array_equal(plane.image, turned(image))
    np.testing.assert_allclose(plane.soft, turned(soft), atol=1e-6)
    for mark, mask in zip(plane.marks, seen, strict=True):
        np.testing.assert_array_equal(mark, turned(mask))
    np.testing.assert_array_equal(plane.hard, turned(seen.sum(axis=0) > 1))
    assert plane.sides == (("R", "A") if len(shape) == 3 else ())


def test_what_does_not_count_is_outlined_and_left_out(tmp_path: Path) -> None:
    ref, pred = study(tmp_path, cases=("a",))
    kept = np.ones((20, 24), np.uint8)
    kept[:10] = 0
    save(tmp_path / "mask/a.nii.gz", kept)
    report = tmp_path / "report.html"
    argv = ["--pred", str(pred), "--ref", str(ref), "--mask", str(tmp_path / "mask")]
    assert main(["evaluate", *argv, "--out", str(tmp_path / "out"), "--report", str(report)]) == 0
    assert 'class="uncounted"' in report.read_text(encoding="utf-8")
    (pair,), _ = pair_up(find_cases(ref), find_cases(pred))
    plane = read_plane(replace(pair, mask=tmp_path / "mask/a.nii.gz"), "", Options())
    np.testing.assert_array_equal(plane.kept, kept.T)
    np.testing.assert_array_equal(plane.prediction, (load(pred / "a/task01.nii.gz")[0] * kept).T)
    assert not plane.marks[:, kept.T == 0].any()
    assert area(draw(plane).uncounted) == pytest.approx(240, rel=0.2)


def pixels(address: str) -> np.ndarray:
    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGBA")
    ).astype(int)


def plane_of(p: np.ndarray, marks: np.ndarray, **more: Any) -> Plane:
    soft = marks.mean(axis=0)
    return Plane(
        raters=tuple("abc"[: len(marks)]),
        number=1,
        count=1,
        spacing=more.pop("spacing", (1.0, 1.0)),
        sides=(),
        prediction=p,
        soft=soft,
        hard=soft > 0.5,
        marks=marks,
        kept=np.ones(p.shape, bool),
        **more,
    )


def area(path: str) -> float:
    """Return the area within closed lines by the shoelace formula."""
    total = 0.0
    for ring in filter(None, path.split("M")):
        xy = np.array([[float(v) for v in q.split()] for q in ring.rstrip("Z").split("L")])
        nxt = np.roll(xy, -1, axis=0)
        total += abs(float((xy[:, 0] * nxt[:, 1] - xy[:, 1] * nxt[:, 0]).sum())) / 2
    return total


def test_pictures_show_the_numbers() -> None:
    marks = np.zeros((2, 40, 30), bool)
    marks[0, 5:35, 5:25] = True
    marks[1, 10:35, 5:25] = True
    p = np.where(marks[0], 0.9, 0.05)
    image = np.arange(1200.0).reshape(40, 30)
    found = draw(plane_of(p, marks, image=image, spacing=(2.0, 1.0)))
    assert (found.width, found.height) == (30, 80)  # a window wider than the slice is the slice
    error = pixels(found.error)
    wrong = p - marks.mean(axis=0)
    assert np.abs(error[..., 3] / 255 - np.abs(wrong)).max() < 1 / 31
    orange = error[..., 0] > error[..., 2]
    np.testing.assert_array_equal(orange[np.abs(wrong) > 0.1], (wrong > 0)[np.abs(wrong) > 0.1])
    grey = pixels(found.scan)[..., 0]
    assert (np.diff(grey.ravel()) >= 0).all()
    for outline, mark in zip(found.raters, marks, strict=True):
        assert area(outline) == pytest.approx(2 * mark.sum(), rel=0.01)
    assert area(found.hard) == pytest.approx(2 * marks[1].sum(), rel=0.01)
    heat = pixels(found.heat)[..., 3]
    assert heat[marks[0]].min() > heat[~marks[0]].max()


def test_pictures_of_nothing_of_noise_and_of_much() -> None:
    none = np.zeros((1, 1))
    assert draw(plane_of(none, none[None] > 0)).raters == ("",)
    rng = np.random.default_rng(0)
    noise = draw(plane_of(rng.random((700, 900)), rng.random((2, 700, 900)) > 0.5))
    assert max(pixels(noise.error).shape) <= 256
    assert sum(len(str(v)) for v in vars(noise).values()) < 2_000_000
    broken = np.full((4, 4), np.nan)
    assert draw(plane_of(np.ones((4, 4)), np.ones((1, 4, 4), bool), image=broken)).scan == ""
