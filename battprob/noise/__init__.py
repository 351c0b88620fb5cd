"""Noise heads: how the variance of a measurement depends on what is measured.

A head's array leaves are its parameters on an unconstrained scale, and `log_prior` is
their log density there (as for `battprob.kernels`). Heads see standardised features and
a target of unit variance. Heads add: `Known() + LogLinear()` is the measured variance of
each label plus a learned remainder.

Models never plug the fitted parameters into σ²(x): they carry the head's own posterior
uncertainty into the answer, so that the aleatoric variance is E[σ²(x) | data].
"""

from battprob.noise.base import Sum
from battprob.noise.heads import Constant, Known, LogLinear
from battprob.noise.latent import LatentGP
from battprob.noise.student import StudentT

__all__ = [
    "Constant",
    "Known",
    "LatentGP",
    "LogLinear",
    "StudentT",
    "Sum",
]
