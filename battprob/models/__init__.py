"""Models: immutable specifications with `fit`, and the posteriors it returns."""

from battprob.models.base import AbstractModel, AbstractPosterior
from battprob.models.gp import GaussianProcess, GaussianProcessPosterior
from battprob.models.linear import BayesianLinear, BayesianLinearPosterior
from battprob.models.stacking import Stack, StackedPosterior, stack

__all__ = [
    "AbstractModel",
    "AbstractPosterior",
    "BayesianLinear",
    "BayesianLinearPosterior",
    "GaussianProcess",
    "GaussianProcessPosterior",
    "Stack",
    "StackedPosterior",
    "stack",
]
