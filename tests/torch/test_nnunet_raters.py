"""nnU-Net trained on the share of the raters: targets, loss, and a run from start to end."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dice_semimetric_torch._votes import VoteShares
from dice_semimetric_torch.nnunet.loss import NNUNetLoss

NNUNET = importlib.util.find_spec("nnunetv2") is not None
needs_nnunet = pytest.mark.skipif(not NNUNET, reason="nnunetv2 is not installed")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int64])
@pytest.mark.parametrize("ignore", [None, 6])
def test_shares(rng: np.random.Generator, dtype, ignore) -> None:
    votes = rng.integers(0, 6, (4, 5, 3))
    votes[0] = votes[0] if ignore is None else ignore
    data = {"image": "as it was", "segmentation": torch.tensor(votes).to(dtype)[None]}
    found = VoteShares(5, ignore)(**data)
    assert found["image"] == "as it was"
    assert found["segmentation"].dtype == torch.float32
    share = np.where(votes == 6, 0, votes / 5)
    np.testing.assert_allclose(found["segmentation"][0], share, rtol=1e-6)
    assert len(found["segmentation"]) == (1 if ignore is None else 2)
    if ignore is not None:
        np.testing.assert_array_equal(found["segmentation"][1], votes == 6)


@pytest.mark.parametrize(("value", "ignore"), [(6, None), (7, 6), (-2, 6)])
def test_more_votes_than_raters_are_refused(value: int, ignore: int | None) -> None:
    labels = torch.tensor([[0, 5, value]], dtype=torch.int16)
    expected = rf"must count 0 to 5 votes.*got {value}: write the data set again"
    with pytest.raises(ValueError, match=expected):
        VoteShares(5, ignore)(segmentation=labels)


@pytest.mark.parametrize("ignore", [None, 5])
@pytest.mark.parametrize("batch", [False, True])
def test_loss_on_shares(rng: np.random.Generator, ignore: int | None, batch: bool) -> None:
    """CE and DML1 of one sigmoid channel against k / R, over the voxels that count."""
    logits, votes = rng.normal(size=(2, 1, 6, 7)), rng.integers(0, 5, (2, 6, 7))
    votes[:, :2] = 5 if ignore else votes[:, :2]
    shares = VoteShares(4, ignore)
    target = torch.stack(
        [shares(segmentation=torch.tensor(v)[None])["segmentation"] for v in votes]
    )
    got = NNUNetLoss(regions=True, ignore_label=ignore, batch=batch)(torch.tensor(logits), target)

    prob = 1 / (1 + np.exp(-logits[:, 0]))
    kept, share = votes < 5, votes / 4
    entropy = -(share * np.log(prob) + (1 - share) * np.log(1 - prob))[kept].mean()
    images = [kept] if batch else [kept * (np.arange(2)[:, None, None] == i) for i in range(2)]
    losses = [
        np.abs(prob - share)[m].sum() / (prob[m].sum() + share[m].sum() + 1e-5)
        for m in (image.astype(bool) for image in images)
    ]
    assert float(got) == pytest.approx(entropy + np.mean(losses), rel=1e-5)


def manager(votes: int, ignore: int | None) -> Any:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    labels: dict[str, Any] = {"background": 0, "tumour": list(range(1, votes + 1))}
    labels |= {} if ignore is None else {"ignore": ignore}
    return LabelManager(labels, [votes])


def trainer(label_manager: Any, **more: Any) -> Any:
    """Return a trainer that is not set up, but for its labels."""
    from dice_semimetric_torch.nnunet.nnunet_trainer_dml_raters import nnUNetTrainerDMLRaters

    made = object.__new__(nnUNetTrainerDMLRaters)
    made.label_manager, made.dataset_json = label_manager, {"labels": label_manager.label_dict}
    made.device = torch.device("cpu")
    for name, value in more.items():
        setattr(made, name, value)
    return made


@needs_nnunet
@pytest.mark.parametrize("cascaded", [False, True])
@pytest.mark.parametrize("ignore", [None, 4])
def test_patches_keep_shares(rng: np.random.Generator, ignore, cascaded: bool) -> None:
    """Rotated, scaled and downsampled, a label is still one of the shares."""
    made = trainer(manager(3, ignore), votes=3)
    options = {
        "deep_supervision_scales": [[1, 1], [0.5, 0.5], [0.25, 0.25]],
        "is_cascaded": cascaded,
        "foreground_labels": [1, 2, 3],
        "regions": [(2, 3)],
        "ignore_label": ignore,
    }
    training = made.get_training_transforms(
        (32, 32),
        rotation_for_DA=(-0.5, 0.5),
        mirror_axes=(0, 1),
        do_dummy_2d_data_aug=False,
        use_mask_for_norm=[False],
        **options,
    )
    training.transforms[0].p_rotation = training.transforms[0].p_scaling = 1
    labels = torch.tensor(rng.integers(-1, 5 if ignore else 4, (1, 48, 48)), dtype=torch.int16)
    labels = torch.cat([labels, labels.clip(0, 3)]) if cascaded else labels
    for transforms in (training, made.get_validation_transforms(**options)):
        image = torch.tensor(rng.normal(size=(1, 48, 48)), dtype=torch.float32)
        found = transforms(image=image, segmentation=labels.clone())
        size = found["segmentation"][0].shape[-1]
        for part, level in zip(found["segmentation"], (1, 2, 4), strict=True):
            assert part.shape == (1 if ignore is None else 2, size // level, size // level)
            values = set(np.round(part[0].numpy() * 3, 5).ravel())
            assert values == {0, 1, 2, 3}
            assert ignore is None or set(part[1].numpy().ravel()) == {0, 1}
        assert len(found["image"]) == (4 if cascaded else 1)


@needs_nnunet
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("ignore", [None, 5])
def test_validation_compares_with_the_strict_majority(rng, ignore, several: bool) -> None:
    votes = rng.integers(0, 5, (2, 8, 8))
    votes[:, :2] = 5 if ignore else votes[:, :2]
    logits = rng.normal(size=(2, 1, 8, 8))
    shares = VoteShares(4, ignore)
    target = torch.stack(
        [shares(segmentation=torch.tensor(v)[None])["segmentation"] for v in votes]
    )
    loss = NNUNetLoss(regions=True, ignore_label=ignore)

    def network(_: Any) -> Any:
        return [torch.tensor(logits)] if several else torch.tensor(logits)

    made = trainer(manager(4, ignore), network=network, enable_deep_supervision=several)
    made.loss = (lambda outputs, targets: loss(outputs[0], targets[0])) if several else loss
    kept = made.loss
    batch = {"data": torch.zeros(2, 1, 8, 8), "target": [target] if several else target}
    found = made.validation_step(batch)
    assert made.loss is kept
    assert float(found["loss"]) == pytest.approx(float(loss(torch.tensor(logits), target)))
    counts, marked, pred = votes < 5, (votes > 2) & (votes < 5), logits[:, 0] > 0
    assert found["tp_hard"] == (pred & marked & counts).sum()
    assert found["fp_hard"] == (pred & ~marked & counts).sum()
    assert found["fn_hard"] == (~pred & marked & counts).sum()


@needs_nnunet
@pytest.mark.parametrize(
    "labels",
    [
        {"background": 0, "one": 1},
        {"background": 0, "one": 1, "two": 2},
        {"background": 0, "whole": [1, 2], "core": [2, 1]},
        {"background": 0, "whole": [2, 3]},
    ],
)
def test_labels_that_count_no_votes_are_refused(labels: dict[str, Any]) -> None:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    made = trainer(LabelManager(labels, [1] * (len(labels) - 1)))
    with pytest.raises(ValueError, match=r"needs labels that count votes.*nnUNetTrainerDML takes"):
        made._counted_votes()


@needs_nnunet
def test_resampling_keeps_votes() -> None:
    """nnU-Net resamples labels one by one: where votes rise step by step, no step is lost."""
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

    rise = np.abs(np.arange(-30, 31)) // 5
    votes = np.broadcast_to(np.minimum(rise, 5), (1, 4, 61, 61)).astype(np.int16)
    found = resample_data_or_seg_to_shape(
        votes, (4, 83, 83), (1, 1, 1), (1, 0.73, 0.73), is_seg=True, order=1, order_z=0
    )
    steps = np.abs(np.diff(found.astype(int), axis=-1))
    assert steps.max() == 1
    assert set(found.ravel()) == set(range(6))


class Levels(torch.nn.Module):
    """A network with two outputs, as nnU-Net's with deep supervision."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = torch.nn.Conv2d(2, 1, 3, padding=1, dtype=torch.float64)
        self.coarse = torch.nn.Conv2d(2, 1, 2, stride=2, dtype=torch.float64)

    def forward(self, image: Any) -> list[Any]:
        return [self.fine(image), self.coarse(image)]


def planned(network: Any, batch_dice: bool, is_ddp: bool) -> Any:
    """Return a trainer of four votes and the ignore label 5, its loss built for the network."""
    plans = SimpleNamespace(batch_dice=batch_dice, pool_op_kernel_sizes=[[1, 1], [2, 2], [2, 2]])
    made = trainer(
        manager(4, 5),
        network=network,
        configuration_manager=plans,
        is_ddp=is_ddp,
        enable_deep_supervision=True,
        grad_scaler=None,
        optimizer=torch.optim.SGD(network.parameters(), 0.0),
    )
    made.loss = made._build_loss()
    return made


def two_steps(made: Any, part: slice) -> list[Any]:
    """Return the gradients of a training step and the losses of it and of a validation step."""
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(4, 2, 8, 8, generator=generator, dtype=torch.float64)[part]
    votes = torch.randint(0, 5, (4, 1, 8, 8), generator=generator)
    votes[:2, :, :5] = 5  # more pixels count in one process than in the other
    shares = VoteShares(4, 5)
    fine = torch.stack([shares(segmentation=v)["segmentation"] for v in votes])[part]
    batch = {"data": image, "target": [fine, fine[..., ::2, ::2]]}
    losses = [made.train_step(batch)["loss"]]
    with torch.no_grad():
        losses.append(made.validation_step(batch)["loss"])
    return [*map(torch.tensor, losses), *(p.grad for p in made.network.parameters())]


def ddp_worker(rank: int, folder: Path) -> None:
    meeting = (folder / "meeting").as_uri()
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    torch.manual_seed(0)
    made = planned(torch.nn.parallel.DistributedDataParallel(Levels()), True, True)
    torch.save(two_steps(made, slice(3 * rank, 3 + rank)), folder / f"found{rank}.pt")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@needs_nnunet
def test_two_processes_are_one_on_the_joined_batch(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(ddp_worker, (tmp_path,), nprocs=2)
    torch.manual_seed(0)
    made = planned(Levels(), True, False)
    made.loss.weight_factors = [1 / (1 + 1e-6), 1e-6 / (1 + 1e-6)]  # nnU-Net's under DDP
    expected = two_steps(made, slice(None))
    assert all(bool(torch.any(value != 0)) for value in expected)
    for rank in range(2):
        found = torch.load(tmp_path / f"found{rank}.pt")
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)


@needs_nnunet
def test_losses_of_single_images_pool_no_processes() -> None:
    assert planned(Levels(), False, True).loss.loss.loss.dice.process_group is None


# nnU-Net imports all its trainers to find one, and some of them need timm. A module of this text
# has whatever is imported from it.
TIMM = """
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
"""
SHORT = """
import torch
from dice_semimetric_torch.nnunet.nnunet_trainer_dml_raters import nnUNetTrainerDMLRaters

class nnUNetTrainerShort(nnUNetTrainerDMLRaters):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = self.num_val_iterations_per_epoch = 1
        self.num_iterations_per_epoch = 2
"""
PLAN = "nnunetv2.experiment_planning.plan_and_preprocess_entrypoints", "plan_and_preprocess_entry"
TRAIN = "nnunetv2.run.run_training", "run_training_entry"
PREPROCESS = PLAN[0], "preprocess_entry"
PREDICT = "nnunetv2.inference.predict_from_raw_data", "predict_entry_point"
STUDY = "dice_semimetric_study.cli", "main"


class Shell:
    """Runs commands with the folders of nnU-Net below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = ("raw", "preprocessed", "results")
        own = {f"nnUNet_{name}": str(root / f"nnUNet_{name}") for name in names}
        for module in ("timm", "timm/layers", "timm/models", "timm/models/eva"):
            (root / "stub" / module).mkdir(parents=True)
            (root / "stub" / module / "__init__.py").write_text(TIMM)
        (root / "short").mkdir()
        (root / "short/short.py").write_text(SHORT)
        where = [sys.executable, "-m", "dice_semimetric_torch.nnunet"]
        ours = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
        own["nnUNet_extTrainer"] = os.pathsep.join((ours, str(root / "short")))
        own |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "nnUNet_compile": "f"}
        path = [str(root / "stub"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = os.environ | own | {"PYTHONPATH": os.pathsep.join(path)}

    def run(self, entry: tuple[str, str], text: str) -> str:
        """Run one command and return what it prints."""
        code = f"import sys; from {entry[0]} import {entry[1]} as run; sys.exit(run())"
        done = subprocess.run(
            [sys.executable, "-c", code, *text.split()],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout


def make_study(root: Path, rng: np.random.Generator) -> None:
    """Write bright discs with the masks of two or three raters, who ignore a corner."""
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (32, 32, 4)), indexing="ij"))
    for case in range(5):
        centre = rng.integers(12, 20, size=(2, 1, 1, 1))
        far = np.sqrt(((grid[:2] - centre) ** 2).sum(axis=0))
        image = (np.clip(9 - far, 0, 4) * 30 + rng.normal(0, 5, far.shape)).astype(np.float32)
        folder = root / f"disc_{case}"
        folder.mkdir(parents=True)
        nibabel.save(nibabel.Nifti1Image(image, affine), folder / "image.nii.gz")
        for rater in range(2 if case == 1 else 3):
            mask = (far < 5 + rater).astype(np.uint8)
            mask[:2, :2] = 255
            path = folder / f"task01_seg0{rater + 1}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(mask, affine), path)


def shrink(plans: Path, configuration: str, more: dict[str, Any] | None = None) -> None:
    """Make the network that nnU-Net planned a very small one, and plan more configurations."""
    found = json.loads(plans.read_text())
    planned = found["configurations"][configuration]
    planned["batch_size"] = 2
    network = planned["architecture"]["arch_kwargs"]
    network["features_per_stage"] = [4] * network["n_stages"]
    found["configurations"] |= more or {}
    plans.write_text(json.dumps(found))


@pytest.mark.slow
@needs_nnunet
def test_from_raters_to_scores(tmp_path: Path, rng: np.random.Generator) -> None:
    shell, name = Shell(tmp_path), "Dataset001_Discs"
    make_study(tmp_path / "study", rng)
    reading = "--raters any --ignore 255"
    shell.run(STUDY, f"nnunet study --out nnUNet_raw/{name} {reading}")
    description = json.loads((tmp_path / "nnUNet_raw" / name / "dataset.json").read_text())
    assert description["labels"]["task01"] == [1, 2, 3, 4, 5, 6]

    shell.run(PLAN, "-d 1 -c 2d --verify_dataset_integrity -npfp 1 -np 1")
    shrink(tmp_path / "nnUNet_preprocessed" / name / "nnUNetPlans.json", "2d")
    printed = shell.run(TRAIN, "1 2d 0 -tr nnUNetTrainerShort --npz -device cpu")
    assert "Pseudo dice" in printed
    model = tmp_path / "nnUNet_results" / name / "nnUNetTrainerShort__nnUNetPlans__2d"
    summary = json.loads((model / "fold_0/validation/summary.json").read_text())
    assert list(summary["mean"]) == ["(4, 5, 6)"]
    far = "nnUNet_raw/Dataset001_Discs/imagesTr -o predicted --save_probabilities -device cpu"
    shell.run(PREDICT, f"-d 1 -c 2d -f 0 -tr nnUNetTrainerShort -i {far} -npp 1 -nps 1")

    nibabel = pytest.importorskip("nibabel")
    for case in range(5):
        with np.load(tmp_path / f"predicted/disc_{case}.npz") as found:
            prob = found["probabilities"]
        label = np.asarray(nibabel.load(tmp_path / f"predicted/disc_{case}.nii.gz").dataobj)
        assert prob.shape == (1, 4, 32, 32)
        np.testing.assert_array_equal(label, 6 * (prob[0].T > 0.5))
    shell.run(
        STUDY,
        f"evaluate --pred predicted --pred-pattern {{case}}.npz --ref study --out scores {reading}",
    )
    with (tmp_path / "scores/cases.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == [f"disc_{case}" for case in range(5)]
    for row in rows:
        with np.load(tmp_path / f"predicted/{row['case']}.npz") as found:
            prob = found["probabilities"][0].T
        paths = sorted((tmp_path / "study" / row["case"]).glob("task01*"))
        masks = np.stack([np.asarray(nibabel.load(p).dataobj) for p in paths])
        kept = (masks != 255).all(axis=0)
        hard = masks.sum(axis=0)[kept] * 2 > len(masks)
        expected = reference_dice(prob[kept] > 0.5, hard)
        assert float(row["dice"]) == pytest.approx(expected, abs=1e-6)


#: A cascade as nnU-Net plans it for images larger than these.
CASCADE = {
    "3d_lowres": {
        "inherits_from": "3d_fullres",
        "data_identifier": "nnUNetPlans_3d_lowres",
        "spacing": [5.0, 1.5, 1.5],
        "next_stage": "3d_cascade_fullres",
    },
    "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
}


@pytest.mark.slow
@needs_nnunet
def test_a_cascade_from_start_to_end(tmp_path: Path, rng: np.random.Generator) -> None:
    """Beside the image lie the labels 1 to 6 of the first stage, which has the last one alone."""
    import blosc2

    shell, name = Shell(tmp_path), "Dataset001_Discs"
    make_study(tmp_path / "study", rng)
    shell.run(STUDY, f"nnunet study --out nnUNet_raw/{name} --raters any --ignore 255")
    shell.run(PLAN, "-d 1 -c 3d_fullres -npfp 1 -np 1")
    shrink(tmp_path / f"nnUNet_preprocessed/{name}/nnUNetPlans.json", "3d_fullres", CASCADE)
    shell.run(PREPROCESS, "-d 1 -c 3d_lowres -np 1")
    rest = "all -tr nnUNetTrainerShort -device cpu"
    shell.run(TRAIN, f"1 3d_lowres {rest}")
    first = tmp_path / f"nnUNet_results/{name}/nnUNetTrainerShort__nnUNetPlans__3d_lowres"
    handed_on = list((first / "predicted_next_stage/3d_cascade_fullres").iterdir())
    assert len(handed_on) == 5
    assert all(set(np.unique(blosc2.open(str(path))[:])) <= {0, 6} for path in handed_on)
    assert "shape torch.Size([7, 4, 32, 32])" in shell.run(TRAIN, f"1 3d_cascade_fullres {rest}")

    both = f"-i nnUNet_raw/{name}/imagesTr -o predicted --save_probabilities -npp 1 -nps 1"
    both += f" -prev_stage_predictions {first}/fold_all/validation"
    shell.run(PREDICT, f"-d 1 -c 3d_cascade_fullres -f {rest} {both}")
    nibabel = pytest.importorskip("nibabel")
    for case in range(5):
        with np.load(tmp_path / f"predicted/disc_{case}.npz") as found:
            prob = found["probabilities"]
        label = np.asarray(nibabel.load(tmp_path / f"predicted/disc_{case}.nii.gz").dataobj)
        assert prob.shape == (1, 4, 32, 32)
        np.testing.assert_array_equal(label, 6 * (prob[0].T > 0.5))


def reference_dice(one: np.ndarray, other: np.ndarray) -> float:
    both = one.sum() + other.sum()
    return 2 * (one & other).sum() / both if both else 1.0
