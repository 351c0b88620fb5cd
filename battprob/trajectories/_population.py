"""Distribution of curve shapes over the cells of a population.

A curve is a vector z of coefficients of the basis functions φ. The mean and covariance of
z over cells are estimated by expectation-maximisation from the likelihood of each record
(a long record determines its curve, a short one leaves it uncertain). x is z in units of
that covariance; given a life,

    x | log L ~ N(m + b (log L - mean log L), Σ).

The uncertainty of (m, b, Σ) is represented by draws from their
matrix-normal-inverse-Wishart posterior. All matrices are small, so this is NumPy and
nothing has to be compiled.

References:
    Laird and Ware, Biometrics 38 (1982) 963, doi:10.2307/2529876 (EM for random effects);
    Gelman et al., Bayesian Data Analysis (3rd ed., 2013), section 3.6 (inverse Wishart).
"""

from typing import NamedTuple

import numpy as np

from battprob._typing import Numeric

_EM_STEPS = 200
_RIDGE = 1e-6  # of the mean variance: keeps the covariance positive definite
_PRIOR_SCALE = 3.0  # scale of the inverse-Wishart prior, times the identity


class PopulationEstimate(NamedTuple):
    """EM estimate of the population and the posterior of each cell's coefficients z.

    Attributes:
        mean, covariance: of z over cells, [k] and [k k].
        cell_mean, cell_covariance: of the z of each cell, [n k] and [n k k].
    """

    mean: np.ndarray
    covariance: np.ndarray
    cell_mean: np.ndarray
    cell_covariance: np.ndarray


class PopulationDraws(NamedTuple):
    """Posterior draws of the regression of shapes x on log lives.

    Attributes:
        log_life: mean log life over cells.
        mean, slope: m and b of each draw, [s k].
        covariance: Σ of each draw, [s k k].
    """

    log_life: Numeric
    mean: Numeric
    slope: Numeric
    covariance: Numeric


def estimate(precision: np.ndarray, information: np.ndarray) -> PopulationEstimate:
    """EM estimate of a population from the likelihoods of its records.

    Args:
        precision, information: H_i [n k k] and h_i [n k] of each record i, with
            log p(record i | z) = h_iᵀz - zᵀH_iz/2 + constant.
    """
    size = information.shape[1]
    mean, covariance = np.zeros(size), np.eye(size)
    cell_mean, cell_covariance = _e_step(mean, covariance, precision, information)
    for _ in range(_EM_STEPS):
        mean = cell_mean.mean(0)
        deviation = cell_mean - mean
        covariance = deviation.T @ deviation + cell_covariance.sum(0)
        covariance = covariance / len(information)
        covariance = covariance + _RIDGE * np.trace(covariance) / size * np.eye(size)
        cell_mean, cell_covariance = _e_step(mean, covariance, precision, information)
    return PopulationEstimate(mean, covariance, cell_mean, cell_covariance)


def _e_step(mean, covariance, precision, information):
    """Posterior mean and covariance of each cell's z, given the population."""
    prior = np.linalg.inv(covariance)
    posterior = np.linalg.inv(prior + precision)
    return (posterior @ (information + prior @ mean)[..., None])[..., 0], posterior


def sample(
    estimated: PopulationEstimate,
    log_life: np.ndarray,
    num: int,
    rng: np.random.Generator,
) -> PopulationDraws:
    """`num` draws of the population, each from its own draw of all cells' curves."""
    root = np.linalg.cholesky(estimated.covariance)
    whitening = np.linalg.inv(root)
    location = (estimated.cell_mean - estimated.mean) @ whitening.T
    scale = np.linalg.cholesky(whitening @ estimated.cell_covariance @ whitening.T)
    noise = rng.standard_normal((num, *location.shape, 1))
    x = location + (scale @ noise)[..., 0]
    mean_log_life = log_life.mean()
    draws = [_sample_regression(one, log_life - mean_log_life, rng) for one in x]
    return PopulationDraws(
        mean_log_life, *(np.stack(leaves) for leaves in zip(*draws, strict=True))
    )


def _sample_regression(x, log_life, rng):
    """One draw of (m, b, Σ) in the regression of x on centred log lives."""
    num, size = x.shape
    # The constant keeps the slope finite where all lives are equal.
    sum_squares = log_life @ log_life + 1e-9
    mean, slope = x.mean(0), log_life @ x / sum_squares
    residual = x - mean - log_life[:, None] * slope
    scale = residual.T @ residual + _PRIOR_SCALE * np.eye(size)
    root = _inverse_wishart_root(scale, num, rng)
    mean = mean + root @ rng.standard_normal(size) / np.sqrt(num)
    slope = slope + root @ rng.standard_normal(size) / np.sqrt(sum_squares)
    return mean, slope, root @ root.T


def _inverse_wishart_root(scale, num, rng):
    """A square root of a draw with mean scale / num (Bartlett's decomposition)."""
    size = len(scale)
    chi = rng.chisquare(num + size + 1 - np.arange(size))
    bartlett = np.tril(rng.standard_normal((size, size)), -1) + np.diag(np.sqrt(chi))
    return np.linalg.solve(bartlett, np.linalg.cholesky(scale).T).T
