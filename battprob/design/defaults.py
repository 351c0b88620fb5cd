"""The default model of campaigns; no other file of `design` imports a concrete model."""

from battprob.inference import MAP
from battprob.kernels import ConstantMean, Matern52
from battprob.models import GaussianProcess
from battprob.models.base import AbstractModel
from battprob.noise import Constant, Known
from battprob.noise.base import AbstractNoise


def default_model(
    *, noise: AbstractNoise | None = None, known_noise: bool = False
) -> AbstractModel:
    r"""A Gaussian process for few and noisy results, the default model of campaigns.

    With ten results in six dimensions, a Gaussian process with vague priors often
    explains all variation as noise. The posterior mean is then constant, and acquisitions
    choose only the corners of the space. The priors of this model (for standardised
    results) favour a signal: the variance of the function is of the order of that of the
    results, $\log s^2 \sim N(0, 1)$, and the noise is small,
    $\log\sigma^2 \sim N(-4, 1)$, until repeated tests show otherwise.

    A campaign samples promising regions, so the mean of its results overestimates the
    mean of the function; the function therefore has an unknown constant offset.

    The model is fitted again after each test, each time with another random start, so
    that a poor mode does not persist.

    Args:
        noise: noise model; default `Constant` with the prior above. For noise that
            depends on the point, `noise.LogLinear(["rate"], prior_mean=-4, prior_std=1)`.
        known_noise: whether results have known variances; they are added to `noise`.

    References:
        Hvarfner, Hellsten and Nardi, ICML (2024), arXiv:2402.02229, for lengthscales that
        grow with the dimension (there with s = 1); the noise prior is that of BoTorch
        since version 0.12.
    """
    head = Constant(prior_mean=-4.0, prior_std=1.0) if noise is None else noise
    varying = Matern52(log_variance_prior_std=1.0)
    return GaussianProcess(
        kernel=varying + ConstantMean(),
        noise=Known() + head if known_noise else head,
        inference=MAP(num_starts=2),
    )
