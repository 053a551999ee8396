"""MONAI: its plain loop and its SupervisedTrainer, with a loss of this library in MONAI's place."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from dice_semimetric_torch import DiceSemimetricCELoss, DiceSemimetricLoss
from monai.data import DataLoader, Dataset, decollate_batch
from monai.losses import DeepSupervisionLoss, DiceLoss
from monai.networks.nets import DynUNet, UNet
from monai.transforms import AsDiscrete, Compose, EnsureTyped


def cases() -> Dataset:
    """Return bright discs with integer labels, as MONAI's dictionary data."""
    rng = np.random.default_rng(1)
    grid = np.stack(np.meshgrid(np.arange(16), np.arange(16)))
    items = []
    for _ in range(8):
        centre = rng.integers(5, 11, size=(2, 1, 1))
        inside = np.sqrt(((grid - centre) ** 2).sum(axis=0)) < 4
        image = inside + rng.normal(0, 0.1, inside.shape)
        items.append({"image": image[None].astype(np.float32), "label": inside[None].astype(int)})
    return Dataset(items, Compose([EnsureTyped(["image", "label"])]))


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return UNet(2, 1, 2, channels=(4, 8), strides=(2,))


def train(loss: torch.nn.Module, epochs: int) -> list[float]:
    """Run the loop of MONAI's tutorials and return the loss of each step."""
    model, values = network(), []
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(epochs):
        for batch in DataLoader(cases(), batch_size=4):
            optimizer.zero_grad()
            value = loss(model(batch["image"]), batch["label"])
            value.backward()
            optimizer.step()
            values.append(float(value.detach()))
    return values


def test_changing_the_import_changes_no_number() -> None:
    options = {"to_onehot_y": True, "softmax": True, "include_background": False}
    theirs, ours = (train(loss(**options), 3) for loss in (DiceLoss, DiceSemimetricLoss))
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    assert ours[-1] < ours[0]


def test_plain_loop_learns() -> None:
    values = train(DiceSemimetricCELoss(to_onehot_y=True, softmax=True), 12)
    assert values[-1] < 0.3 * values[0]


def test_soft_labels_after_decollating() -> None:
    batch = next(iter(DataLoader(cases(), batch_size=4)))
    one_hot = AsDiscrete(to_onehot=2)
    soft = torch.stack([one_hot(label) for label in decollate_batch(batch["label"])]) * 0.5 + 0.25
    logits = network()(batch["image"])
    loss = DiceSemimetricLoss(softmax=True)
    assert float(loss(logits, soft).detach()) > 0
    assert float(loss(torch.log(soft), soft)) == pytest.approx(0, abs=1e-6)


def test_inside_monais_deep_supervision() -> None:
    batch = next(iter(DataLoader(cases(), batch_size=4)))
    outputs = [torch.zeros(4, 2, n, n, requires_grad=True) for n in (16, 8)]
    options = {"to_onehot_y": True, "softmax": True}
    values = [
        DeepSupervisionLoss(loss(**options))(outputs, batch["label"].float())
        for loss in (DiceLoss, DiceSemimetricLoss)
    ]
    assert float(values[1].detach()) == pytest.approx(float(values[0].detach()), rel=1e-5)
    values[1].backward()
    assert all(bool(torch.isfinite(o.grad).all()) for o in outputs)


def test_stacked_outputs_of_deep_supervision_are_a_list_once_unbound() -> None:
    sizes = {"kernel_size": [3] * 4, "strides": [1, 2, 2, 2], "upsample_kernel_size": [2] * 3}
    options = {"deep_supervision": True, "deep_supr_num": 2, "filters": [4] * 4}
    stacked = DynUNet(2, 1, 2, **sizes, **options).train()(torch.rand(2, 1, 16, 16))
    assert stacked.shape == (2, 3, 2, 16, 16)
    label = torch.randint(0, 2, (2, 16, 16))
    loss = DiceSemimetricCELoss(softmax=True)
    parts = [loss(stacked[:, level], label) for level in range(3)]
    expected = (4 * parts[0] + 2 * parts[1] + parts[2]) / 7
    torch.testing.assert_close(loss(stacked.unbind(1), label), expected)


def test_supervised_trainer() -> None:
    pytest.importorskip("ignite", reason="MONAI's engines need pytorch-ignite")
    from ignite.engine import Events
    from monai.engines import SupervisedTrainer

    model, values = network(), []
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=12,
        train_data_loader=DataLoader(cases(), batch_size=4),
        network=model,
        optimizer=torch.optim.Adam(model.parameters(), 0.02),
        loss_function=DiceSemimetricCELoss(to_onehot_y=True, softmax=True),
    )
    trainer.add_event_handler(
        Events.ITERATION_COMPLETED,
        lambda engine: values.append(float(engine.state.output[0]["loss"])),
    )
    trainer.run()
    assert len(values) == 24
    assert values[-1] < 0.3 * values[0]
