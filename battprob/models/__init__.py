"""Models: immutable specifications with `fit`, and the posteriors it returns."""

from battprob.models._mixture.gates import AbstractGate, ConstantGate, SoftmaxGate
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    AbstractPosterior,
    FunctionMoments,
)
from battprob.models.fade import FadeTrajectory, FadeTrajectoryPosterior, Forecast
from battprob.models.gp import GaussianProcess, GaussianProcessPosterior
from battprob.models.gp_classifier import (
    GaussianProcessClassifier,
    GaussianProcessClassifierPosterior,
)
from battprob.models.iterative_gp import (
    IterativeGaussianProcess,
    IterativeGaussianProcessPosterior,
)
from battprob.models.linear import BayesianLinear, BayesianLinearPosterior
from battprob.models.logistic import BayesianLogistic, BayesianLogisticPosterior
from battprob.models.mixture import ProtocolMixture, ProtocolMixturePosterior
from battprob.models.sequence import (
    SequenceGaussianProcess,
    SequenceGaussianProcessPosterior,
)
from battprob.models.sparse_gp import (
    SparseGaussianProcess,
    SparseGaussianProcessPosterior,
)
from battprob.models.stacking import Stack, StackedPosterior, stack

__all__ = [
    "AbstractGate",
    "AbstractGaussianPosterior",
    "AbstractModel",
    "AbstractPosterior",
    "BayesianLinear",
    "BayesianLinearPosterior",
    "BayesianLogistic",
    "BayesianLogisticPosterior",
    "ConstantGate",
    "FadeTrajectory",
    "FadeTrajectoryPosterior",
    "Forecast",
    "FunctionMoments",
    "GaussianProcess",
    "GaussianProcessClassifier",
    "GaussianProcessClassifierPosterior",
    "GaussianProcessPosterior",
    "IterativeGaussianProcess",
    "IterativeGaussianProcessPosterior",
    "ProtocolMixture",
    "ProtocolMixturePosterior",
    "SequenceGaussianProcess",
    "SequenceGaussianProcessPosterior",
    "SoftmaxGate",
    "SparseGaussianProcess",
    "SparseGaussianProcessPosterior",
    "Stack",
    "StackedPosterior",
    "stack",
]
