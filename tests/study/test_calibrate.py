"""``dice-semimetric calibrate`` as a user runs it."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dice_semimetric_study.calibrate import calibrate as calibrating
from dice_semimetric_study.calibrate.calibrators import (
    Fitting,
    Sample,
    draw,
    fit_map,
)
from dice_semimetric_study.cases.generator import case_generator
from dice_semimetric_study.choices import FLOOR
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.registry import ALL_SCORES
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import beta
from study_files import AFFINE, data_folder, load, masks, organs, save, study


def calibrate(root: Path, out: Path, method: str, *options: str, ref: bool = True) -> int:
    folders = ["--fit-pred", "fit/pred", "--fit-ref", "fit/ref", "--pred", "new/pred"]
    folders += ["--ref", "new/ref"] if ref else []
    argv = [str(root / v) if not v.startswith("--") else v for v in folders]
    return main(["calibrate", *argv, "--out", str(out), "--method", method, *options])


def overconfident(root: Path, cases: int = 6, first: int = 0, **options: Any) -> None:
    """Write a study whose predictions are the raters' mean, pushed towards 0 and 1."""
    names = [f"case{first + c:02d}" for c in range(cases)]
    ref, pred = study(root, cases=names, raters=5, **options)
    for name in names:
        for path in sorted(pred.glob(f"{name}*/*.nii.gz")) + sorted(pred.glob(f"{name}_*.nii.gz")):
            task = path.name.removeprefix(f"{name}_").removesuffix(".nii.gz")
            found = sorted(ref.glob(f"{name}*{task}_seg*")) + sorted(
                ref.glob(f"{name}/{task}_seg*")
            )
            mean = np.mean([load(f)[0] for f in found], axis=0)
            p = 0.02 + 0.96 * mean
            save(path, (p**3 / (p**3 + (1 - p) ** 3)).astype(np.float32))


def two_sets(root: Path, **options: Any) -> None:
    overconfident(root / "fit", **options)
    overconfident(root / "new", first=50, **options)


def pixels(root: Path, above: float) -> tuple[np.ndarray, np.ndarray]:
    """Return all predictions above a floor and the raters' means there, case by case."""
    found = []
    for path in sorted((root / "pred").rglob("*.nii.gz")):
        files = sorted((root / "ref" / path.parent.name).glob("task01_seg*"))
        p, y = load(path)[0], np.mean([load(f)[0] for f in files], axis=0)
        found.append((p[p > above].astype(float), y[p > above]))
    return tuple(np.concatenate(a) for a in zip(*found, strict=True))  # type: ignore[return-value]


def soft_error(root: Path, pred: Path, case: str) -> float:
    """Return the soft ECE of a map over the pixels that were in doubt before it was calibrated."""
    files = sorted((root / "new/ref" / case).glob("task01_seg*"))
    y = np.mean([load(f)[0] for f in files], axis=0)
    p = load(pred / case / "task01.nii.gz")[0].astype(float)
    some = (load(root / "new/pred" / case / "task01.nii.gz")[0] > 0.01) | (y > 0)
    bins = np.minimum((p[some] * 10).astype(int), 9)
    gap = [abs(np.sum(p[some][bins == b]) - np.sum(y[some][bins == b])) for b in range(10)]
    return float(np.sum(gap) / some.sum())


def numbers(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "calibration.json").read_text(encoding="utf-8"))
    return found


def test_the_kernel_against_scipys_densities(tmp_path: Path) -> None:
    two_sets(tmp_path)
    options = ("--bandwidth", "0.005", "--keys", "100000")  # every pixel is a key
    assert calibrate(tmp_path, tmp_path / "out", "kernel", *options) == 0
    floor = FLOOR["kernel"]
    keys, label = pixels(tmp_path / "fit", above=floor)
    paths = sorted((tmp_path / "new/pred").rglob("*.nii.gz"))
    assert paths
    for path in paths:
        old, new = load(path)[0], load(tmp_path / "out" / path.parent.name / path.name)[0]
        unique, place = np.unique(old[old > floor].astype(float), return_inverse=True)
        weight = beta.pdf(unique[:, None], keys / 0.005 + 1, (1 - keys) / 0.005 + 1)
        expected = (weight @ label / weight.sum(axis=1))[place]
        np.testing.assert_allclose(new[old > floor], expected, atol=1e-4)
        np.testing.assert_array_equal(new[old <= floor], old[old <= floor])


def test_the_temperature_against_a_plain_search(tmp_path: Path) -> None:
    two_sets(tmp_path)
    assert calibrate(tmp_path, tmp_path / "out", "temperature") == 0
    p, y = pixels(tmp_path / "fit", above=0.0)
    z = np.log(p / (1 - p))
    found = minimize_scalar(
        lambda t: np.sum(np.logaddexp(0, z / t) - y * z / t), bounds=(0.1, 50), method="bounded"
    )
    temperature = numbers(tmp_path / "out")["tasks"]["task01"]["temperature"]
    assert temperature == pytest.approx(found.x, rel=1e-3)
    assert temperature > 2  # the logits were made three times too large
    path = next((tmp_path / "new/pred").rglob("*.nii.gz"))
    old, new = load(path)[0], load(tmp_path / "out" / path.parent.name / path.name)[0]
    q = old.astype(float)
    np.testing.assert_allclose(new, 1 / (1 + ((1 - q) / q) ** (1 / temperature)), atol=1e-5)


def test_vector_scaling_against_a_plain_search(tmp_path: Path) -> None:
    """Platt's scaling: the logits of the foreground times a scale, plus a bias."""
    two_sets(tmp_path)
    for path in (tmp_path / "fit/pred").rglob("*.nii.gz"):
        save(path, (0.2 * load(path)[0] ** 2).astype(np.float32))  # a temperature cannot mend it
    assert calibrate(tmp_path, tmp_path / "out", "vector") == 0
    p, y = pixels(tmp_path / "fit", above=0.0)
    z = np.log(p / (1 - p))

    def loss(values: np.ndarray) -> float:
        u = values[0] * z + values[1]
        return float(np.mean(np.logaddexp(0, u) - y * u))

    found = minimize(
        loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
    )
    kept = numbers(tmp_path / "out")["tasks"]["task01"]
    assert kept["method"] == "vector"
    assert (kept["scale"], kept["bias"]) == pytest.approx(tuple(found.x), rel=1e-4)
    assert kept["bias"] > 0.5
    path = next((tmp_path / "new/pred").rglob("*.nii.gz"))
    old, new = load(path)[0], load(tmp_path / "out" / path.parent.name / path.name)[0]
    q = old.astype(float)
    expected = 1 / (1 + ((1 - q) / q) ** kept["scale"] * np.exp(-kept["bias"]))
    np.testing.assert_allclose(new, expected, atol=1e-5)
    assert np.all(np.diff(new.ravel()[np.argsort(old.ravel(), kind="stable")]) >= 0)


@pytest.mark.parametrize("method", ["kernel", "temperature", "vector"])
def test_the_report_says_what_evaluate_says(tmp_path: Path, method: str, capsys) -> None:
    two_sets(tmp_path)
    out = tmp_path / "out"
    assert calibrate(tmp_path, out, method) == 0
    said = numbers(out)
    for when, pred in (("before", tmp_path / "new/pred"), ("after", out)):
        argv = ["--pred", str(pred), "--ref", str(tmp_path / "new/ref"), "--no-pictures"]
        assert main(["evaluate", *argv, "--out", str(tmp_path / when)]) == 0
        summary = json.loads((tmp_path / when / "summary.json").read_text())
        part = said["pred"][when]["overall"]
        for name in ("bdice", "dice", "jaccard", "ece", "cases", "dice_at_threshold"):
            assert part[name] == pytest.approx(summary["overall"][name], rel=1e-5)
        with (out / "calibration.csv").open() as file:
            rows = [r for r in csv.DictReader(file) if r["set"] == "pred"]
        expected = {r["case"]: soft_error(tmp_path, pred, r["case"]) for r in rows}
        for row in rows:
            assert float(row[f"ece_soft_{when}"]) == pytest.approx(expected[row["case"]], abs=2e-6)
        assert part["ece_soft"] == pytest.approx(np.mean(list(expected.values())), abs=2e-6)
    before, after = (said["pred"][w]["overall"]["ece_soft"] for w in ("before", "after"))
    assert after < 0.8 * before
    assert said["fit"]["before"]["overall"]["cases"] == {"scored": 6, "faulty": 0}
    text = capsys.readouterr().out
    assert f"{after:.4f}" in text
    assert "6 maps" in text


def test_pictures_show_both_sets(tmp_path: Path) -> None:
    from matplotlib.image import imread

    two_sets(tmp_path)
    assert calibrate(tmp_path, tmp_path / "out", "kernel") == 0
    for name in ("reliability-fit.png", "reliability-pred.png"):
        picture = imread(tmp_path / "out" / name)[..., :3]
        assert picture.shape[1] > 1200
        orange = np.all(np.abs(picture - np.array([217, 115, 26]) / 255) < 0.05, axis=2)
        half = picture.shape[1] // 2
        assert orange[:, :half].sum() > 100
        assert orange[:, half:].sum() > 100


def test_without_references_maps_are_made_and_not_scored(tmp_path: Path) -> None:
    two_sets(tmp_path)
    assert calibrate(tmp_path, tmp_path / "out", "kernel", ref=False) == 0
    assert "pred" not in numbers(tmp_path / "out")
    assert not (tmp_path / "out/reliability-pred.png").exists()
    maps = sorted((tmp_path / "out").rglob("*.nii.gz"))
    assert len(maps) == 6
    data, image = load(maps[0])
    assert data.dtype == np.float32
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)


def test_flat_folders_three_axes_and_two_tasks(tmp_path: Path) -> None:
    two_sets(tmp_path, cases=3, flat=True, shape=(12, 14, 6), tasks=("task01", "task02"))
    for path in sorted((tmp_path / "fit/pred").glob("*task02.nii.gz")):
        save(path, (1 - load(path)[0]).astype(np.float32))  # this task's network has it reversed
    assert calibrate(tmp_path, tmp_path / "out", "kernel") == 0
    assert len(list((tmp_path / "out").glob("case*_task0?.nii.gz"))) == 6
    assert sorted(numbers(tmp_path / "out")["tasks"]) == ["task01", "task02"]
    for task, sign in (("task01", 1), ("task02", -1)):
        old = load(tmp_path / f"new/pred/case50_{task}.nii.gz")[0].ravel()
        new = load(tmp_path / f"out/case50_{task}.nii.gz")[0].ravel()
        some = (old > 0.05) & (old < 0.95)
        assert sign * np.corrcoef(old[some], new[some])[0, 1] > 0.5


def test_the_majority_as_target_is_bolder(tmp_path: Path) -> None:
    two_sets(tmp_path)
    spread = {}
    for target in ("mean", "majority"):
        out = tmp_path / target
        assert calibrate(tmp_path, out, "temperature", "--target", target) == 0
        spread[target] = numbers(out)["tasks"]["task01"]["temperature"]
    assert spread["majority"] < spread["mean"]


def test_a_seed_gives_the_same_maps_whatever_the_other_faults(tmp_path: Path) -> None:
    two_sets(tmp_path)
    made = {}
    for seed, out in (("0", "a"), ("0", "b"), ("1", "c")):
        assert calibrate(tmp_path, tmp_path / out, "kernel", "--keys", "40", "--seed", seed) == 0
        made[out] = (tmp_path / out / "case50/task01.nii.gz").read_bytes()
        made[out + "j"] = (tmp_path / out / "calibration.json").read_bytes()
    assert made["a"] == made["b"] != made["c"]
    assert made["aj"] == made["bj"]


def test_two_processes_make_the_same(tmp_path: Path) -> None:
    two_sets(tmp_path, cases=3)
    (tmp_path / "new/pred/case51/task01.nii.gz").write_bytes(b"no image")
    for name, jobs in (("one", "1"), ("two", "2")):
        assert calibrate(tmp_path, tmp_path / name, "kernel", "--jobs", jobs) == 1
    files = [p for p in (tmp_path / "one").rglob("*") if p.is_file()]
    files = [p for p in files if "records" not in p.parts]  # of each map's time
    assert len(files) == 2 + 4 + 1 + 1 + 1
    for path in files:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()


def test_samples_add_up_in_any_order() -> None:
    parts = []
    for case in range(5):
        rng = np.random.default_rng(case)
        p = rng.random(300).astype(np.float32)
        parts.append(draw(p, p > 0.5, above=0.01, size=50, rng=case_generator(3, f"{case}", "")))
    one = parts[0] + parts[1] + parts[2] + parts[3] + parts[4]
    other = (parts[4] + parts[2]) + (parts[0] + (parts[3] + parts[1]))
    np.testing.assert_array_equal(one.prob, other.prob)
    assert one.prob.size == 50
    assert one.seen == other.seen == sum(part.seen for part in parts) < 1500
    ranks = np.sort(np.concatenate([part.rank for part in parts]))
    np.testing.assert_array_equal(one.rank, ranks[:50])


@pytest.mark.parametrize("method", ["kernel", "temperature", "vector"])
def test_zeros_ones_and_maps_without_doubt(method: Any) -> None:
    prob = np.array([0.0, 1.0, 1.0, 0.5, 0.9, 0.3], np.float32)
    target = np.array([0.0, 1.0, 0.5, 0.5, 0.6, 0.4])
    sample = draw(prob, target, above=FLOOR[method], size=10, rng=np.random.default_rng(0))
    assert (sample.prob.size, sample.seen) == (5, 5)
    few = draw(prob, target, above=0.35, size=10, rng=np.random.default_rng(0)).first(3)
    assert (few.prob.size, few.seen, few.size) == (3, 4, 10)
    calibrator = fit_map(sample, Fitting(method))
    new = calibrator.predict(np.array([[0.0, 1.0], [0.01, 0.5]], np.float32))
    assert new.dtype == np.float32
    assert np.all((new >= 0) & (new <= 1))
    assert new[0, 0] == 0
    assert (new[1, 0] == np.float32(0.01)) == (method == "kernel")
    np.testing.assert_array_equal(calibrator.predict(np.zeros((3, 4))), np.zeros((3, 4)))
    empty = Sample(*(np.empty(0) for _ in range(3)), 10, 0)
    np.testing.assert_array_equal((empty + sample).prob, sample.prob)


def test_faulty_cases_are_named_and_the_others_done(tmp_path: Path, capsys) -> None:
    two_sets(tmp_path)
    (tmp_path / "fit/pred/case01/task01.nii.gz").write_bytes(b"")
    save(tmp_path / "fit/pred/case02/task01.nii.gz", np.full((20, 24), 1.5, np.float32))
    (tmp_path / "new/pred/case50/task01.nii.gz").write_bytes(b"no image")
    save(tmp_path / "new/pred/case51/task01.nii.gz", np.full((20, 23), 0.5, np.float32))
    save(tmp_path / "new/pred/extra/task01.nii.gz", np.full((20, 24), 0.5, np.float32))
    save(tmp_path / "new/pred/case52/task09.nii.gz", np.full((20, 24), 0.5, np.float32))
    (tmp_path / "new/ref/case53/task01_seg02.nii.gz").unlink()
    save(tmp_path / "new/pred/case55/task01.nii", np.zeros((20, 24), np.float32))
    (tmp_path / "new/pred/case54/task01.nii.gz").unlink()  # not asked for, so no fault
    assert calibrate(tmp_path, tmp_path / "out", "kernel") == 1
    text = capsys.readouterr()
    for case, words in {
        "case01 task01": "in the fit: task01.nii.gz is empty",
        "case02 task01": "must hold probabilities from 0 to 1, got values from 1.5 to 1.5",
        "case50 task01": "task01.nii.gz is",
        "case51 task01": "different shapes: (20, 24) and (20, 23)",
        "extra task01": "there is a prediction but no reference",
        "case52 task09": "no calibrator was fitted to task09, only to task01",
        "case55 task01": "two files stand for one",
        "case53 task01": "calibrated, but not scored: the mask of rater 02 is missing",
    }.items():
        lines = [t for t in text.err.splitlines() if case in t]
        assert any(words in t for t in lines), (case, lines)
    assert "Traceback" not in text.err
    assert "case54" not in text.err
    made = {p.parent.name for p in (tmp_path / "out").rglob("*.nii.gz")}
    assert made == {"case52", "case53", "extra"}
    said = numbers(tmp_path / "out")
    assert said["pred"]["after"]["overall"]["cases"]["scored"] == 1
    assert said["fit"]["after"]["overall"]["cases"]["scored"] == 4
    reasons = [(f["case"], f["task"]) for f in said["faults"]]
    assert len(reasons) == len(set(reasons)) + 1  # task09: no reference, and no calibrator


def test_a_run_that_is_stopped_while_it_scores_the_fit_keeps_a_former_report(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    two_sets(tmp_path, cases=3)
    out = tmp_path / "out"
    assert calibrate(tmp_path, out, "temperature") == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and "records" not in p.parts}

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(calibrating, "score", stop)
        assert calibrate(tmp_path, out, "temperature") == 130
    assert "stopped by the user" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in before} == before
    assert calibrate(tmp_path, out, "temperature", "--resume") == 0


def test_what_cannot_run(tmp_path: Path, capsys) -> None:
    two_sets(tmp_path, cases=2)
    assert calibrate(tmp_path, tmp_path / "new/pred/out", "kernel") == 2
    assert "must not lie in" in capsys.readouterr().err
    for options, words in (
        (["--bandwidth", "0"], "must be auto, or finite and above 0"),
        (["--bandwidth", "nan"], "must be auto, or finite and above 0"),
        (["--keys", "1"], "must be at least 2"),
        (["--target", "best"], "invalid choice"),
    ):
        assert calibrate(tmp_path, tmp_path / "out", "kernel", *options) == 2
        assert words in capsys.readouterr().err
    for path in (tmp_path / "fit/pred").rglob("*.nii.gz"):
        save(path, np.zeros((20, 24), np.float32))
    for method in ("kernel", "temperature"):
        assert calibrate(tmp_path, tmp_path / "out", method) == 2
        text = capsys.readouterr().err
        assert re.search(r"of its fit cases, pixels with a probability above [\d.e-]+: 0,", text)
    for path in (tmp_path / "fit/pred").rglob("*.nii.gz"):
        path.write_bytes(b"")
    assert calibrate(tmp_path, tmp_path / "out", "kernel") == 2
    assert "there is no case to fit to" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("*.nii.gz"))


def test_a_hard_single_reference_and_one_case(tmp_path: Path) -> None:
    for name in ("fit", "new"):
        seen = masks(3).sum(axis=0) > 1
        save(tmp_path / name / "ref/x.nii.gz", seen.astype(np.uint8))
        noise = np.random.default_rng(1).uniform(-0.3, 0.3, seen.shape)
        save(tmp_path / name / "pred/x.nii.gz", np.clip(seen + noise, 0, 1).astype(np.float32))
    assert calibrate(tmp_path, tmp_path / "out", "kernel", "--bandwidth", "0.01") == 0
    assert len(list((tmp_path / "out").rglob("*.nii.gz"))) == 1


def test_as_a_process(tmp_path: Path) -> None:
    two_sets(tmp_path, cases=2)
    command = [sys.executable, "-m", "dice_semimetric_study", "calibrate", "--method", "kernel"]
    folders = ["--fit-pred", "fit/pred", "--fit-ref", "fit/ref", "--pred", "new/pred"]
    argv = [*command, *folders, "--ref", "new/ref", "--out", "out"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 maps, 1 calibrator written\nresults in out\n")


@pytest.mark.parametrize(
    ("method", "most"), [("kernel", 0.6), ("temperature", 0.8), ("vector", 0.95)]
)
def test_real_maps_get_nearer_and_dice_stays(tmp_path: Path, method: str, most: float) -> None:
    """Half of a soft-Dice network's test cases calibrate the other half."""
    data = data_folder()
    for number, folder in enumerate(sorted((data / "lidc4-predictions/sdl_soft").iterdir())):
        name = "new" if number % 2 else "fit"
        path = tmp_path / name / "pred" / folder.name / "task01.nii.gz"
        path.parent.mkdir(parents=True)
        path.write_bytes((folder / "task01.nii.gz").read_bytes())
    for name in ("fit", "new"):
        (tmp_path / name / "ref").symlink_to(data / "lidc4-nodules/lidc-nodule/Testing")
    assert calibrate(tmp_path, tmp_path / "out", method) == 0
    part = numbers(tmp_path / "out")["pred"]
    before, after = part["before"]["overall"], part["after"]["overall"]
    assert after["ece_soft"] < 0.95 * before["ece_soft"]
    assert after["pooled"]["ece_soft"] < most * before["pooled"]["ece_soft"]
    unknown = {name for name, score in ALL_SCORES.items() if score.of_raters}
    assert "volume_crps" in unknown
    assert not unknown & after.keys()  # the marks of each rater are not kept
    assert abs(after["dice"] - before["dice"]) < 0.01


def labelled(root: Path) -> None:
    """Write two sets of label maps of two organs, and predictions of their channels."""
    for name in ("fit", "new"):
        organs(root / name)
        (root / name / "soft").rename(root / name / "pred")


def test_each_region_gets_a_calibrator_and_a_map(tmp_path: Path, capsys) -> None:
    """As if each region were alone, with masks and one map as its files."""
    labelled(tmp_path)
    options = ["--regions", str(tmp_path / "fit/channels.toml")]
    assert calibrate(tmp_path, tmp_path / "out", "temperature", *options) == 0
    assert sorted(numbers(tmp_path / "out")["tasks"]) == ["kidneys", "liver"]
    for region, labels, channels in (("liver", [5], [3]), ("kidneys", [2, 3], [1, 2])):
        for name in ("fit", "new"):
            for case in ("a", "b"):
                files = sorted((tmp_path / name / "ref" / case).glob("*.nii.gz"))
                seen = np.stack([load(f)[0] for f in files])
                counted = ~(seen == 9).any(axis=0)
                for f, one in zip(files, seen, strict=True):
                    marks = np.isin(one, labels).astype(np.uint8)[counted][:, None]
                    save(tmp_path / region / name / "ref" / case / f.name, marks)
                p = load(tmp_path / name / "pred" / case / "task01.nii.gz")[0]
                p = p[..., channels].sum(axis=-1, dtype=np.float32)
                alone = tmp_path / region / name / "pred" / case / "task01.nii.gz"
                save(alone, np.minimum(p, 1)[counted][:, None])
        assert calibrate(tmp_path / region, tmp_path / region / "out", "temperature") == 0
        one = numbers(tmp_path / region / "out")["tasks"]["task01"]["temperature"]
        assert numbers(tmp_path / "out")["tasks"][region]["temperature"] == pytest.approx(one)
        for case in ("a", "b"):
            whole, image = load(tmp_path / f"out/{case}/task01_{region}.nii.gz")
            assert whole.shape == counted.shape
            np.testing.assert_array_equal(image.affine, AFFINE.astype(np.float32))
            seen = np.stack([load(f)[0] for f in (tmp_path / "new/ref" / case).glob("*.gz")])
            part, _ = load(tmp_path / region / "out" / case / "task01.nii.gz")
            here = ~(seen == 9).any(axis=0)
            np.testing.assert_allclose(whole[here], part.ravel(), atol=1e-6)
    assert len(list((tmp_path / "out").rglob("*.nii.gz"))) == 4
    assert calibrate(tmp_path, tmp_path / "lone", "temperature", *options, ref=False) == 0
    slabs = (*options, "--slab", "200")
    assert calibrate(tmp_path, tmp_path / "slabs", "temperature", *slabs, ref=False) == 0
    for path in sorted((tmp_path / "out").rglob("*.nii.gz")):
        name = path.relative_to(tmp_path / "out")
        whole, lone = load(path)[0], load(tmp_path / "lone" / name)[0]
        files = (tmp_path / "new/ref" / path.parent.name).glob("*.gz")
        ignored = np.any([load(f)[0] == 9 for f in files], axis=0)
        assert ignored.any()
        # What is ignored is known of references alone.
        np.testing.assert_array_equal(whole, np.where(ignored, 0, lone))
        np.testing.assert_allclose(lone, load(tmp_path / "slabs" / name)[0], atol=1e-6)


def test_voxels_that_do_not_count_are_not_fitted_to(tmp_path: Path) -> None:
    two_sets(tmp_path, cases=2)
    for name in ("case00", "case01", "case50", "case51"):
        inside = np.ones((20, 24), np.uint8)
        inside[:4] = 0
        save(tmp_path / f"mask/{name}.nii.gz", inside)
    mask = ("--mask", str(tmp_path / "mask"))
    assert calibrate(tmp_path, tmp_path / "before", "kernel", *mask) == 0
    for path in tmp_path.glob("fit/pred/*/*.nii.gz"):
        data = load(path)[0].copy()
        data[:4] = np.nan
        save(path, data)
    assert calibrate(tmp_path, tmp_path / "after", "kernel", *mask) == 0
    assert numbers(tmp_path / "before") == numbers(tmp_path / "after")
    (tmp_path / "mask/case51.nii.gz").unlink()
    assert calibrate(tmp_path, tmp_path / "less", "kernel", *mask) == 1
    assert not (tmp_path / "less/case51").exists()


def test_ignored_voxels_may_hold_anything_and_become_0(tmp_path: Path) -> None:
    two_sets(tmp_path, cases=2)
    assert calibrate(tmp_path, tmp_path / "before", "kernel") == 0
    for path in tmp_path.glob("*/ref/*/task01_seg01.nii.gz"):
        data = load(path)[0].copy()
        data[:4] = 9
        save(path, data)
    assert calibrate(tmp_path, tmp_path / "some", "kernel", "--ignore", "9") == 0
    for path in tmp_path.glob("*/pred/*/*.nii.gz"):
        data = load(path)[0].copy()
        data[:4] = np.nan
        save(path, data)
    assert calibrate(tmp_path, tmp_path / "after", "kernel", "--ignore", "9") == 0
    assert numbers(tmp_path / "some") == numbers(tmp_path / "after")
    for case in ("case50", "case51"):
        some, after = (load(tmp_path / o / case / "task01.nii.gz")[0] for o in ("some", "after"))
        np.testing.assert_array_equal(some, after)
        assert not after[:4].any()
        assert after[4:].any()


def test_a_run_goes_on_where_the_fit_is_the_same(tmp_path: Path, caplog) -> None:
    two_sets(tmp_path, cases=3)
    out, again = tmp_path / "out", ("--resume", "--keys", "50")
    assert calibrate(tmp_path, out, "kernel", "--keys", "50") == 0
    first = {p: p.stat().st_mtime_ns for p in out.rglob("case*.nii.gz")}
    said = (out / "calibration.json").read_bytes()
    (out / "case51/task01.nii.gz").unlink()
    made = (out / "case50/task01.nii.gz").stat().st_mtime_ns
    assert calibrate(tmp_path, out, "kernel", *again) == 0
    assert (out / "case50/task01.nii.gz").stat().st_mtime_ns == made
    assert (out / "case51/task01.nii.gz").is_file()
    assert (out / "calibration.json").read_bytes() == said
    assert all(p.stat().st_mtime_ns == t for p, t in first.items() if "case51" not in str(p))
    path = tmp_path / "fit/pred/case00/task01.nii.gz"
    save(path, load(path)[0] * np.float32(0.9))  # another fit: nothing that was made of it stands
    assert calibrate(tmp_path, out, "kernel", *again) == 0
    assert (out / "case50/task01.nii.gz").stat().st_mtime_ns != made
    assert (out / "calibration.json").read_bytes() != said


def test_it_lists_is_quiet_and_follows_links(tmp_path: Path, capsys) -> None:
    two_sets(tmp_path, cases=2)
    (tmp_path / "new/pred").rename(tmp_path / "elsewhere")
    (tmp_path / "new/pred").mkdir()
    (tmp_path / "new/pred/x").symlink_to(tmp_path / "elsewhere")
    assert calibrate(tmp_path, tmp_path / "out", "kernel", "--dry-run") == 1
    text = capsys.readouterr()
    assert "see --follow-links" in text.err
    assert text.out.splitlines()[0] == "fit:"
    assert [t.split()[0] for t in text.out.splitlines()[3:5]] == ["case00", "case01"]
    for ref in (True, False):
        options = ("--dry-run", "--follow-links")
        assert calibrate(tmp_path, tmp_path / "out", "kernel", *options, ref=ref) == 0
        assert "x/case50/task01.nii.gz" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert calibrate(tmp_path, tmp_path / "out", "kernel", "--follow-links", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert len(list((tmp_path / "out").rglob("*.nii.gz"))) == 2
    pattern = ("--follow-links", "--patient-pattern", "nobody")
    assert calibrate(tmp_path, tmp_path / "out", "kernel", *pattern) == 2
    assert "--patient-pattern" in capsys.readouterr().err
