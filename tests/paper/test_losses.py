"""The training losses against the slow reference."""

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")
pytest.importorskip("nibabel")
pytest.importorskip("monai")


from benchmarks.paper.config import LOSSES, Config
from benchmarks.paper.losses import TrainingLoss


@pytest.mark.parametrize("form", LOSSES)
@pytest.mark.parametrize("per", ["batch", "image"])
def test_training_loss(rng: np.random.Generator, form: str, per: str) -> None:
    logits, label = rng.normal(size=(3, 1, 4, 5)), np.round(rng.random((3, 1, 4, 5)) * 4) / 4
    prob = 1 / (1 + np.exp(-logits))
    entropy = -np.mean(label * np.log(prob) + (1 - label) * np.log(1 - prob))
    pairs = [(prob, label)] if per == "batch" else zip(prob, label, strict=True)
    region = np.mean([reference.loss(form, x, y) for x, y in pairs])
    loss = TrainingLoss(Config(loss=form, per=per, ce_weight=0.4))
    got = float(loss(torch.tensor(logits), torch.tensor(label)))
    assert got == pytest.approx(0.4 * entropy + 0.6 * region, rel=1e-9)
