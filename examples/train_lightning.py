"""
Lightning: metrics, mixed precision and two processes
=====================================================

The same training in Lightning. Metrics of this library are torchmetrics', so they live in a
``MetricCollection`` and add themselves up over processes. The network runs in bfloat16; the sums of
the loss are taken in float32. With two processes (``--processes 2``) the batch Dice is that of the
joined batch: the loss adds up the sums of all processes before it divides.
"""

import argparse

import lightning
import matplotlib.pyplot as plt
import torch
from dice_semimetric_study import phantom
from dice_semimetric_torch import DiceSemimetricCELoss
from dice_semimetric_torch.metrics import (
    BinarizedDice,
    DiceSemimetricScore,
    ExpectedCalibrationError,
)
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from torchmetrics import MetricCollection

from dice_semimetric import uniform_average

# %%
# The data
# --------
# Each item is an image and the mean of its raters, (1, H, W) both.


def cases(numbers: range) -> TensorDataset:
    """Return generated images and soft labels."""
    made = [phantom(number, shape=(64, 64)) for number in numbers]
    images = torch.stack([torch.from_numpy(case.image).float()[None] for case in made])
    raters = torch.stack([torch.from_numpy(case.masks) for case in made], 1)  # (R, B, H, W)
    return TensorDataset(images / 100, uniform_average(raters).float()[:, None])


# %%
# The module
# ----------
# ``process_group`` pools the batches of the processes. Without it each process has its own Dice,
# and the mean of two Dice losses is not the loss of the joined batch.


class Segmenter(lightning.LightningModule):
    """A few convolutions, the compound loss and three scores."""

    def __init__(self, processes: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, 16, 5, padding=2)]
        for dilation in (1, 2, 4):
            layers += [nn.ReLU(), nn.Conv2d(16, 16, 3, padding=dilation, dilation=dilation)]
        self.network = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(16, 1, 1))
        self.processes = processes
        self.metrics = MetricCollection(
            {
                "Dice": DiceSemimetricScore(1, activation="sigmoid"),
                "BDice": BinarizedDice(1, activation="sigmoid"),
                "ECE": ExpectedCalibrationError(1, activation="sigmoid", kind="binary"),
            }
        )
        self.history: dict[str, list[float]] = {name: [] for name in ("loss", *self.metrics)}

    def setup(self, stage: str) -> None:
        """Make the loss, now that the processes have found each other."""
        group = torch.distributed.group.WORLD if self.processes > 1 else None
        self.loss = DiceSemimetricCELoss(sigmoid=True, batch=True, process_group=group)

    def train_dataloader(self) -> DataLoader:
        """Share a batch of eight; the sampler shuffles alike for any number of processes."""
        data, number = cases(range(24)), self.trainer.world_size
        sampler = DistributedSampler(data, number, self.global_rank)
        return DataLoader(data, batch_size=8 // number, sampler=sampler)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(cases(range(24, 32)), batch_size=4)

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        image, label = batch
        loss = self.loss(self.network(image), label)
        self.history["loss"].append(float(loss.detach()))
        return loss

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        image, label = batch
        self.metrics.update(self.network(image), label)

    def on_validation_epoch_end(self) -> None:
        for name, value in self.metrics.compute().items():
            self.history[name].append(float(value))
            self.log(name, value, sync_dist=True)
        self.metrics.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


# %%
# The training
# ------------
# One process and two print the same losses with ``--precision 32-true``.


def main(processes: int, epochs: int, precision: str) -> Segmenter:
    """Train, and return the module with its history."""
    lightning.seed_everything(0, verbose=False)
    trainer = lightning.Trainer(
        accelerator="cpu" if not torch.cuda.is_available() else "gpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision=precision,
        max_epochs=epochs,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Segmenter(processes)
    trainer.fit(module)
    return module


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train in Lightning, in one or more processes.")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--precision", default="bf16-mixed")
    options = parser.parse_args()
    module = main(options.processes, options.epochs, options.precision)
    if module.global_rank > 0:
        raise SystemExit
    print("loss", *(f"{value:.4f}" for value in module.history["loss"][:3]), "...")
    print({name: round(values[-1], 3) for name, values in module.history.items()})

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    left.plot(module.history["loss"])
    left.set(xlabel="step", ylabel="0.25 CE + 0.75 DML", title="training")
    for name in module.metrics:
        right.plot(range(1, options.epochs + 1), module.history[name], label=name)
    right.set(xlabel="epoch", title="validation", ylim=(0, 1))
    right.legend(frameon=False)
    plt.show()
