"""nnU-Net v2: the loss on what its loader makes, and its own trainer on a generated data set."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference

torch = pytest.importorskip("torch")

from dice_semimetric_torch.nnunet.loss import NNUNetLoss

NNUNET = importlib.util.find_spec("nnunetv2") is not None


def cross_entropy(prob: np.ndarray, hot: np.ndarray) -> np.ndarray:
    return -np.log(np.sum(prob * hot, axis=1))


def dml(prob: np.ndarray, hot: np.ndarray, classes: range) -> float:
    """Return the mean over images and classes, with the smoothing that nnU-Net and MONAI use."""
    values = []
    for x, y in zip(prob, hot, strict=True):
        for c in classes:
            total = x[c].sum() + y[c].sum() + 1e-5
            values.append(np.abs(x[c] - y[c]).sum() / total)
    return float(np.mean(values))


@pytest.mark.parametrize("dtype", [torch.int16, torch.int64])
def test_labels(rng: np.random.Generator, dtype) -> None:
    logits, label = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, size=(2, 4, 5))
    prob, hot = reference.softmax(logits), reference.one_hot(label, 3)
    expected = cross_entropy(prob, hot).mean() + dml(prob, hot, range(1, 3))
    got = NNUNetLoss()(torch.tensor(logits), torch.tensor(label)[:, None].to(dtype))
    assert float(got) == pytest.approx(expected, rel=1e-6)


def test_ignored_label(rng: np.random.Generator) -> None:
    logits, label = torch.tensor(rng.normal(size=(2, 3, 4, 5))), rng.integers(0, 3, size=(2, 4, 5))
    label[:, :, 3:] = 3
    loss = NNUNetLoss(ignore_label=3)
    got = loss(logits, torch.tensor(label)[:, None])
    cut = NNUNetLoss()(logits[..., :3], torch.tensor(label)[:, None, :, :3])
    assert float(got) == pytest.approx(float(cut), rel=1e-9)


def nnunets_regions(logits, target: np.ndarray, *, ignore: bool) -> np.ndarray:
    """Return CE and Dice loss as nnU-Net's DC_and_BCE_loss, one entry after the other."""
    prob, regions = 1 / (1 + np.exp(-logits)), target[:, :-1] if ignore else target
    total, pixels = 0.0, 0.0
    counts = np.zeros(prob.shape, bool)
    for b, c, i, j in np.ndindex(prob.shape):
        x, y = prob[b, c, i, j], regions[b, c, i, j]
        counts[b, c, i, j] = not (ignore and target[b, -1, i, j])
        if counts[b, c, i, j]:
            total -= y * np.log(x) + (1 - y) * np.log(1 - x)
            pixels += 1 / prob.shape[1] if ignore else 1  # its mask has one channel
    return total / pixels + dml(prob * counts, regions * counts, range(prob.shape[1]))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.float32])
@pytest.mark.parametrize("ignore", [True, False])
def test_regions_are_weighed_as_nnunet_does(rng: np.random.Generator, dtype, ignore) -> None:
    logits = rng.normal(size=(2, 3, 4, 5))
    target = (rng.random((2, 3 + ignore, 4, 5)) < 0.4).astype(float)
    loss = NNUNetLoss(regions=True, ignore_label=9 if ignore else None)
    got = loss(torch.tensor(logits), torch.tensor(target).to(dtype))
    assert float(got) == pytest.approx(nnunets_regions(logits, target, ignore=ignore), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
def test_regions_and_their_ignored_pixels(rng: np.random.Generator, dtype) -> None:
    logits = torch.tensor(rng.normal(size=(2, 2, 4, 5)))
    regions = torch.tensor(rng.random((2, 2, 4, 5)) < 0.4)
    ignored = torch.zeros(2, 1, 4, 5, dtype=torch.bool)
    ignored[..., 3:] = True
    got = NNUNetLoss(regions=True, ignore_label=9)(
        logits, torch.cat([regions, ignored], dim=1).to(dtype)
    )
    cut = NNUNetLoss(regions=True)(logits[..., :3], regions[..., :3].to(dtype))
    prob, hot = torch.sigmoid(logits[..., :3]).numpy(), regions[..., :3].numpy().astype(float)
    entropy = -np.mean(hot * np.log(prob) + (1 - hot) * np.log(1 - prob))
    assert float(cut) == pytest.approx(entropy + dml(prob, hot, range(2)), rel=1e-6)
    assert float(got - cut) == pytest.approx(entropy, rel=1e-6)  # summed over the two regions


@pytest.mark.parametrize("batch", [False, True])
def test_deep_supervision_and_half_precision(rng: np.random.Generator, batch: bool) -> None:
    loss, weights = NNUNetLoss(batch=batch), (2 / 3, 1 / 3)
    outputs = [torch.tensor(rng.normal(size=(2, 3, n, n))).half() for n in (8, 4)]
    outputs = [o.requires_grad_() for o in outputs]
    labels = [torch.tensor(rng.integers(0, 3, size=(2, 1, n, n))) for n in (8, 4)]
    if NNUNET:
        from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper

        total = DeepSupervisionWrapper(loss, weights)(outputs, labels)
    else:  # what that wrapper does
        total = sum(w * loss(o, y) for w, o, y in zip(weights, outputs, labels, strict=True))
    total.backward()
    assert total.dtype == torch.float32
    for output in outputs:
        assert bool(torch.isfinite(output.grad).all())
        assert float(output.grad.abs().max()) > 0


def make_data(root: Path, rng: np.random.Generator) -> None:
    """Write a raw data set of bright discs in nnU-Net's layout."""
    nibabel = pytest.importorskip("nibabel")
    folder = root / "raw" / "Dataset001_Discs"
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (32, 32, 4)), indexing="ij"))
    for case in range(5):
        centre = rng.integers(10, 22, size=(2, 1, 1, 1))
        inside = np.sqrt(((grid[:2] - centre) ** 2).sum(axis=0)) < 7
        image = (inside * 100 + rng.normal(0, 10, inside.shape)).astype(np.float32)
        affine = np.diag([1.0, 1.0, 5.0, 1.0])
        for kind, array, end in (("images", image, "_0000"), ("labels", inside, "")):
            path = folder / f"{kind}Tr" / f"disc_{case:03d}{end}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), affine), path)
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "disc": 1},
        "numTraining": 5,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description))


# The class is looked up as nnU-Net does in nnUNet_extTrainer. Before that nnU-Net imports all its
# own trainers, among them some that need timm and torchvision, which may be absent.
SCRIPT = """
import json, os, pathlib, torch
from nnunetv2.experiment_planning import plan_and_preprocess_api as api
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

if __name__ == "__main__":
    api.extract_fingerprints([1], num_processes=1)
    api.plan_experiments([1])
    api.preprocess([1], configurations=["2d"], num_processes=[1])
    folder = os.environ["nnUNet_extTrainer"]
    found = recursive_find_python_class(
        folder, "nnUNetTrainerDML", None, base_folder=folder, cleanup_imports_from_base_folder=True
    )
    made = pathlib.Path(os.environ["nnUNet_preprocessed"]) / "Dataset001_Discs"
    plans, data = (json.loads((made / n).read_text()) for n in ("nnUNetPlans.json", "dataset.json"))
    plans["continue_training"] = False
    trainer = found(plans, "2d", 0, data, device=torch.device("cpu"))
    trainer.num_epochs = trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 1
    trainer.run_training()
    print("loss:", type(trainer.loss).__name__, type(trainer.loss.loss).__name__)
    print("value:", trainer.logger.local_logger.my_fantastic_logging["train_losses"][-1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not NNUNET, reason="nnunetv2 is not installed")
def test_one_iteration_of_nnunets_own_training(tmp_path: Path, rng: np.random.Generator) -> None:
    make_data(tmp_path, rng)
    where = [sys.executable, "-m", "dice_semimetric_torch.nnunet"]
    folder = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    paths = {f"nnUNet_{name}": str(tmp_path / name) for name in ("raw", "preprocessed", "results")}
    few = {"nnUNet_extTrainer": folder, "nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1"}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **paths, **few},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "loss: DeepSupervisionWrapper NNUNetLoss" in done.stdout
    value = float(done.stdout.rsplit("value:", 1)[1])
    assert 0 < value < 3
    assert list((tmp_path / "results").rglob("checkpoint_final.pth"))
