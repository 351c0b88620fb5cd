"""Models: immutable specifications with `fit`, and the posteriors it returns."""

from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    AbstractPosterior,
    FunctionMoments,
)
from battprob.models.linear.logistic import BayesianLogistic, BayesianLogisticPosterior
from battprob.models.linear.regression import BayesianLinear, BayesianLinearPosterior
from battprob.models.mixture.gates import AbstractGate, ConstantGate, SoftmaxGate
from battprob.models.mixture.model import ProtocolMixture, ProtocolMixturePosterior
from battprob.models.process.classifier import (
    GaussianProcessClassifier,
    GaussianProcessClassifierPosterior,
)
from battprob.models.process.conjugate_gradients import (
    IterativeGaussianProcess,
    IterativeGaussianProcessPosterior,
)
from battprob.models.process.exact import GaussianProcess, GaussianProcessPosterior
from battprob.models.process.inducing_points import (
    SparseGaussianProcess,
    SparseGaussianProcessPosterior,
)
from battprob.models.process.state_space import (
    SequenceGaussianProcess,
    SequenceGaussianProcessPosterior,
)

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
]
