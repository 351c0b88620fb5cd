"""How the curves of a population of cells differ, on the axis of their lives.

A curve is a vector of coefficients z of the functions φ. Its mean and covariance are
learned by expectation and maximisation from what each record says of its own curve (many
readings say all, a few leave much open). x are the coefficients in units of that
covariance; given a life,

    x | log L ~ N(m + b (log L - mean log L), Σ),

and what is not known of (m, b, Σ) are draws from their matrix-normal-inverse-Wishart
posterior. All of this is a few small matrices: NumPy, and nothing to compile.

References:
    Laird and Ware, Biometrics 38 (1982) 963, doi:10.2307/2529876 (expectation and
    maximisation with random effects); Gelman et al., Bayesian Data Analysis (3rd ed.,
    2013), section 3.6 (inverse Wishart).
"""

from typing import NamedTuple

import numpy as np

from battprob.trajectories._records import Numbers

_SWEEPS = 200
_LEAST = 1e-6  # of the mean variance: no direction is without any
_DOUBT = 3.0  # cells more that had told spreads, and nothing of correlations


class Learned(NamedTuple):
    """Mean and covariance of z over cells, and mean and covariance of each cell's."""

    mean: np.ndarray
    covariance: np.ndarray
    location: np.ndarray
    spread: np.ndarray


class Population(NamedTuple):
    """Draws of how shapes go with lives."""

    log_life: Numbers  # mean over cells
    mean: Numbers  # [s k]
    slope: Numbers  # [s k]
    covariance: Numbers  # [s k k]


def learn(matrix: np.ndarray, vector: np.ndarray) -> Learned:
    """Curves of a population; log p(record i | z) = hᵢᵀz - zᵀHᵢz/2 + constant."""
    size = vector.shape[1]
    mean, covariance = np.zeros(size), np.eye(size)
    location, spread = _curves(mean, covariance, matrix, vector)
    for _ in range(_SWEEPS):
        mean = location.mean(0)
        apart = location - mean
        covariance = (apart.T @ apart + spread.sum(0)) / len(vector)
        covariance = covariance + _LEAST * np.trace(covariance) / size * np.eye(size)
        location, spread = _curves(mean, covariance, matrix, vector)
    return Learned(mean, covariance, location, spread)


def _curves(mean, covariance, matrix, vector):
    """Mean and covariance of each cell's curve, given the population."""
    precision = np.linalg.inv(covariance)
    spread = np.linalg.inv(precision + matrix)
    return (spread @ (vector + precision @ mean)[..., None])[..., 0], spread


def sample(
    learned: Learned, log_life: np.ndarray, num: int, rng: np.random.Generator
) -> Population:
    """`num` draws of the population, each from a draw of the cells' curves."""
    root = np.linalg.cholesky(learned.covariance)
    white = np.linalg.inv(root)
    location = (learned.location - learned.mean) @ white.T
    spread = np.linalg.cholesky(white @ learned.spread @ white.T)
    noise = rng.standard_normal((num, *location.shape, 1))
    drawn = location + (spread @ noise)[..., 0]
    middle = log_life.mean()
    draws = [_draw(x, log_life - middle, rng) for x in drawn]
    return Population(
        middle, *(np.stack(leaves) for leaves in zip(*draws, strict=True))
    )


def _draw(x, away, rng):
    """One draw of the regression of shapes on log lives (whose mean is nought)."""
    num, size = x.shape
    length = away @ away + 1e-9
    middle, slope = x.mean(0), away @ x / length
    left = x - middle - away[:, None] * slope
    half = _inverse_wishart(left.T @ left + _DOUBT * np.eye(size), num, rng)
    middle = middle + half @ rng.standard_normal(size) / np.sqrt(num)
    slope = slope + half @ rng.standard_normal(size) / np.sqrt(length)
    return middle, slope, half @ half.T


def _inverse_wishart(spread, num, rng):
    """Root of a draw whose mean is spread / num (Bartlett)."""
    size = len(spread)
    chi = rng.chisquare(num + size + 1 - np.arange(size))
    bartlett = np.tril(rng.standard_normal((size, size)), -1) + np.diag(np.sqrt(chi))
    return np.linalg.solve(bartlett, np.linalg.cholesky(spread).T).T
