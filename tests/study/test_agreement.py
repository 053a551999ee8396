"""`dice-semimetric agreement`: every number the slow way, maps, layouts, and bad input."""

import itertools
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import reference
from dice_semimetric_study.agree.plots import _lightness
from dice_semimetric_study.cli import main
from dice_semimetric_study.results import plots
from dice_semimetric_study.results.text import form_of
from matplotlib.colors import to_rgb
from realdata import ROOT
from study_files import AFFINE, load, rows, save

from dice_semimetric import majority_vote


def agreement(folder: Path, out: Path, *options: str) -> int:
    return main(["agreement", str(folder), "--out", str(out), *options])


def study(root: Path, shape: tuple[int, ...] = (9, 8, 5), cases: int = 3) -> list[np.ndarray]:
    """Write masks of three raters who differ; the last case has none of the last rater's marks."""
    rng = np.random.default_rng(3)
    kept = []
    for case in range(cases):
        truth = rng.random(shape) < 0.4
        seen = np.stack([truth ^ (rng.random(shape) < 0.05 * (r + 1)) for r in range(3)])
        seen[2] &= case < cases - 1
        kept.append(seen)
        for r, mask in enumerate(seen, start=1):
            save(root / f"case{case}/task01_seg0{r}.nii.gz", mask.astype(np.uint8))
    return kept


def mean_of_pairs(function: Any, seen: np.ndarray) -> float:
    return float(np.mean([function(a, b) for a, b in itertools.combinations(seen, 2)]))


def test_every_number_against_the_slow_way(tmp_path: Path, capsys) -> None:
    kept = study(tmp_path / "in")
    assert agreement(tmp_path / "in", tmp_path / "out") == 0
    cases, raters, pairs = (rows(tmp_path / f"out/{n}.csv") for n in ("cases", "raters", "pairs"))
    for row, seen in zip(cases, kept, strict=True):
        vote, share = majority_vote(seen), seen.mean(axis=0)
        some = seen.any(axis=0)
        expected = {
            "raters": 3,
            "voxels": seen[0].size,
            "any": some.sum(),
            "all": seen.all(axis=0).sum(),
            "majority": vote.sum(),
            "disputed": some.sum() - seen.all(axis=0).sum(),
            "dice": mean_of_pairs(reference.dice, seen),
            "cohen_kappa": mean_of_pairs(reference.cohen_kappa, seen),
            "dice_to_majority": np.mean([reference.dice(s, vote) for s in seen]),
            "fleiss_kappa": reference.fleiss_kappa(seen),
            "disagreement": (4 * share * (1 - share)).sum() / some.sum(),
        }
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(float(value), abs=1e-6), name
    for row in raters:
        seen, i = kept[int(row["case"][-1])], int(row["rater"]) - 1
        others = [reference.dice(seen[i], s) for j, s in enumerate(seen) if j != i]
        assert float(row["dice"]) == pytest.approx(np.mean(others), abs=1e-6)
        alone = reference.dice(seen[i], majority_vote(seen))
        assert float(row["dice_to_majority"]) == pytest.approx(alone, abs=1e-6)
        assert int(row["marked"]) == seen[i].sum()
        rest = np.mean([s.sum() for j, s in enumerate(seen) if j != i])
        bias = 0.7 * 0.7 * 2.5 / 1000 * (seen[i].sum() - rest)
        assert float(row["volume_bias"]) == pytest.approx(bias, abs=1e-6)
        share = 100 * (seen[i].sum() / rest - 1)
        assert float(row["volume_bias_percent"]) == pytest.approx(share, abs=1e-6)
    assert len(raters) == len(pairs) == 9
    for row in pairs:
        a, b = (kept[int(row["case"][-1])][int(row[k]) - 1] for k in ("rater", "other"))
        assert float(row["dice"]) == pytest.approx(reference.dice(a, b), abs=1e-6)
        one = reference.dice(a, b)
        assert float(row["jaccard"]) == pytest.approx(one / (2 - one), abs=1e-6)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    part = summary["tasks"]["task01"]
    matrix = np.array(part["matrices"]["dice"])
    assert matrix[0, 2] == pytest.approx(np.mean([reference.dice(s[0], s[2]) for s in kept]))
    np.testing.assert_array_equal(matrix, matrix.T)
    assert part["dice"] == pytest.approx(np.mean([float(r["dice"]) for r in cases]), abs=1e-6)
    low, high = part["intervals"]["dice"]
    assert low < part["dice"] < high
    assert list(part["raters"]) == ["01", "02", "03"]
    text = capsys.readouterr().out
    assert "Dice to majority" in text
    mean = np.mean([float(r["volume_bias_percent"]) for r in raters if r["rater"] == "03"])
    assert part["raters"]["03"]["volume_bias_percent"] == pytest.approx(mean, abs=1e-6)
    (line,) = (
        line for line in text.split("Raters of task01")[1].splitlines()[2:5] if " 03" in line
    )
    ends = part["raters"]["03"]["intervals"]["volume_bias_percent"]
    assert f"{mean:{form_of(ends, sign='+')}}" in line


def test_volumes_of_raters_who_mark_nothing(tmp_path: Path) -> None:
    """Without others' volume there is no part of it; where nobody marks anything it is 0."""
    empty, some = np.zeros((4, 4), np.uint8), np.eye(4, dtype=np.uint8)
    for case, seen in enumerate(([some, empty], [empty, empty], [some, some])):
        for r, mask in enumerate(seen):
            save(tmp_path / f"in/c{case}/task01_seg{r}.nii.gz", mask)
    assert agreement(tmp_path / "in", tmp_path / "out", "--no-pictures") == 0
    found = rows(tmp_path / "out/raters.csv")
    assert [r["volume_bias_percent"] for r in found] == ["", "-100.000000", *["0.000000"] * 4]
    assert float(found[0]["volume_bias"]) == -float(found[1]["volume_bias"]) > 0


def test_maps_are_where_the_masks_are(tmp_path: Path) -> None:
    kept = study(tmp_path / "in")
    assert agreement(tmp_path / "in", tmp_path / "out", "--no-pictures") == 0
    for case, seen in enumerate(kept):
        data, image = load(tmp_path / f"out/maps/case{case}/task01.nii.gz")
        share = seen.mean(axis=0)
        np.testing.assert_allclose(data, 4 * share * (1 - share), atol=1e-6)
        np.testing.assert_allclose(image.affine, AFFINE, rtol=1e-6)
    again = tmp_path / "again"
    assert agreement(tmp_path / "in", again, "--no-pictures", "--slab", "50", "--jobs", "2") == 0
    maps = sorted((tmp_path / "out/maps").rglob("*.gz"))
    assert len(maps) == len(kept)
    for path in maps:
        assert path.read_bytes() == (again / path.relative_to(tmp_path / "out")).read_bytes()
    assert rows(again / "cases.csv") == rows(tmp_path / "out/cases.csv")
    assert agreement(tmp_path / "in", tmp_path / "none", "--no-maps") == 0
    assert not (tmp_path / "none/maps").exists()


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_maps_of_other_headers(tmp_path: Path, kind: Any, order: str) -> None:
    seen = np.random.default_rng(0).random((2, 4, 3, 5)) < 0.5
    affine = np.diag([-2.0, 1.5, 4.0, 1.0])  # runs from right to left
    for r, mask in enumerate(seen):
        image = kind(mask.astype(np.float32), affine)
        header = image.header.as_byteswapped(order)
        header.set_slope_inter(0.5, 0)
        path = tmp_path / f"in/a/task01_seg{r}.nii"
        path.parent.mkdir(parents=True, exist_ok=True)
        header.set_data_offset(header.sizeof_hdr + 4)
        voxels = (2 * mask).astype(np.dtype(np.float32).newbyteorder(order))
        path.write_bytes(header.binaryblock + bytes(4) + voxels.tobytes(order="F"))
    assert agreement(tmp_path / "in", tmp_path / "out") == 0
    found = nib.load(tmp_path / "out/maps/a/task01.nii.gz")
    np.testing.assert_array_equal(found.get_fdata(), seen[0] != seen[1])
    np.testing.assert_array_equal(found.affine, affine)
    assert type(found) is kind
    assert found.get_data_dtype().newbyteorder("=") == np.float32


def test_regions_ignored_labels_and_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    seen = rng.choice([0, 2, 3, 5, 9], (2, 6, 7, 4))
    kept = rng.random((6, 7, 4)) < 0.7
    for r, labels in enumerate(seen):
        save(tmp_path / f"in/a/task01_seg{r}.nii.gz", labels.astype(np.int16))
    save(tmp_path / "mask/a.nii.gz", kept.astype(np.uint8))
    (tmp_path / "organs.toml").write_text("ignore = [9]\n[regions]\nliver = [5]\nboth = [2, 3]\n")
    options = ["--regions", str(tmp_path / "organs.toml"), "--mask", str(tmp_path / "mask")]
    assert agreement(tmp_path / "in", tmp_path / "out", *options) == 0
    counted = kept & ~(seen == 9).any(axis=0)
    for row, labels in zip(rows(tmp_path / "out/cases.csv"), ([5], [2, 3]), strict=True):
        a, b = (np.isin(s, labels) & counted for s in seen)
        assert float(row["dice"]) == pytest.approx(reference.dice(a, b), abs=1e-6)
        kappa = reference.cohen_kappa(a[counted], b[counted])
        assert float(row["cohen_kappa"]) == pytest.approx(kappa, abs=1e-6)
        assert int(row["voxels"]) == counted.sum()
    data, _ = load(tmp_path / "out/maps/a/task01_both.nii.gz")
    np.testing.assert_array_equal(data, a != b)


def test_a_run_goes_on_where_it_was(tmp_path: Path, monkeypatch) -> None:
    from dice_semimetric_study.agree import case

    study(tmp_path / "in")
    out = tmp_path / "out"
    assert agreement(tmp_path / "in", out) == 0
    before = (out / "cases.csv").read_bytes()
    (out / "maps/case1/task01.nii.gz").unlink()
    done, real = [], case.voxels_of
    monkeypatch.setattr(
        case, "voxels_of", lambda c, reading: done.append(c.case) or real(c, reading)
    )
    assert agreement(tmp_path / "in", out, "--resume") == 0
    assert done == ["case1"]  # of which the map was gone
    assert (out / "maps/case1/task01.nii.gz").is_file()
    assert (out / "cases.csv").read_bytes() == before


def test_nothing_marked(tmp_path: Path) -> None:
    nothing = np.zeros((4, 4), np.uint8)
    for r in (1, 2):
        save(tmp_path / f"in/a/task01_seg0{r}.nii.gz", nothing)
    for empty, score in (("1", 1.0), ("0", 0.0), ("skip", None)):
        assert agreement(tmp_path / "in", tmp_path / empty, "--empty", empty) == 0
        part = json.loads((tmp_path / empty / "summary.json").read_text())["overall"]
        assert part["dice"] == part["jaccard"] == part["dice_to_majority"] == score
        assert part["disagreement"] == 0
        assert part["fleiss_kappa"] == 1
        assert part["intervals"]["dice"] is None  # one patient


def test_raters_who_share_no_case(tmp_path: Path) -> None:
    mask = np.eye(4, dtype=np.uint8)
    for case, raters in (("a", "12"), ("b", "13")):
        for r in raters:
            save(tmp_path / f"in/{case}/task01_seg{r}.nii.gz", mask)
    assert agreement(tmp_path / "in", tmp_path / "out", "--raters", "any") == 0
    part = json.loads((tmp_path / "out/summary.json").read_text())["tasks"]["task01"]
    assert part["matrices"]["dice"] == [[1, 1, 1], [1, 1, None], [1, None, 1]]
    assert {name: r["cases"] for name, r in part["raters"].items()} == {"1": 2, "2": 1, "3": 1}
    assert agreement(tmp_path / "in", tmp_path / "all") == 1  # by default they must be complete


def test_faulty_cases_are_named_and_the_others_done(tmp_path: Path, capsys) -> None:
    study(tmp_path / "in")
    good = np.eye(4, dtype=np.uint8)
    odd = "<b>ä\n"
    for name, second in (("shape", good[:3]), ("values", 2 * good), (odd, good)):
        save(tmp_path / f"in/{name}/task01_seg01.nii.gz", good)
        save(tmp_path / f"in/{name}/task01_seg02.nii.gz", second)
    save(tmp_path / "in/alone/task01_seg01.nii.gz", good)
    save(tmp_path / "in/single/task01.nii.gz", good)
    (tmp_path / "in/case0/task01_seg02.nii.gz").write_bytes(b"")
    assert agreement(tmp_path / "in", tmp_path / "out", "--raters", "any") == 1
    text = capsys.readouterr().err
    for part in (
        "shape task01: task01_seg01.nii.gz and task01_seg02.nii.gz have different shapes",
        "values task01: task01_seg02.nii.gz must hold 0 and 1 only",
        "alone task01: there must be two raters or more",
        "single task01: there must be two raters or more",
        "case0 task01: task01_seg02.nii.gz is empty",
    ):
        assert part in text
    cases = [row["case"] for row in rows(tmp_path / "out/cases.csv")]
    assert cases == [odd.replace("\n", "\\n"), "case1", "case2"]
    assert len(list((tmp_path / "out/maps").rglob("*.nii.gz"))) == 3
    assert not list(tmp_path.rglob("*.part"))


def test_bad_use(tmp_path: Path, capsys) -> None:
    study(tmp_path / "in", shape=(3, 3), cases=1)
    inside, elsewhere = tmp_path / "in/out", tmp_path / "out"
    for folder, out, options, text in (
        (tmp_path / "no", elsewhere, [], "is not a folder"),
        (tmp_path / "in", inside, [], "must not lie in the folder"),
        (tmp_path / "in", elsewhere, ["--patient-pattern", "^p"], "does not match case case0"),
        (tmp_path / "in", elsewhere, ["--mask", str(tmp_path / "no")], "is not a folder"),
        (tmp_path / "in", elsewhere, ["--jobs", "-1"], "at least 0"),
        (tmp_path / "in", elsewhere, ["--empty", "2"], "invalid choice"),
    ):
        assert agreement(folder, out, *options) == 2
        assert text in capsys.readouterr().err
    assert not elsewhere.exists()


def test_quiet_json_and_dry_run(tmp_path: Path, capsys) -> None:
    study(tmp_path / "in", shape=(3, 3))
    assert agreement(tmp_path / "in", tmp_path / "out", "--dry-run") == 0
    assert "case0/task01_seg03.nii.gz" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert agreement(tmp_path / "in", tmp_path / "out", "--json", "-") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "out/summary.json").read_text())
    assert agreement(tmp_path / "in", tmp_path / "out", "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_the_picture_has_content(tmp_path: Path) -> None:
    from PIL import Image

    study(tmp_path / "in")
    assert agreement(tmp_path / "in", tmp_path / "out") == 0
    with Image.open(tmp_path / "out/agreement.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 200
        assert image.width > 1000


@pytest.mark.parametrize(
    ("count", "name"),
    [(3, "{:02d}"), (10, "{:02d}"), (10, "annotator-{}"), (20, "r{}"), (30, "{}")],
)
def test_no_letters_of_the_picture_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, name: str
) -> None:
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, _: figures.append(figure))
    rng = np.random.default_rng(3)
    for case in range(2):
        mask = rng.random((9, 9)) < 0.5
        for rater in range(count):
            found = mask ^ (rng.random((9, 9)) < 0.01 * rater)
            save(
                tmp_path / f"in/c{case}/task01_seg{name.format(rater)}.nii.gz",
                found.astype(np.uint8),
            )
    assert agreement(tmp_path / "in", tmp_path / "out") == 0
    (figure,) = figures
    figure.draw_without_rendering()
    for axes in figure.axes:
        letters = [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.title]
        letters += [axes.xaxis.label, *(axes.get_legend().texts if axes.get_legend() else ())]
        boxes = [t.get_window_extent() for t in letters if t.get_text()]
        for one, two in itertools.combinations(boxes, 2):
            width = min(one.x1, two.x1) - max(one.x0, two.x0)
            height = min(one.y1, two.y1) - max(one.y0, two.y0)
            assert min(width, height) < 1.5
        inside = [t.get_window_extent() for t in (*axes.texts, axes.title)]
        assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 for box in inside)
    numbers = [t for t in figure.axes[0].texts if t.get_text()]
    assert len(numbers) == (count * (count - 1) if count <= 24 else 0)
    image = figure.axes[0].images[0]
    for text in numbers:
        ground = image.to_rgba(float(text.get_text()))
        ink, paper = (_lightness(to_rgb(c)) for c in (text.get_color(), ground[:3]))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 4.5


def test_ten_raters_with_long_names_are_readable(tmp_path: Path, capfd) -> None:
    names = [f"radiologist_of_the_university_hospital_{i}" for i in range(9)] + ["$x$ 二"]
    rng = np.random.default_rng(3)
    for case in range(2):
        for name in names:
            mask = (rng.random((6, 6)) < 0.5).astype(np.uint8)
            save(tmp_path / f"in/c{case}/task01-{name}.nii.gz", mask)
    pattern = ("--pattern", "{case}/{task}-{rater}.nii.gz")
    assert agreement(tmp_path / "in", tmp_path / "out", *pattern) == 0
    text = capfd.readouterr()
    assert text.err == ""  # of matplotlib, whose font lacks a letter
    lines = text.out.splitlines()
    assert max(map(len, lines)) <= 100
    matrix = json.loads((tmp_path / "out/summary.json").read_text())["tasks"]["task01"]["matrices"]
    start = next(i for i, line in enumerate(lines) if line.startswith("Dice of task01"))
    assert lines[start].split()[3:] == [str(i) for i in range(1, 11)]
    shown = [line.split() for line in lines[start + 2 : start + 12]]
    assert [line[0] for line in shown] == [str(i) for i in range(1, 11)]
    assert len({line[1] for line in shown}) == 10  # the ends of the names differ
    for i, line in enumerate(shown):
        others = [f"{v:.3f}" for j, v in enumerate(matrix["dice"][i]) if i != j]
        assert line[-9:] == others


@pytest.mark.parametrize(
    ("folder", "index", "number", "table6"),
    [("bubil-fibroblast", "bubil-fibroblast_index", 47, 0.9114),
     ("bubil-rabbit", "bubil-rabbit_index", 35, 0.9003)],
)  # fmt: skip
def test_real_raters(tmp_path: Path, folder: str, index: str, number: int, table6: float) -> None:
    data = ROOT / "bubil-cells"
    if not data.is_dir():
        pytest.skip(f"the real data are not at {ROOT}; set DSM_DATA to their folder")
    assert agreement(data / folder, tmp_path / "out", "--no-maps", "--no-pictures") == 0
    entries = {
        f"{e['split']}/{e['case']}": e for e in json.loads((data / f"{index}.json").read_text())
    }
    cases = json.loads((tmp_path / "out/cases.json").read_text())
    assert len(cases) == number == len(entries)
    for row in cases:
        entry = entries[row["case"]]
        assert row["dice"] == pytest.approx(entry["pairwise"], abs=1e-12)
        assert row["dice_to_majority"] == pytest.approx(entry["vs_majority"], abs=1e-12)
        assert row["disputed"] / row["majority"] == pytest.approx(entry["amb"], abs=1e-12)
    overall = json.loads((tmp_path / "out/summary.json").read_text())["overall"]
    assert overall["dice_to_majority"] == pytest.approx(table6, abs=5e-5)
