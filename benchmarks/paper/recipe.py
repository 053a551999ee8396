"""How the runs behind the tables are trained: the paper's way, or as was chosen instead."""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dice_semimetric_study import UsageError

from .config import OF_TEACHER, Config
from .sources import SCANS, Source

#: The training of the paper's Sect. 3.2, with the crops of the authors' code.
PROTOCOLS: dict[str, dict[str, Any]] = {
    "raters": {"epochs": 150, "crop": 256, "augment": "scale"},
    "scans": {"epochs": 60, "crop": 384, "augment": "scale"},
}
#: The paper's networks by the names that it prints; the first is the teacher.
NETWORKS = {
    "UNet-ResNet50": "unet-resnet50",
    "UNet-ResNet18": "unet-resnet18",
    "UNet-EfficientNetB0": "unet-efficientnet-b0",
    "UNet-MobileNetV2": "unet-mobilenet-v2",
    "DL3+-ResNet18": "deeplabv3plus-resnet18",
}
#: What the tables themselves decide.
FIXED = ("task", "train_split", "labels", "loss", "model", "folds", "fold", "seed", *OF_TEACHER,
         "calibration", "held_split", "signal")  # fmt: skip
PERSONS = "persons"
BEST_BANDWIDTH = 1e-3  # Table 8
QUICK_EPOCHS, QUICK_FOLDS = 2, 2


@dataclass(frozen=True)
class Recipe:
    """What every run of a table shares."""

    chosen: dict[str, Any] = field(default_factory=dict)  # fields of `Config` set by hand
    #: The same for single data sets, by name. With "persons": false a rater's number does not
    #: stand for one person throughout, and raters are not weighted.
    of_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: The teacher, which Tables 1, 2, 4 and 7 are about too, and its students.
    networks: tuple[str, ...] = tuple(NETWORKS.values())
    distil: bool = False  # whether Table 4 has rows with a student on data of several raters
    n_keys: int = 500  # of the kernel in a batch
    quick: bool = False  # two epochs only, to see that all works
    folds: int = 5  # 0: the folders of the data
    train_split: str = "Training"  # the folder of the training cases, without folds
    held_split: str = "Validation"  # the folder of the cases that calibration is fitted to
    seeds: tuple[int, ...] = (0,)
    # Of the comparisons that are not the paper's:
    paper: bool = True  # whether the paper's protocol holds
    runs: tuple[str, ...] = ()  # LOSS:LABELS
    sweep_seeds: tuple[int, ...] = (0,)  # of the bandwidths
    bandwidths: tuple[float, ...] = ()
    teacher_labels: str = "majority"
    teacher_epochs: int | None = None  # None: as many as the student's

    def persons(self, source: Source) -> bool:
        """Return whether each of the data's raters is one person, who can be given a weight."""
        return bool(self.of_data.get(source.name, {}).get(PERSONS, True))

    def plain(self, source: Source, model: str, **fields: Any) -> Config:
        """Return a configuration that learns from labels alone."""
        kind = "scans" if source.name in SCANS else "raters"
        values: dict[str, Any] = PROTOCOLS[kind] if self.paper else {}
        split = "all" if self.folds else self.train_split
        values = values | {"train_split": split, "task": source.data.task or 1, "model": model}
        own = {k: v for k, v in self.of_data.get(source.name, {}).items() if k != PERSONS}
        config = Config(**values | self.chosen | own | fields)
        return replace(config, epochs=self._epochs(config.epochs))

    @property
    def student_model(self) -> str:
        """The first student's network."""
        if len(self.networks) < 2:
            raise ValueError("this table needs a student: give --networks a teacher and a student")
        return self.networks[1]

    def _epochs(self, number: int) -> int:
        return min(number, QUICK_EPOCHS) if self.quick else number

    def student(self, source: Source, model: str, rung: str, **fields: Any) -> Config:
        """Return a student that learns from hard labels and, but for "hard", from a teacher."""
        of_teacher = {name: fields.pop(name) for name in OF_TEACHER if name in fields}
        config = self.plain(source, model, labels="majority", **fields)
        if rung == "hard":
            return config
        return replace(
            config,
            rung=rung,
            n_keys=self.n_keys,
            held_split=self.held_split if rung == "temperature" else config.held_split,
            teacher_model=self.networks[0],
            teacher_labels=self.teacher_labels,
            teacher_epochs=self._epochs(self.teacher_epochs or config.epochs),
            teacher_sees="crop" if self.paper else "image",
            **of_teacher,
        )


def read_settings(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a JSON file sets for each data set: {name: {field of `Config`: value}}.

    Raises UsageError naming what is not such a field.
    """
    try:
        settings = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(settings, dict) or not all(isinstance(v, dict) for v in settings.values()):
        raise UsageError(f"{path} must hold {{data set: {{setting: value}}}}")
    known = {item.name for item in fields(Config)} - set(FIXED) | {PERSONS}
    unknown = [
        f"{name}: {key}" for name, own in settings.items() for key in own if key not in known
    ]
    if unknown:
        raise UsageError(f"{path} has settings that are none: {', '.join(unknown)}")
    return settings
