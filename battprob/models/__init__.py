"""Models: immutable specifications with `fit`, and the posteriors it returns."""

from battprob.models.linear.logistic import BayesianLogistic
from battprob.models.linear.regression import BayesianLinear
from battprob.models.mixture.gates import ConstantGate, SoftmaxGate
from battprob.models.mixture.model import ProtocolMixture
from battprob.models.process.classifier import GaussianProcessClassifier
from battprob.models.process.conjugate_gradients import ConjugateGradients
from battprob.models.process.exact import Exact
from battprob.models.process.inducing_points import InducingPoints
from battprob.models.process.model import GaussianProcess
from battprob.models.process.state_space import StateSpace

__all__ = [
    "BayesianLinear",
    "BayesianLogistic",
    "ConjugateGradients",
    "ConstantGate",
    "Exact",
    "GaussianProcess",
    "GaussianProcessClassifier",
    "InducingPoints",
    "ProtocolMixture",
    "SoftmaxGate",
    "StateSpace",
]
