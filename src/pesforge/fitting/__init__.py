"""A potential from a file of labels, without the workflow: candidates, choice on the training data, fit, errors."""

from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.fit import FitResult, fit

__all__ = ["FitResult", "FitSettings", "evaluate_frames", "fit"]
