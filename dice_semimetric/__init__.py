"""Losses, label fusion, scores and calibration for segmentation with soft labels.

Every function takes arrays of any library that follows the Python array API standard, prediction
first, and returns arrays of the same library on the same device.
"""

from ._lib.checks import value_checks
from .agreement import Agreement, disagreement, rater_agreement
from .averages import dice_weighted_average, uniform_average
from .baselines import sdl, sjl, stl
from .bins import CalibrationBins, calibration_bins
from .boundary import label_boundary, smooth_boundary
from .calibration import expected_calibration_error, reliability_curve
from .calibration_loss import calibration_loss
from .crps import crps
from .energy_distance import generalized_energy_distance
from .formulas import overlap_loss
from .fusion import majority_vote, random_rater
from .kernel.calibrator import KernelCalibrator
from .kernel.error import kernel_calibration_error, select_bandwidth
from .kernel.keys import sample_keys
from .kernel.regression import kernel_regression
from .kernel.teacher import calibrate_teacher
from .labels import one_hot, smooth_labels
from .losses import dml1, dml2, jml1, jml2
from .overlap import Overlap, overlap, region_overlap
from .pairwise import pairwise_loss
from .probability_scores import brier_score, log_loss
from .proper_score import ProperScore, proper_score
from .region import region_loss
from .region_scores import region_score
from .scores import binarized_dice, dice_score, jaccard_score
from .staple import staple
from .temperature import TemperatureScaling
from .thresholds import ThresholdCounts, threshold_counts
from .tversky import cftl, ctl
from .vector import VectorScaling

__version__ = "0.1.0"

__all__ = [
    "Agreement",
    "CalibrationBins",
    "KernelCalibrator",
    "Overlap",
    "ProperScore",
    "TemperatureScaling",
    "ThresholdCounts",
    "VectorScaling",
    "binarized_dice",
    "brier_score",
    "calibrate_teacher",
    "calibration_bins",
    "calibration_loss",
    "cftl",
    "crps",
    "ctl",
    "dice_score",
    "dice_weighted_average",
    "disagreement",
    "dml1",
    "dml2",
    "expected_calibration_error",
    "generalized_energy_distance",
    "jaccard_score",
    "jml1",
    "jml2",
    "kernel_calibration_error",
    "kernel_regression",
    "label_boundary",
    "log_loss",
    "majority_vote",
    "one_hot",
    "overlap",
    "overlap_loss",
    "pairwise_loss",
    "proper_score",
    "random_rater",
    "rater_agreement",
    "region_loss",
    "region_overlap",
    "region_score",
    "reliability_curve",
    "sample_keys",
    "sdl",
    "select_bandwidth",
    "sjl",
    "smooth_boundary",
    "smooth_labels",
    "staple",
    "stl",
    "threshold_counts",
    "uniform_average",
    "value_checks",
]
