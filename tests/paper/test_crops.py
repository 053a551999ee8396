"""Training crops: decided by seed, epoch and case alone, and cut alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")

from paper_data import write_discs

from benchmarks.paper import trainer
from benchmarks.paper.cases import Case, read_split
from benchmarks.paper.config import Config
from benchmarks.paper.crops import Crops, epoch_loader, require_fit, window
from benchmarks.paper.losses import counted

SMALL = Config(crop=16, jitter=3, epochs=3, batch_size=2)


@pytest.fixture
def data(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A data set of bright discs, each marked by three raters who differ in size."""
    return write_discs(tmp_path / "data", rng, {"Training": 5, "Testing": 3})


def test_random_raters_change_with_the_epoch(data: Path) -> None:
    crops = Crops(read_split(data, "Training", 1), Config(labels="random", flip=False))
    sizes = set()
    for crops.epoch in range(10):
        sizes.add(float(crops[0][1].sum()))
    assert len(sizes) == 3


@pytest.mark.parametrize("labels", ["uniform", "random"])
def test_crops_depend_on_seed_epoch_and_case_only(data: Path, labels: str) -> None:
    config = replace(SMALL, labels=labels)
    cases = read_split(data, "Training", 1)

    def epoch(number: int, config: Config = config, workers: int = 0) -> list[np.ndarray]:
        loader = epoch_loader(Crops(cases, config), number, workers=workers)
        return [array.numpy() for pair in loader for array in pair]

    first = epoch(1)
    assert [a.shape for a in first] == [(n, 1, 16, 16) for n in (2, 2, 2, 2, 1, 1)]
    for same in (epoch(1), epoch(1, workers=2)):
        assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    for other in (epoch(2), epoch(1, replace(config, seed=1))):
        assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_image_and_label_are_cut_and_mirrored_alike() -> None:
    image = np.arange(24 * 20, dtype=np.float32).reshape(1, 24, 20) / 480
    case = Case("a", image, np.stack([image[0] > k / 10 for k in range(10)]))
    crops = Crops([case], SMALL)
    corners = set()
    for crops.epoch in range(30):
        cut, label = crops[0]
        expected = np.mean([cut[0].numpy() > k / 10 for k in range(10)], axis=0)
        np.testing.assert_allclose(label[0], expected, atol=1e-6)
        corners.add(float(cut[0, 0, 0]))
    assert len(corners) > 10


def test_window_is_central_and_stays_inside() -> None:
    assert window((24, 20), 16) == (slice(4, 20), slice(2, 18))
    assert window((24, 20), 16, (-9, 9)) == (slice(0, 16), slice(4, 20))
    assert window((24, 20), 0) == (slice(0, 24), slice(0, 20))


def test_images_that_do_not_fit_are_named() -> None:
    small, large = (
        Case(name, np.zeros((1, n, n), np.float32), np.zeros((3, n, n), bool))
        for name, n in (("small", 12), ("large", 16))
    )
    config = Config()
    require_fit([small, large], replace(config, crop=12))
    require_fit([large, large], config)
    with pytest.raises(ValueError, match="crop must be at most 12, the size of small"):
        require_fit([large, small], replace(config, crop=16))
    with pytest.raises(ValueError, match=r"small has \(1, 12, 12\), large has \(1, 16, 16\); see"):
        require_fit([small, large], config)
    with pytest.raises(ValueError, match=r"sides that 4 divides, got \[10\]"):
        require_fit([small], replace(config, crop=10))


def test_what_lies_around_a_shrunk_image_does_not_count(rng: np.random.Generator) -> None:
    config = Config(augment="scale", crop=32, per="image", labels="majority")
    image, masks = rng.normal(size=(1, 24, 24)).astype(np.float32), np.ones((1, 24, 24), bool)
    crops = Crops([Case("a", image, masks)], config)
    shrunk = 0
    for crops.epoch in range(20):
        cut, label = crops[0]
        assert cut.shape == label.shape == (1, 32, 32)
        assert ((label == -1) | (label > 0.999)).all()
        inside = counted(config, label)[1]
        shrunk += bool((~inside).any())
        values = []
        for outside in (-9.0, 9.0):
            logits = torch.where(inside, 2.0, outside)[None]
            step = trainer.label_objective(config)(0)
            values.append(float(step(lambda _, x=logits: x, cut[None], label[None])))
        assert values[0] == pytest.approx(values[1])
    assert shrunk > 3
