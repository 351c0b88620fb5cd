"""Kernels: the prior covariance of a function between two rows of features.

The array leaves of a kernel are its parameters on an unconstrained scale (logarithms of
positive ones), and `log_prior` is their log density on that scale. Fits need nothing
else. Features and target arrive standardised (mean 0 and standard deviation 1 over the
training rows); the priors are made for that scale.

`battprob.kernels.base` holds what a kernel of your own needs; `AbstractKernel` there
lists the steps.
"""

from battprob.kernels.arrhenius import Arrhenius
from battprob.kernels.base import Product, Sum
from battprob.kernels.categorical import Categorical
from battprob.kernels.constant_mean import ConstantMean
from battprob.kernels.linear import Linear
from battprob.kernels.stationary import RBF, Matern12, Matern32, Matern52

__all__ = [
    "RBF",
    "Arrhenius",
    "Categorical",
    "ConstantMean",
    "Linear",
    "Matern12",
    "Matern32",
    "Matern52",
    "Product",
    "Sum",
]
