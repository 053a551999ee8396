"""Several structures, masks, ignored labels, other orientations, and volumes read in slabs."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dice_semimetric_study.cases.regions import Regions, read_regions
from dice_semimetric_study.cli import main
from dice_semimetric_study.faults import CaseError, UsageError
from study_files import AFFINE, TOML, data_folder, load, masks, organs, save, study

NUMBERS = ("bdice", "dice", "jaccard", "ece", "ece_soft")


def evaluate(root: Path, out: Path, *options: str) -> int:
    files = ["--pred", str(root / "pred"), "--ref", str(root / "ref"), "--no-pictures"]
    return main(["evaluate", *files, "--out", str(out), "--overwrite", *options])


def rows(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (out / "cases.csv").open(encoding="utf-8", newline="") as file:
        return {(r["case"], r["task"]): r for r in csv.DictReader(file)}


def alone(root: Path, p: np.ndarray, seen: list[np.ndarray], name: str) -> dict[str, str]:
    """Return the scores of one structure by the road of single masks, over given voxels."""
    for r, mask in enumerate(seen):
        save(root / f"{name}/ref/x/task01_seg0{r}.nii.gz", mask.astype(np.uint8)[:, None])
    save(root / f"{name}/pred/x/task01.nii.gz", p.astype(np.float32)[:, None])
    assert evaluate(root / name, root / name / "out") == 0
    return rows(root / name / "out")["x", "task01"]


@pytest.mark.parametrize("kind", ["soft", "hard", "files"])
def test_each_region_as_if_it_were_alone(tmp_path: Path, kind: str) -> None:
    kept = organs(tmp_path)
    (tmp_path / kind).rename(tmp_path / "pred")
    options = ["--regions", str(tmp_path / "channels.toml")]
    if kind == "files":
        options += ["--pred-pattern", "{case}/{class}.nii.gz"]
    assert evaluate(tmp_path, tmp_path / "out", *options) == 0
    found = rows(tmp_path / "out")
    assert list(found) == [(c, r) for c in "ab" for r in ("liver", "kidneys")]
    for case, (seen, prob) in kept.items():
        counted = ~(seen == 9).any(axis=0)
        for name, labels, channels in (("liver", [5], [3]), ("kidneys", [2, 3], [1, 2])):
            p = prob[..., channels].sum(axis=-1)
            if kind == "hard":
                p = np.isin(np.array([0, 2, 3, 5])[prob.argmax(axis=-1)], labels)
            marks = [np.isin(s, labels)[counted] for s in seen]
            expected = alone(tmp_path, p[counted], marks, f"{case}{name}")
            other = (
                "case",
                "task",
                "patient",
                "ece_near",
                "ece_near_by_rater",
            )  # a list of voxels has no box
            assert {k: v for k, v in found[case, name].items() if k not in other} == {
                k: v for k, v in expected.items() if k not in other
            }
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert sorted(summary["tasks"]) == ["kidneys", "liver"]
    assert summary["options"]["regions"]["labels"] == {"liver": [5], "kidneys": [2, 3]}
    assert evaluate(tmp_path, tmp_path / "two", *options, "--jobs", "2", "--resume") == 0
    assert rows(tmp_path / "two") == found


@pytest.mark.parametrize("kind", ["soft", "hard", "files"])
@pytest.mark.parametrize("slab", [1, 500])
def test_slabs_change_nothing(tmp_path: Path, kind: str, slab: int, monkeypatch) -> None:
    from dice_semimetric_study.cases import blocks

    organs(tmp_path)
    (tmp_path / kind).rename(tmp_path / "pred")
    options = ["--regions", str(tmp_path / "channels.toml")]
    if kind == "files":
        options += ["--pred-pattern", "{case}/{class}.nii.gz"]
    assert evaluate(tmp_path, tmp_path / "whole", *options) == 0
    monkeypatch.setattr(blocks, "read_voxels", None)  # nothing is read as a whole
    assert evaluate(tmp_path, tmp_path / "slabs", *options, "--slab", str(slab)) == 0
    whole, slabs = rows(tmp_path / "whole"), rows(tmp_path / "slabs")
    assert whole
    assert whole.keys() == slabs.keys()
    for key, row in whole.items():
        for name, value in row.items():
            if name in ("case", "task", "patient"):
                continue
            assert float(slabs[key][name]) == pytest.approx(float(value), abs=2e-6), name


def test_memory_is_bounded_by_a_slab(tmp_path: Path) -> None:
    import tracemalloc

    shape = (64, 64, 400)  # 6.6 MB of float32
    rng = np.random.default_rng(0)
    save(tmp_path / "pred/x.nii.gz", rng.random(shape, np.float32))
    save(tmp_path / "ref/x.nii.gz", rng.integers(0, 2, shape).astype(np.uint8))
    assert evaluate(tmp_path, tmp_path / "warm", "--slab", "40960") == 0
    peaks = {}
    for slab in ("40960", "9999999"):
        tracemalloc.start()
        assert evaluate(tmp_path, tmp_path / slab, "--slab", slab) == 0
        peaks[slab] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["40960"] < 6e6
    assert peaks["9999999"] > 12e6


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
def test_faulty_files_are_named_in_slabs_too(tmp_path: Path, end: str, capsys) -> None:
    _, pred = study(tmp_path, cases=("a", "b", "c", "d", "e"), shape=(20, 24, 6), end=end)
    good = (pred / f"a/task01{end}").read_bytes()
    (pred / f"a/task01{end}").write_bytes(good[: len(good) // 2])
    save(pred / f"b/task01{end}", np.zeros((20, 24, 5), np.float32))
    save(pred / f"c/task01{end}", np.full((20, 24, 6), np.nan, np.float32))
    save(pred / f"d/task01{end}", np.zeros((20, 24, 6), np.complex64))
    assert evaluate(tmp_path, tmp_path / "out", "--slab", "1000") == 1
    text = capsys.readouterr().err
    for case, words in {
        "a": "is truncated",
        "b": "different shapes: (20, 24, 6) and (20, 24, 5)",
        "c": "got NaN",
        "d": "must hold real numbers",
    }.items():
        assert any(
            line.startswith(f"faulty: {case} ") and words in line for line in text.splitlines()
        ), (case, text)
    assert list(rows(tmp_path / "out")) == [("e", "task01")]


def test_scaled_and_big_endian_files_in_slabs(tmp_path: Path) -> None:
    seen = masks(3, raters=1, shape=(10, 11, 7))[0]
    save(tmp_path / "ref/x.nii", seen.astype(">i2"))
    image = nib.Nifti1Image((seen * 200).astype(np.uint8), AFFINE)
    content = bytearray(image.to_bytes())
    content[112:120] = np.array([0.004, 0.1], "<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "pred").mkdir()
    (tmp_path / "pred/x.nii").write_bytes(content)
    for out in ("whole", "slabs"):
        more = ["--slab", "300"] if out == "slabs" else []
        assert evaluate(tmp_path, tmp_path / out, *more) == 0
    assert (tmp_path / "whole/cases.csv").read_bytes() == (
        tmp_path / "slabs/cases.csv"
    ).read_bytes()
    assert float(rows(tmp_path / "whole")["x", "task01"]["dice"]) == 1


def test_masks_and_ignored_labels(tmp_path: Path, capsys) -> None:
    ref, pred = study(tmp_path)
    for number, case in enumerate(("case01", "case02", "case03")):
        inside = np.zeros((20, 24), np.uint8)
        inside[3:15, 5:20] = 1
        if case != "case03":
            save(tmp_path / f"inside/{case}.nii.gz", inside)
        prob, _ = load(pred / case / "task01.nii.gz")
        prob = np.where(inside, prob, np.nan)  # what lies outside is not even looked at
        save(pred / case / "task01.nii.gz", prob)
        del number
    assert evaluate(tmp_path, tmp_path / "out", "--mask", str(tmp_path / "inside")) == 1
    assert "case03 task01: the folder of --mask has no map for it" in capsys.readouterr().err
    found = rows(tmp_path / "out")
    for number, case in enumerate(("case01", "case02")):
        prob, _ = load(pred / case / "task01.nii.gz")
        window = np.s_[3:15, 5:20]
        marks = [m[window].ravel() for m in masks(10 * number)]
        expected = alone(tmp_path, prob[window].ravel(), marks, case)
        for name in (*NUMBERS, "voxels"):
            assert found[case, "task01"][name] == expected[name]
    path = ref / "case01/task01_seg02.nii.gz"
    save(path, np.where(masks(0)[1], 1, 0).astype(np.uint8) + np.eye(20, 24, dtype=np.uint8) * 7)
    options = ["--mask", str(tmp_path / "inside")]
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert "must hold 0 and 1 only" in capsys.readouterr().err
    assert evaluate(tmp_path, tmp_path / "out", *options, "--ignore", "7", "8") == 1
    assert int(rows(tmp_path / "out")["case01", "task01"]["voxels"]) < 180
    save(tmp_path / "inside/case01.nii.gz", np.ones((20, 23), np.uint8))
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert "the reference and the mask case01.nii.gz" in capsys.readouterr().err


@pytest.mark.parametrize("slab", [[], ["--slab", "100"]])
@pytest.mark.parametrize("command", ["fuse", "agreement", "evaluate", "calibrate"])
def test_a_case_of_which_nothing_counts_is_faulty(
    tmp_path: Path, capsys, command: str, slab: list[str]
) -> None:
    ref, pred = study(tmp_path, cases=("x", "y"))
    save(tmp_path / "inside/x.nii.gz", np.full((20, 24), 1e-9))  # a hair is rounding
    save(tmp_path / "inside/y.nii.gz", np.ones((20, 24), np.uint8))
    argv = [*argv_of(command, ref, pred), "--out", str(tmp_path / "out"), *slab]
    assert main([*argv, "--mask", str(tmp_path / "inside")]) == 1
    faults = [t for t in capsys.readouterr().err.splitlines() if t.startswith("faulty: ")]
    parts = ["", "in the fit: "] if command == "calibrate" else [""]
    reason = "no voxel counts: the mask x.nii.gz is 0 everywhere"
    assert set(faults) == {f"faulty: x task01: {part}{reason}" for part in parts}
    assert "x" not in {p.parent.name for p in (tmp_path / "out").rglob("*.nii.gz")}
    assert main([*argv_of(command, ref, pred), "--out", str(tmp_path / "2"), "--ignore", "0", "1"])
    assert "no voxel counts: all labels are ignored" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["LPS", "SAR", "PIL", "RAS"])
@pytest.mark.parametrize("shape", [(12, 14, 6), (12, 14)])
def test_the_same_orientation_if_only_voxels_move(tmp_path: Path, to: str, shape, capsys) -> None:
    ref, pred = study(tmp_path, cases=("x",), shape=shape)
    assert evaluate(tmp_path, tmp_path / "before") == 0
    path = pred / "x/task01.nii.gz"
    image = nib.load(path)
    if len(shape) == 2:
        image = nib.Nifti1Image(np.asanyarray(image.dataobj)[..., None], image.affine)
    moved = image.as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(to)
        )
    )
    nib.save(moved, path)
    turned = not np.allclose(moved.affine, image.affine)
    assert turned == (to != "RAS")
    assert evaluate(tmp_path, tmp_path / "out") == int(turned)
    text = capsys.readouterr().err
    assert ("different" in text) == turned
    assert evaluate(tmp_path, tmp_path / "out", "--allow-reorient") == 0
    assert rows(tmp_path / "out") == rows(tmp_path / "before")
    if turned:
        assert evaluate(tmp_path, tmp_path / "out", "--allow-reorient", "--slab", "9") == 1
        assert "read in slabs is not reoriented" in capsys.readouterr().err
    # What is merely elsewhere stays a fault.
    nib.save(nib.Nifti1Image(np.asanyarray(moved.dataobj), moved.affine + 0.1), path)
    assert evaluate(tmp_path, tmp_path / "out", "--allow-reorient") == 1
    assert "different affines" in capsys.readouterr().err
    del ref


def test_channels_in_another_orientation(tmp_path: Path) -> None:
    organs(tmp_path)
    (tmp_path / "soft").rename(tmp_path / "pred")
    options = ["--regions", str(tmp_path / "channels.toml")]
    assert evaluate(tmp_path, tmp_path / "before", *options) == 0
    for case in "ab":
        path = tmp_path / f"pred/{case}/task01.nii.gz"
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)[::-1, :, ::-1].transpose(1, 2, 0, 3)
        to_old = np.array([[0, 0, -1, 13], [1, 0, 0, 0], [0, -1, 0, 7], [0, 0, 0, 1.0]])
        save(path, data, AFFINE @ to_old)
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert evaluate(tmp_path, tmp_path / "out", *options, "--allow-reorient") == 0
    assert rows(tmp_path / "out") == rows(tmp_path / "before")


def test_what_the_regions_do_not_fit(tmp_path: Path, capsys) -> None:
    kept = organs(tmp_path)
    options = ["--regions", str(tmp_path / "organs.toml")]
    (tmp_path / "soft").rename(tmp_path / "pred")
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert "has no probability of label 5 of liver" in capsys.readouterr().err
    (tmp_path / "organs.toml").write_text('channels = ["liver", 2, 3]' + TOML)
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert "has 4 channels, and 3 are named" in capsys.readouterr().err
    (tmp_path / "organs.toml").write_text("channels = [0, 2, 3, 5]" + TOML)
    save(tmp_path / "pred/a/task01.nii.gz", np.ones((14, 12, 8, 4), np.float32))
    save(tmp_path / "pred/b/task01.nii.gz", kept["b"][1][..., 0])
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    text = capsys.readouterr().err
    assert "the probabilities of kidneys in task01.nii.gz add up to 2" in text
    assert "b task01: task01.nii.gz must be a map of labels or have an axis of channels" in text
    assert evaluate(tmp_path, tmp_path / "out", *options, "--pred-pattern", "{case}/{class}") == 1
    assert "task01 is neither a region nor the number of a label" in capsys.readouterr().err


def argv_of(command: str, ref: Path, pred: Path) -> list[str]:
    """Return a command with the folders that it reads."""
    folders = {
        "fuse": [str(ref), "--method=majority"],
        "agreement": [str(ref)],
        "evaluate": [f"--pred={pred}", f"--ref={ref}"],
        "calibrate": [f"--fit-pred={pred}", f"--fit-ref={ref}", f"--pred={pred}"],
    }
    method = ["--method=temperature"] if command == "calibrate" else []
    return [command, *folders[command], *method]


@pytest.mark.parametrize("command", ["fuse", "agreement", "evaluate", "calibrate"])
def test_nothing_is_written_among_the_maps_of_what_counts(
    tmp_path: Path, capsys, command: str
) -> None:
    ref, pred = study(tmp_path)
    kept = [save(tmp_path / f"mask/case0{c}/task01.nii.gz", np.ones((20, 24))) for c in (1, 2, 3)]
    before = [path.read_bytes() for path in kept]
    mask = str(tmp_path / "mask")
    assert main([*argv_of(command, ref, pred), "--mask", mask, "--out", mask]) == 2
    assert "must not lie in the folder that is read" in capsys.readouterr().err
    assert [path.read_bytes() for path in kept] == before
    assert sorted((tmp_path / "mask").rglob("*.*")) == sorted(kept)


@pytest.mark.parametrize("command", ["fuse", "agreement", "calibrate"])
@pytest.mark.parametrize("name", ["../../out", "a/b", ".a", "seg01", "a:b", " a", "a\\u0007"])
def test_maps_are_not_named_after_what_no_file_can_be_named(
    tmp_path: Path, capsys, command: str, name: str
) -> None:
    ref, pred = study(tmp_path)
    (tmp_path / "r.toml").write_text(f'[regions]\n"{name}" = [1]\n')
    options = ["--regions", str(tmp_path / "r.toml"), "--out", str(tmp_path / "new/out")]
    before = sorted(tmp_path.rglob("*"))
    assert main([*argv_of(command, ref, pred), *options]) == 2
    assert "since its maps are named after it" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = [", "cannot read the regions"),
        ("a = 1", "unknown: a"),
        ("ignore = [1]", "there are no regions"),
        ("[regions]", "there are no regions"),
        ("[regions]\na = 1", "region a .* must be a list of labels"),
        ("[regions]\na = []", "region a .* must be a list of labels"),
        ("[regions]\na = [true]", "region a .* must be a list of labels"),
        ("ignore = [1.5]\n[regions]\na = [1]", "ignore .* must be a list of labels"),
        ('channels = ["b"]\n[regions]\na = [1]', "must be labels or names of regions"),
        ("channels = [1, 1]\n[regions]\na = [1]", "must differ"),
        ('[regions]\n"" = [1]', "must have a name, got ''"),
        ("[regions]\nall = [1]", "cannot have the name all, which the row over all structures has"),
        ("[regions]\noverall = [1]", "cannot have the name overall"),
        ('[regions]\n"all tasks" = [1]', "cannot have the name all tasks"),
        ('[regions]\n"task02/liver" = [1]', "cannot have the name task02/liver"),
    ],
)
def test_files_of_regions_that_say_something_else(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_regions(tmp_path / "r.toml")
    with pytest.raises(UsageError, match="cannot read the regions"):
        read_regions(tmp_path / "absent.toml")


def test_no_task_has_the_name_of_the_row_over_all_tasks(tmp_path: Path, capsys) -> None:
    for name in ("all", "liver"):
        save(tmp_path / f"ref/x/{name}.nii.gz", np.ones((3, 4), np.uint8))
    files = ["--pred", str(tmp_path / "ref"), "--ref", str(tmp_path / "ref")]
    patterns = [f"--{which}=" + "{case}/{task}.nii.gz" for which in ("pattern", "pred-pattern")]
    argv = ["evaluate", *files, *patterns, "--out", str(tmp_path / "out"), "--no-pictures"]
    assert main(argv) == 2
    assert "cannot have the name all, which the row over all tasks has" in capsys.readouterr().err
    (tmp_path / "ref/x/all.nii.gz").unlink()
    assert main(argv) == 0


def test_probabilities_of_8_bits_may_add_up_to_a_little_more() -> None:
    """Each is stored to half a step; what overlaps adds up to far more."""
    regions = Regions({"kidneys": (2, 3)})
    half = np.rint(np.array([127.5, 10]) + 0.01).astype(np.float32) / np.float32(255)
    found = regions.probability("kidneys", {2: half, 3: half}, "p")
    np.testing.assert_allclose(found, [1, 2 * half[1]])
    with pytest.raises(CaseError, match=r"kidneys in p add up to 1\.01"):
        regions.probability("kidneys", {2: half, 3: half + np.float32(0.008)}, "p")


def test_the_file_or_channel_of_a_class_is_named(tmp_path: Path, capsys) -> None:
    kept = organs(tmp_path)
    options = ["--regions", str(tmp_path / "channels.toml")]
    wrong = kept["a"][1].copy()
    wrong[..., 2] += 1
    save(tmp_path / "soft/a/task01.nii.gz", wrong)
    (tmp_path / "soft").rename(tmp_path / "pred")
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert "a task01: channel 3 of task01.nii.gz must hold prob" in capsys.readouterr().err
    (tmp_path / "pred").rename(tmp_path / "soft")
    save(tmp_path / "files/b/3.nii.gz", wrong[..., 2])
    (tmp_path / "files").rename(tmp_path / "pred")
    options += ["--pred-pattern", "{case}/{class}.nii.gz"]
    assert evaluate(tmp_path, tmp_path / "out", *options) == 1
    assert "b task01: 3.nii.gz must hold probabilities" in capsys.readouterr().err


def test_overlapping_regions_by_name() -> None:
    regions = Regions({"whole": (1, 2), "core": (2,)}, channels=("whole", "core"))
    one = np.full(3, 0.9, np.float32)
    assert regions.probability("whole", {"whole": one, "core": one}, "p") is one


def test_real_organs(tmp_path: Path) -> None:
    """The 117 classes of a CT against themselves, shifted by a voxel."""
    folder = data_folder() / "totalseg"
    path = next(p for p in sorted(folder.glob("*seg*.nii.gz")) if "image" not in p.name)
    labels, image = load(path)
    shifted = np.roll(labels, 1, axis=0)
    save(tmp_path / "ref/ct.nii.gz", labels, image.affine)
    save(tmp_path / "pred/ct.nii.gz", shifted, image.affine)
    (tmp_path / "r.toml").write_text("[regions]\nliver = [5]\nkidneys = [2, 3]\n")
    assert evaluate(tmp_path, tmp_path / "out", "--regions", str(tmp_path / "r.toml")) == 0
    for name, wanted in (("liver", [5]), ("kidneys", [2, 3])):
        a, b = np.isin(labels, wanted), np.isin(shifted, wanted)
        dice = 2 * (a & b).sum() / (a.sum() + b.sum())
        assert a.any()
        assert float(rows(tmp_path / "out")["ct", name]["dice"]) == pytest.approx(dice, abs=1e-6)
