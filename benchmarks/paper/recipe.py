"""How the runs behind the tables are trained: the paper's way, or as was chosen instead."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dice_semimetric_study.faults import UsageError

from .config import Config
from .distill_training import DistillConfig
from .sources import SCANS, Source

#: What the paper's Sect. 3.2 says of the training, and the crops of the authors' code.
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
FIXED = ("task", "train_split", "labels", "loss", "model", "folds", "fold", "ce_weight")
PERSONS = "persons"
BEST_BANDWIDTH = 1e-3  # Table 8
QUICK_EPOCHS, QUICK_FOLDS = 2, 2


@dataclass(frozen=True)
class Recipe:
    """What every run of a table shares.

    Attributes
    ----------
    chosen : dict
        Fields of `Config` that were set by hand.
    of_data : dict
        The same for single data sets, by name; "persons": false says besides that a rater's number
        does not stand for one person throughout, so that raters cannot be weighted.
    networks : tuple of str
        The teacher, which Tables 1, 2, 4 and 7 are about too, and its students.
    distil : bool
        Whether Table 4 has rows with a student on data of several raters.
    n_keys : int
        Keys of the kernel in a batch.
    quick : bool
        Two epochs only, to see that all works.
    """

    chosen: dict[str, Any] = field(default_factory=dict)
    of_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: tuple[str, ...] = tuple(NETWORKS.values())
    distil: bool = False
    n_keys: int = 500
    quick: bool = False

    def persons(self, source: Source) -> bool:
        """Return whether each of the data's raters is one person, who can be given a weight."""
        return bool(self.of_data.get(source.name, {}).get(PERSONS, True))

    def plain(self, source: Source, model: str, **fields: Any) -> Config:
        """Return a configuration that learns from labels alone."""
        kind = "scans" if source.name in SCANS else "raters"
        values = {"train_split": "all", **PROTOCOLS[kind], "task": source.data.task or 1}
        own = {k: v for k, v in self.of_data.get(source.name, {}).items() if k != PERSONS}
        config = Config(**values | {"model": model} | self.chosen | own | fields)
        epochs = min(config.epochs, QUICK_EPOCHS) if self.quick else config.epochs
        return replace(config, epochs=epochs)

    def student(
        self,
        source: Source,
        model: str,
        rung: str,
        *,
        bandwidth: float = BEST_BANDWIDTH,
        **fields: Any,
    ) -> Config:
        """Return a student whose teacher learned from the same hard labels."""
        config = self.plain(source, model, labels="majority", **fields)
        if rung == "hard":
            return config
        return DistillConfig(
            **asdict(config),
            rung=rung,
            bandwidth=bandwidth,
            n_keys=self.n_keys,
            teacher_model=self.networks[0],
            teacher_labels="majority",
            teacher_epochs=config.epochs,
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
