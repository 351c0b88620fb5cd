"""With a model that is linear in its parameters, the noise is marginalised exactly.

The references are the closed forms of weighted linear regression, in NumPy and SciPy:
with a flat prior on the coefficients and 1/σ² on the variance the posterior is a
Student-t distribution with N - p degrees of freedom (Gelman et al., Bayesian Data
Analysis, 2013, section 14.2).
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from battprob.eis import KnownVariance
from battprob.eis._default_prior import Prior
from battprob.eis._gaussian_mixture import GaussianMixture, quantiles
from battprob.eis._levenberg import Objective
from battprob.eis._marginal import marginal, scale_mixture

FREQUENCY = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
N, P = 2 * FREQUENCY.size, 3  # Re and Im of every frequency; coefficients
RNG = np.random.default_rng(3)
DESIGN = RNG.normal(size=(N, P))
VARIANCE = np.tile(np.geomspace(0.5, 3.0, FREQUENCY.size), 2)
TARGET = DESIGN @ [1.0, -2.0, 0.5] + 0.3 * np.sqrt(VARIANCE) * RNG.normal(size=N)
FLAT = 1e6  # prior standard deviation


def fitted(prior_sd=FLAT, known=0.0):
    """`marginal` of the linear model, which starts from other coefficients."""
    objective = Objective(
        lambda z: (jnp.asarray(DESIGN) @ z, jnp.asarray(DESIGN.T)),
        jnp.asarray(TARGET),
        jnp.ones(N),
        Prior(jnp.zeros(P), jnp.full(P, prior_sd)),
    )
    noise = KnownVariance(FREQUENCY, VARIANCE[: FREQUENCY.size], known)
    start, box = jnp.array([0.9, -1.8, 0.4]), (jnp.zeros(0), jnp.zeros(0))
    return jax.jit(
        lambda z: marginal(objective, z, jnp.asarray(FREQUENCY), noise, box)
    )(start)[0]


def regression():
    """Weighted least squares: coefficients, (XᵀWX)⁻¹, weighted sum of squares."""
    inverse = np.linalg.inv(DESIGN.T / VARIANCE @ DESIGN)
    coefficients = inverse @ (DESIGN.T / VARIANCE @ TARGET)
    return coefficients, inverse, residual_square(coefficients)


def residual_square(coefficients):
    return np.sum((TARGET - DESIGN @ coefficients) ** 2 / VARIANCE)


def test_degrees_of_freedom_are_observations_less_coefficients():
    found, (coefficients, inverse, square) = fitted(), regression()
    np.testing.assert_allclose(found.location[0], coefficients, rtol=1e-8)
    np.testing.assert_allclose(found.covariance[0], inverse, rtol=1e-8)
    np.testing.assert_allclose(found.degrees_of_freedom[0], N - P, rtol=1e-8)
    np.testing.assert_allclose(found.variance_scale[0], square / (N - P), rtol=1e-8)


def test_knowledge_of_the_variance_adds_its_degrees_of_freedom():
    """A scaled inverse χ² prior with d degrees of freedom around 1."""
    found, (*_, square) = fitted(known=12.0), regression()
    np.testing.assert_allclose(found.degrees_of_freedom[0], N + 12 - P, rtol=1e-8)
    np.testing.assert_allclose(
        found.variance_scale[0], (square + 12) / (N + 12 - P), rtol=1e-8
    )


@pytest.mark.parametrize("prior_sd", [0.3, 1.0])
def test_a_prior_uses_fewer_degrees_of_freedom(prior_sd):
    """Ridge regression: as many as the trace of its hat matrix."""
    penalty = residual_square([0.9, -1.8, 0.4]) / (N - P) / prior_sd**2
    precision = DESIGN.T / VARIANCE @ DESIGN + penalty * np.eye(P)
    hat = DESIGN @ np.linalg.solve(precision, DESIGN.T / VARIANCE)
    coefficients = np.linalg.solve(precision, DESIGN.T / VARIANCE @ TARGET)
    found, degrees_of_freedom = fitted(prior_sd), N - np.trace(hat)
    np.testing.assert_allclose(found.location[0], coefficients, rtol=1e-8)
    np.testing.assert_allclose(
        found.degrees_of_freedom[0], degrees_of_freedom, rtol=1e-8
    )
    np.testing.assert_allclose(
        found.variance_scale[0],
        residual_square(coefficients) / degrees_of_freedom,
        rtol=1e-8,
    )


def test_intervals_are_those_of_the_student_t_distribution():
    found, (coefficients, inverse, square) = fitted(), regression()
    scale, log_weight = scale_mixture(found)
    unused = jnp.zeros(P)
    mixture = GaussianMixture(
        found.location,
        found.covariance,
        found.logits,
        scale,
        log_weight,
        unused,
        unused,
        jnp.zeros(()),
        jnp.zeros(()),
        unused,
    )
    probability = np.array([0.05, 0.25, 0.75, 0.95])
    sd = np.sqrt(square / (N - P) * np.diag(inverse))
    reference = stats.t.ppf(probability[:, None], N - P, coefficients, sd)
    batch = jax.tree.map(lambda leaf: leaf[None], mixture)
    difference = quantiles(batch, jnp.asarray(probability))[:, 0] - reference
    # N instead of N - P degrees of freedom would move the outer ones by 0.4 sd.
    assert np.all(np.abs(difference) < 0.02 * sd)


def test_evidence_is_the_closed_form():
    """∫ N(y; Xβ, σ²h) N(β; 0, prior_sd²) σ⁻² dβ dσ², up to Stirling's formula for Γ."""
    found, (_, inverse, square) = fitted(), regression()
    half = 0.5 * (N - P)
    reference = (
        gammaln(half)
        - half * np.log(0.5 * square)
        - 0.5 * N * np.log(2 * np.pi)
        - 0.5 * np.log(VARIANCE).sum()
        + 0.5 * np.linalg.slogdet(inverse)[1]
        - P * np.log(FLAT)
    )
    stirling = 1 / (12 * half) - 1 / (360 * half**3)
    assert float(found.log_weight[0]) == pytest.approx(reference - stirling, abs=1e-4)
