"""``fuse`` on label maps: a map for each region, one of all labels, and volumes in slabs."""

import csv
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.choices import FUSE_METHODS as METHODS
from dice_semimetric_study.cli import main
from dice_semimetric_study.fuse.methods import fuse_masks, most_frequent
from dice_semimetric_study.fuse.patterns import Patterns, agreement_of_labels
from study_files import TOML, load, save

from dice_semimetric import dice_weighted_average, rater_agreement, staple

LABELS = {"liver": [5], "kidneys": [2, 3]}


def fuse(root: Path, out: str, method: str, *options: str) -> int:
    argv = ["fuse", str(root / "in"), "--out", str(root / out), "--method", method]
    return main([*argv, *options])


def raters(root: Path, shape: tuple[int, ...] = (9, 8, 7), dtype: type = np.int16) -> np.ndarray:
    """Write the label maps of three raters who often differ."""
    rng = np.random.default_rng(3)
    truth = rng.choice([0, 2, 3, 5], shape)
    seen = np.stack(
        [np.where(rng.random(shape) < 0.4, rng.choice([0, 2, 3, 5], shape), truth) for _ in "abc"]
    ).astype(dtype)
    for r, labels in enumerate(seen):
        save(root / f"in/x/task01_seg0{r + 1}.nii.gz", labels)
    (root / "organs.toml").write_text(TOML)
    return seen


def mode(seen: np.ndarray) -> np.ndarray:
    """Return the most frequent label, the lowest of those that tie, voxel by voxel."""
    found = np.empty(seen.shape[1:], seen.dtype)
    for place in np.ndindex(found.shape):
        values, counts = np.unique(seen[(slice(None), *place)], return_counts=True)
        found[place] = values[np.argmax(counts)]
    return found


@pytest.mark.parametrize("method", METHODS)
def test_each_region_gets_a_map(tmp_path: Path, method: str) -> None:
    seen = raters(tmp_path)
    assert fuse(tmp_path, "out", method, "--regions", str(tmp_path / "organs.toml")) == 0
    hard = method in ("majority", "random")
    names = sorted(p.name for p in (tmp_path / "out/x").iterdir())
    regions = [f"task01_{region}.nii.gz" for region in sorted(LABELS)]
    assert names == sorted(regions + ["task01.nii.gz"] * hard)
    chosen = None
    if hard:
        whole, _ = load(tmp_path / "out/x/task01.nii.gz")
        assert whole.dtype == np.int16
        if method == "majority":
            np.testing.assert_array_equal(whole, mode(seen))
        else:
            (chosen,) = [r for r in range(3) if np.array_equal(whole, seen[r])]
    for region, labels in LABELS.items():
        label, _ = load(tmp_path / f"out/x/task01_{region}.nii.gz")
        marks = np.isin(seen, labels)
        if chosen is None:
            expected = fuse_masks(marks, method).label  # type: ignore[arg-type]
        else:
            expected = marks[chosen]
        np.testing.assert_array_equal(label, expected.astype(label.dtype))
    if method in ("weighted", "staple"):
        with (tmp_path / "out/raters.csv").open() as file:
            found = [(r["task"], r["rater"]) for r in csv.DictReader(file)]
        assert found == [(region, f"0{r}") for region in LABELS for r in (1, 2, 3)]


@pytest.mark.parametrize("method", ["majority", "random"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_label_maps_give_a_label_map(tmp_path: Path, method: str, dtype: type) -> None:
    seen = raters(tmp_path, dtype=dtype)
    assert fuse(tmp_path, "out", method) == 0
    found, _ = load(tmp_path / "out/x/task01.nii.gz")
    assert found.dtype == (np.int32 if dtype is np.float32 else dtype)
    if method == "majority":
        np.testing.assert_array_equal(found, mode(seen))
    else:
        assert any(np.array_equal(found, one) for one in seen)
    assert fuse(tmp_path, "soft", "uniform") == 1  # what should be a mean of labels?
    save(tmp_path / "in/x/task01_seg02.nii.gz", seen[1] + 0.5)
    assert fuse(tmp_path, "halves", method) == 1
    wrong = seen[1].astype(np.float32)
    wrong[..., -1] = 0.5  # in the last slab
    save(tmp_path / "in/x/task01_seg02.nii.gz", wrong)
    assert fuse(tmp_path, "halves", method, "--slab", "100") == 1
    assert not list((tmp_path / "halves").rglob("*.nii.gz"))


def test_large_labels_beside_floating_ones(tmp_path: Path) -> None:
    large = np.array([[0, 3_000_000_000]], np.uint32)
    for r in (1, 2):
        save(tmp_path / f"in/x/task01_seg0{r}.nii.gz", large)
    save(tmp_path / "in/x/task01_seg03.nii.gz", np.array([[0, 2]], np.float32))
    assert fuse(tmp_path, "out", "majority") == 0
    found, _ = load(tmp_path / "out/x/task01.nii.gz")
    np.testing.assert_array_equal(found, large)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", ["masks", "regions", "label", "labels"])
def test_slabs_change_nothing(tmp_path: Path, method: str, what: str) -> None:
    seen = raters(tmp_path)
    options = {
        "regions": ["--regions", str(tmp_path / "organs.toml")],
        "label": ["--label", "5", "--ignore", "3"],
    }.get(what, [])
    if what == "masks":
        for r, labels in enumerate(seen):
            save(tmp_path / f"in/x/task01_seg0{r + 1}.nii.gz", (labels > 2).astype(np.int16))
    status = int(what == "labels" and method in ("uniform", "weighted"))
    assert fuse(tmp_path, "whole", method, *options) == status
    assert fuse(tmp_path, "slabs", method, *options, "--slab", "100") == status
    maps = sorted((tmp_path / "whole/x").glob("*.nii.gz"))
    assert len(maps) == (0 if status else 1 if what != "regions" else 2 + (method in METHODS[:2]))
    for path in maps:
        one, first = load(path)
        other, second = load(tmp_path / "slabs/x" / path.name)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(first.affine, second.affine)
    if method in ("weighted", "staple") and not status:
        texts = [(tmp_path / out / "raters.csv").read_text() for out in ("whole", "slabs")]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("method", METHODS)
def test_voxels_that_do_not_count(tmp_path: Path, method: str) -> None:
    """They are 0 in the map, and neither weights nor performances depend on them."""
    seen = raters(tmp_path)
    inside = np.zeros(seen.shape[1:], np.uint8)
    inside[2:7, 1:6] = 1
    save(tmp_path / "mask/x.nii.gz", inside)
    options = ["--mask", str(tmp_path / "mask"), "--label", "5"]
    assert fuse(tmp_path, "out", method, *options) == 0
    label, _ = load(tmp_path / "out/x/task01.nii.gz")
    assert not label[inside == 0].any()
    kept = (seen == 5)[:, inside == 1]
    if method == "random":
        assert any(np.array_equal(label[inside == 1], one) for one in kept)
    else:
        expected = fuse_masks(kept, method).label  # type: ignore[arg-type]
        np.testing.assert_array_equal(label[inside == 1], expected.astype(label.dtype))


@pytest.mark.parametrize("number", [1, 2, 5, 9, 17, 70])
def test_patterns_give_what_the_core_gives(number: int) -> None:
    rng = np.random.default_rng(number)
    truth = rng.random(3000) < 0.3
    masks = np.stack([truth ^ (rng.random(3000) < 0.1) for _ in range(number)])
    fused = fuse_masks(masks, "staple")
    soft, sensitivity, specificity = staple(masks, return_performance=True)
    np.testing.assert_allclose(fused.label, soft, atol=1e-9)
    np.testing.assert_allclose(fused.raters["sensitivity"], sensitivity, atol=1e-9)
    np.testing.assert_allclose(fused.raters["specificity"], specificity, atol=1e-9)
    fused = fuse_masks(masks, "weighted")
    soft, weights = dice_weighted_average(masks, return_weights=True)
    np.testing.assert_array_equal(fused.label, soft)
    np.testing.assert_array_equal(fused.raters["weight"], weights)
    parts = [Patterns.of(masks[:, cut], None) for cut in (slice(0, 700), slice(700, None))]
    found = parts[0] + parts[1]
    said, counts = np.unique(masks, axis=1, return_counts=True)
    np.testing.assert_array_equal(found.said, said)
    np.testing.assert_array_equal(found.counts, counts)
    nothing = Patterns.of(masks, np.zeros(3000, bool))
    np.testing.assert_array_equal((found + nothing).counts, counts)


@pytest.mark.parametrize("slab", [[], ["--slab", "100"]])
def test_staple_of_label_maps(tmp_path: Path, slab: list[str]) -> None:
    """The label is the core's most probable one; the rates are sums over voxels."""
    seen = raters(tmp_path)
    assert fuse(tmp_path, "out", "staple", *slab) == 0
    label, _ = load(tmp_path / "out/x/task01.nii.gz")
    assert label.dtype == np.int16
    values = np.array([0, 2, 3, 5])
    numbers = np.searchsorted(values, seen)
    soft, matrices = staple(numbers, num_classes=4, axis=0, return_performance=True)
    np.testing.assert_array_equal(label, values[soft.argmax(axis=0)])
    with (tmp_path / "out/raters.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["task"], r["rater"]) for r in rows] == [
        (v, f"0{r}") for v in "235" for r in (1, 2, 3)
    ]
    for row in rows:
        c, r = np.searchsorted(values, int(row["task"])), int(row["rater"]) - 1
        away = 1 - soft[c]
        assert float(row["sensitivity"]) == pytest.approx(matrices[r, c, c], abs=1e-5)
        specificity = away[numbers[r] != c].sum() / away.sum()
        assert float(row["specificity"]) == pytest.approx(specificity, abs=1e-5)


def test_staple_of_label_maps_counts_what_counts(tmp_path: Path) -> None:
    seen = raters(tmp_path)
    inside = np.zeros(seen.shape[1:], np.uint8)
    inside[2:7, 1:6] = 1
    save(tmp_path / "mask/x.nii.gz", inside)
    assert fuse(tmp_path, "out", "staple", "--mask", str(tmp_path / "mask")) == 0
    label, _ = load(tmp_path / "out/x/task01.nii.gz")
    values, numbers = np.unique(seen[:, inside == 1], return_inverse=True)
    soft = staple(numbers.reshape(3, -1), num_classes=values.size, axis=0)
    np.testing.assert_array_equal(label[inside == 1], values[soft.argmax(axis=0)])
    assert not label[inside == 0].any()


@pytest.mark.parametrize("labels", [[0], [7], [0, 7]])
def test_staple_of_label_maps_that_agree(tmp_path: Path, labels: list[int]) -> None:
    one = np.random.default_rng(0).choice(labels, (9, 8)).astype(np.uint8)
    for r in (1, 2):
        save(tmp_path / f"in/x/task01_seg0{r}.nii.gz", one)
    assert fuse(tmp_path, "out", "staple") == 0
    np.testing.assert_array_equal(load(tmp_path / "out/x/task01.nii.gz")[0], one)


@pytest.mark.parametrize("values", [[0, 1], [-3, 0, 2035], [0.0, 7.0, 8.0]])
def test_the_most_frequent_label(values: list[float]) -> None:
    seen = np.random.default_rng(0).choice(np.array(values), (4, 500))
    np.testing.assert_array_equal(most_frequent(seen), mode(seen))


def test_a_large_volume_takes_little_memory(tmp_path: Path) -> None:
    """What is held grows with the slab, not with the volume."""
    shape = (256, 256, 160)
    for r in range(5):
        mask = np.zeros(shape, np.uint8)
        mask[100 : 150 + r, 90:140, 40:100] = 1
        save(tmp_path / f"in/x/task01_seg0{r}.nii.gz", mask)
    script = (
        "import resource, sys\n"
        "from dice_semimetric_study.cli import main\n"
        "def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = most()\n"
        f"argv = ['fuse', {str(tmp_path / 'in')!r}, '-q', '--slab', '1000000', '--overwrite']\n"
        f"argv += ['--method', sys.argv[1], '--out', {str(tmp_path / 'out')!r}]\n"
        "assert main(argv) == 0\n"
        "print(most() - before)\n"
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert resource  # not on Windows, whose peak is asked for otherwise
    for method in METHODS:
        argv = [sys.executable, "-c", script, method]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        assert int(done.stdout) * unit < 150e6, method  # ten million voxels of five raters


@pytest.mark.parametrize("method", ["majority", "random", "staple"])
def test_copies_among_label_maps(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture
) -> None:
    seen = raters(tmp_path)
    for r, labels in enumerate((seen[0], seen[1], seen[0][::-1])):
        save(tmp_path / f"in/y/task01_seg0{r + 1}.nii.gz", labels)
    assert fuse(tmp_path, "apart", method) == 0
    assert "very same" not in capsys.readouterr().err
    for case, labels in (("x", seen[1]), ("y", seen[1])):
        save(tmp_path / f"in/{case}/task01_seg03.nii.gz", labels)
    assert fuse(tmp_path, "copies", method, "--slab", "100") == 0
    text = capsys.readouterr().err.replace("\n", " ")
    assert "task01: raters 02 and 03 mark the very same voxels in all of 2 cases" in text


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("pixels", [0, 400])
def test_agreement_of_labels_is_that_of_each(number: int, pixels: int) -> None:
    labels = np.random.default_rng(number).integers(0, 4, (number, pixels))
    found = agreement_of_labels(labels)
    each = [rater_agreement(labels == value) for value in (1, 2, 3)]
    np.testing.assert_array_equal(found.both, sum(one.both for one in each))
    np.testing.assert_array_equal(found.majority, sum(one.majority for one in each))
    np.testing.assert_array_equal(found.votes[1:], sum(one.votes[1:] for one in each))
