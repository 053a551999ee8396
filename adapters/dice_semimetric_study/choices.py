"""What the commands offer, and take by default: it is here so that ``--help`` is quick.

Whoever does the work imports it from here, and nothing slow is imported to describe it.
"""

from typing import Literal

FuseMethod = Literal["majority", "random", "uniform", "weighted", "staple"]
FUSE_METHODS: tuple[FuseMethod, ...] = ("majority", "random", "uniform", "weighted", "staple")

Calibration = Literal["kernel", "temperature", "vector"]
CALIBRATIONS: tuple[Calibration, ...] = ("kernel", "temperature", "vector")
#: Probabilities up to here are not calibrated; 0 itself never is.
FLOOR: dict[Calibration, float] = {"kernel": 0.01, "temperature": 0.0, "vector": 0.0}
#: Pixels that serve as keys of the kernel.
KEYS = 1000

#: Kinds of studies whose files have known names.
LAYOUTS = ("nnunet", "msd", "bids", "brats", "qubiq")

#: Pixels by which the box around all marks is widened for what is near them.
MARGIN = 5

#: Where scores are computed.
DEVICES = ("cpu", "cuda")
#: Voxels of a volume that is read as a whole: 256 MiB of float32 in each file.
WHOLE = 1 << 26

#: Cases of each structure with pictures on a page: the worst, the median and the best.
PICTURES = 3

#: Draws of patients by the bootstrap, and the share of them that an interval holds.
RESAMPLES, CONFIDENCE = 2000, 0.95
