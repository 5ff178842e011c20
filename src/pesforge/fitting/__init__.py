"""A potential from a file of labels, without the workflow: candidates, choice on the training data, fit, errors."""

from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.fit import FitResult, fit
from pesforge.fitting.on_the_fly import Learner

__all__ = ["FitResult", "FitSettings", "Learner", "evaluate_frames", "fit"]
