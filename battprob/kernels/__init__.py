"""Kernels: covariance of a function between two rows of features.

A kernel's array leaves are its parameters on an unconstrained scale (logarithms), and
`log_prior` is their log density on that scale: whoever fits a kernel needs nothing else.
Features come standardised and the target has unit variance, which is what the priors
are made for.
"""

from battprob.kernels.arrhenius import Arrhenius
from battprob.kernels.base import Product, Sum
from battprob.kernels.categorical import Categorical
from battprob.kernels.level import Level
from battprob.kernels.linear import Linear
from battprob.kernels.stationary import (
    RBF,
    Matern12,
    Matern32,
    Matern52,
)

__all__ = [
    "RBF",
    "Arrhenius",
    "Categorical",
    "Level",
    "Linear",
    "Matern12",
    "Matern32",
    "Matern52",
    "Product",
    "Sum",
]
