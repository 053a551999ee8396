"""Predictions of a trained network, as they are or calibrated on cases that it has not seen."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dice_semimetric import KernelCalibrator, TemperatureScaling, uniform_average, value_checks

from .cases import Case
from .crops import window

#: Pixels that a calibrator is fitted to, and the probability that they, and what it changes, are
#: above. A few keys in the background could not show the kernel how rare marks are there.
PIXELS = {"temperature": 1_000_000, "kernel": 1000}
FLOOR = {"temperature": 0.0, "kernel": 0.01}
_TOP = 1 - 2.0**-24  # float32 has 1.0 for every probability nearer to 1


@dataclass
class Predictor:
    """A network and, where there is one, the calibrator of its probabilities."""

    network: nn.Module
    method: str = "none"
    parameters: dict[str, float] = field(default_factory=dict)
    calibrator: Any = None

    def predict(self, case: Case, side: int) -> np.ndarray:
        """Return the foreground probability (H, W), 0 outside the central square with that side."""
        place = window(case.image.shape[1:], side)
        device = next(self.network.parameters()).device
        image = torch.tensor(case.image[(slice(None), *place)], device=device)
        prob = np.zeros(case.image.shape[1:], np.float32)
        prob[place] = self.probabilities(image[None])[0, 0].cpu().numpy()
        return prob

    def probabilities(self, image: Tensor) -> Tensor:
        """Return the foreground probabilities (B, 1, H, W) of images (B, C, H, W)."""
        self.network.eval()
        with torch.no_grad():
            prob: Tensor = torch.sigmoid(self.network(image))
        if self.calibrator is None:
            return prob
        return torch.from_numpy(self._calibrate(prob.cpu().numpy())).to(prob.device)

    def _calibrate(self, prob: np.ndarray) -> np.ndarray:
        new = prob.astype(np.float32)
        changed = new > FLOOR[self.method]
        with value_checks("never"):
            made = self.calibrator.predict_proba(_input(self.method, new[changed][:, None]))
        new[changed] = np.clip(made[:, 0], 0, 1)
        return new

    def calibrated(self, method: str, cases: Sequence[Case], side: int) -> "Predictor":
        """Return the same network with a calibrator fitted to the raters' means of these cases."""
        prob, mean = _sample(method, [self.predict(case, side) for case in cases], cases)
        if method == "temperature":
            scaling = TemperatureScaling().fit(_input(method, prob), mean)
            return Predictor(self.network, method, {method: scaling.temperature_}, scaling)
        kernel = KernelCalibrator(bandwidth=None, n_keys=len(prob), sampling="proportional")
        kernel.fit(prob, mean)
        return Predictor(self.network, method, {"bandwidth": kernel.bandwidth_}, kernel)


def _sample(
    method: str, probs: Sequence[np.ndarray], cases: Sequence[Case]
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and raters' means (n, 1) of pixels drawn evenly from all cases.

    Each pixel has a random rank that its case's name decides, and the lowest ranks win.
    """
    ranks, chosen, means = [], [], []
    for prob, case in zip(probs, cases, strict=True):
        inside = prob > FLOOR[method]
        name = f"{case.name.rpartition('/')[2]}\0".encode("utf-8", errors="surrogateescape")
        ranks.append(np.random.default_rng([0, zlib.crc32(name)]).random(int(inside.sum())))
        chosen.append(prob[inside])
        means.append(uniform_average(case.raters)[inside].astype(np.float32))
    kept = np.argsort(np.concatenate(ranks), kind="stable")[: PIXELS[method]]
    return np.concatenate(chosen)[kept, None], np.concatenate(means)[kept, None]


def _input(method: str, prob: np.ndarray) -> np.ndarray:
    """Return what a calibrator takes: logits for a temperature, else probabilities."""
    if method != "temperature":
        return prob
    p = np.minimum(prob.astype(np.float64), _TOP)
    logit: np.ndarray = np.log(p) - np.log1p(-p)
    return logit
