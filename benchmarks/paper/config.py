"""An experiment by name: all that decides the result of a run. Most fields are options, too."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

LABELS = ("uniform", "majority", "random", "weighted", "ls")
AUGMENT = ("shift", "scale")
PRECISIONS = ("float32", "bfloat16", "float16")
LOSSES = ("dml1", "dml2", "jml1", "jml2", "sdl", "sjl")
RUNGS = ("hard", "ce", "dml", "temperature", "kde")
CALIBRATIONS = ("none", "temperature", "kernel")
#: The fields that a network without a teacher has no use for.
OF_TEACHER = ("rung", "bandwidth", "n_keys", "key_labels", "teacher_model", "teacher_labels",
              "teacher_epochs", "teacher_sees")  # fmt: skip


def option(default: Any, text: str, choices: Sequence[str] = ()) -> Any:
    """Return a field that carries its help text."""
    return field(default=default, metadata={"help": text, "choices": tuple(choices)})


@dataclass(frozen=True)
class Config:
    """One run; the defaults are the paper's for QUBIQ, with a smaller network.

    Where the data lie, where results go and on what device a run happens is left out on purpose: a
    run may be moved, and resumed elsewhere.
    """

    task: int = option(1, "the task, TT of taskTT_segRR.nii.gz")
    train_split: str = option("Training", "the folder of cases to train on")
    labels: str = option("uniform", "what the raters become in training", LABELS)
    smoothing: float = option(0.1, "the epsilon of --labels ls")
    loss: str = option("dml1", "the regional loss", LOSSES)
    ce_weight: float = option(0.25, "weight of cross-entropy; the regional loss has the rest")
    calibration_weight: float = option(0.0, "weight of a calibration error beside that loss")
    per: str = option("batch", "pool the loss's pixels over", ("batch", "image"))
    model: str = option("unet", "the network, one of benchmarks.paper.networks")
    size: int = option(0, "side that images are resized to; 0: as they are")
    folds: int = option(0, "parts of a cross-validation; 0: the folders of the data")
    fold: int = option(0, "the part that is left out of training")
    crop: int = option(0, "side of the central square that the network sees; 0: all of it")
    augment: str = option("shift", "move that square, or scale by 0.5 to 2", AUGMENT)
    jitter: int = option(0, "largest shift of that square in training, in pixels")
    flip: bool = option(True, "mirror at random in training")
    epochs: int = option(150, "passes over the training cases")
    batch_size: int = option(8, "cases in a step")
    optimizer: str = option("sgd", "sgd (momentum 0.9) or adamw", ("sgd", "adamw"))
    lr: float = option(0.01, "learning rate at the start of the poly schedule")
    weight_decay: float = option(5e-4, "weight decay")
    precision: str = option("float32", "what the network computes in", PRECISIONS)
    seed: int = option(0, "seed of the network's start, the order and the augmentation")
    rung: str = option("hard", "what is learned of a teacher: a term of Table 5", RUNGS)
    bandwidth: float = option(1e-3, "of the kernel")
    n_keys: int = option(500, "keys of the kernel in a batch")
    key_labels: str = option("majority", "labels of the keys", ("majority", "uniform"))
    teacher_model: str = option("unet-wide", "the teacher's network")
    teacher_labels: str = option("uniform", "what the teacher was trained on")
    teacher_epochs: int = option(150, "passes that the teacher made")
    teacher_sees: str = option("crop", "the student's crop, or the image once", ("crop", "image"))
    calibration: str = option("none", "of the predictions, on held-out cases", CALIBRATIONS)
    held_fold: bool = option(False, "leave the next fold out of training, to calibrate on")
    held_split: str = option("Validation", "the folder of the held-out cases")
    signal: bool = option(False, "score what the student learns from, on its training cases")

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        for item in fields(self):
            choices = item.metadata["choices"]
            value = getattr(self, item.name)
            if choices and value not in choices:
                raise ValueError(f"{item.name} must be one of {', '.join(choices)}, got {value!r}")
        from_zero = ("size", "folds", "fold", "crop", "jitter", "seed", "weight_decay",
                     "calibration_weight")  # fmt: skip
        least = {"task": 1, "epochs": 1, "batch_size": 1} | dict.fromkeys(from_zero, 0)
        for name, number in least.items():
            if getattr(self, name) < number:
                raise ValueError(f"{name} must be at least {number}, got {getattr(self, name)}")
        if self.jitter and not self.crop:
            raise ValueError("jitter shifts a crop: it needs crop above 0")
        for name in ("ce_weight", "smoothing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        if self.key_labels == "uniform" and self.teacher_sees == "crop":
            raise ValueError("key_labels 'uniform' needs teacher_sees 'image'")

    @property
    def view(self) -> int:
        """The side of the central square that is predicted; 0: all of the image."""
        return self.crop if self.augment == "shift" else 0

    @property
    def distilled(self) -> bool:
        """Whether there is a teacher."""
        return self.rung != "hard"

    @property
    def teacher(self) -> "Config":
        """The teacher: the student's configuration but for network, labels and epochs.

        Students of all losses have one teacher, whose loss is DML1, and so have students of all
        seeds where folders take the place of folds.
        """
        plain = {item.name: item.default for item in fields(self) if item.name in OF_TEACHER}
        return replace(
            self,
            **plain,
            model=self.teacher_model,
            loss="dml1",
            labels=self.teacher_labels,
            epochs=self.teacher_epochs,
            seed=self.seed if self.folds else 0,
            calibration="temperature" if self.rung == "temperature" else "none",
            held_split=self.held_split if self.rung == "temperature" else "Validation",
            signal=False,
        )

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Return what is set otherwise in the fields of another run, as readable text.

        A field that the other run did not know yet had its default there.
        """
        mine = asdict(self)
        other = {item.name: item.default for item in fields(self)} | other
        return [
            f"{name}: {other.get(name)!r} there, {mine.get(name)!r} here"
            for name in sorted(mine | other)
            if other.get(name) != mine.get(name)
        ]


def add_options(parser: argparse._ArgumentGroup, leave_out: Sequence[str]) -> None:
    """Give the parser one option for each other field of `Config`; what is not given is None."""
    for item in fields(Config):
        if item.name in leave_out:
            continue
        flag, text = "--" + item.name.replace("_", "-"), item.metadata["help"]
        if item.type is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            choices = item.metadata["choices"] or None
            parser.add_argument(flag, type=item.type, choices=choices, help=text)
