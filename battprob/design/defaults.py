"""The model of those who name none: the one place where this layer knows a model."""

from battprob.inference import MAP
from battprob.kernels import ConstantMean, Matern52
from battprob.models import AbstractModel, GaussianProcess
from battprob.noise import Constant, Known
from battprob.noise.base import AbstractNoise


def default_model(
    *, noise: AbstractNoise | None = None, known_noise: bool = False
) -> AbstractModel:
    r"""A Gaussian process that looks for a signal before it believes that all is noise.

    Of ten results in six dimensions a process that holds any share of noise for possible
    says that all is noise; then nothing is worth a test but the corners, which say nothing
    either. Here the function is taken to vary about as much as the results do,
    $\log s^2 \sim N(0, 1)$, and noise to be small until results repeat themselves badly,
    $\log\sigma^2 \sim N(-4, 1)$, both of standardised results. What is wrong about that,
    tests will show: a campaign runs them where the function promises most. For the same
    reason the mean of the results lies above that of the function, whose level is taken
    for unknown.

    It is fitted anew after every test, each time from another second start, so that a
    poor mode does not last.

    Args:
        noise: how the noise depends on the point; default `Constant`. Of one that varies
            say as much: `noise.LogLinear(["rate"], prior_mean=-4, prior_std=1)`.
        known_noise: whether results come with variances, on top of that noise.

    References:
        Hvarfner, Hellsten and Nardi, ICML (2024), arXiv:2402.02229, for lengthscales that
        grow with the dimension, there with s = 1; the noise as in BoTorch since 0.12.
    """
    head = Constant(prior_mean=-4.0, prior_std=1.0) if noise is None else noise
    varying = Matern52(log_variance_prior_std=1.0)  # pyright: ignore[reportCallIssue]
    return GaussianProcess(
        kernel=varying + ConstantMean(),
        noise=Known() + head if known_noise else head,
        inference=MAP(num_starts=2),
    )
