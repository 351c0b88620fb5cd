"""The model of those who name none: the one place where this layer knows a model."""

from battprob.inference import MAP
from battprob.models import AbstractModel, GaussianProcess
from battprob.noise import Constant, Known


def default_model(*, known_noise: bool = False) -> AbstractModel:
    """A Gaussian process with constant noise, on top of known variances if there are any.

    It is fitted anew after every test, each time from another second start, so that a
    poor mode does not last.
    """
    return GaussianProcess(
        noise=Known() + Constant() if known_noise else Constant(),
        inference=MAP(num_starts=2),
    )
