"""Predictive distributions of numbers (`Predictive`) and of classes (`ClassPredictive`)."""

from battprob.predictive.classification import ClassPredictive
from battprob.predictive.regression import Predictive

__all__ = ["ClassPredictive", "Predictive"]
