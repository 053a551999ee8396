"""Lightning: one epoch of fit with a loss and streaming metrics of this library."""

import numpy as np
import pytest

from dice_semimetric import region_score

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")

from dice_semimetric_torch import DiceSemimetricCELoss
from dice_semimetric_torch.metrics import BinarizedDice, DiceSemimetricScore
from torch.utils.data import DataLoader, TensorDataset


class Segmenter(lightning.LightningModule):
    """A 1 x 1 convolution, enough to learn that bright is foreground."""

    def __init__(self) -> None:
        super().__init__()
        self.network = torch.nn.Conv2d(1, 1, 1)
        self.loss = DiceSemimetricCELoss(sigmoid=True)
        self.dice = DiceSemimetricScore(1, activation="sigmoid", per="dataset")
        self.bdice = BinarizedDice(1, activation="sigmoid")
        self.seen: list[float] = []

    def training_step(self, batch, index):
        image, label = batch
        value = self.loss(self.network(image), label)
        self.seen.append(float(value))
        return value

    def validation_step(self, batch, index) -> None:
        image, label = batch
        logits = self.network(image)
        for name in ("dice", "bdice"):
            metric = getattr(self, name)
            metric.update(logits, label)
            self.log(name, metric, on_epoch=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


@pytest.fixture
def arrays() -> tuple:
    """Images and the soft labels that a blurred threshold makes of them."""
    rng = np.random.default_rng(3)
    image = rng.normal(size=(20, 1, 8, 8)).astype(np.float32)
    label = np.clip(image + 0.5, 0, 1)
    return torch.tensor(image), torch.tensor(label)


def test_one_epoch(arrays: tuple, tmp_path) -> None:
    torch.manual_seed(0)
    model = Segmenter()
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    data = TensorDataset(*arrays)
    trainer.fit(model, DataLoader(data, batch_size=2), DataLoader(data, batch_size=3))
    assert len(model.seen) == 10
    assert np.mean(model.seen[-3:]) < 0.8 * np.mean(model.seen[:3])
    image, label = arrays
    with torch.no_grad():
        logits = model.network(image)
    for name, score, per in (("dice", "dice", "batch"), ("bdice", "bdice", "image")):
        expected = region_score(logits, label, score=score, per=per, activation="sigmoid")
        assert float(trainer.logged_metrics[name]) == pytest.approx(float(expected), rel=1e-5)
