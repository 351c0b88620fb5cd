"""Models of the noise variance σ²(x), shared by all regression models.

The array leaves of a noise model are its parameters on an unconstrained scale, and
`log_prior` is their log density there (as for `battprob.kernels`). Features and target
arrive standardised. Noise models can be added: `Known() + LogLinear()` is the measured
variance of each label plus a learned remainder.

Models do not insert fitted parameters into σ²(x). They carry the posterior uncertainty of
the noise model into the prediction, so that the aleatoric variance is E[σ²(x) | data].

`battprob.noise.base` has what a noise model of your own needs; the docstring of its
`AbstractNoise` lists the steps.
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
