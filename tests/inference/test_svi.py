"""SVI finds a Gaussian posterior and its evidence, and reports if it has not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import FitError
from battprob.inference import MAP, SVI

MEAN = np.array([1.0, -2.0, 0.5])
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 0.8, -0.2], [0.0, -0.2, 0.3]])
START = {"a": jnp.zeros(2), "b": jnp.zeros(())}
LOG_MASS = 1.7  # log evidence: the density is not normalised


def _gaussian(parameters, precision):
    vector = jnp.append(parameters["a"], parameters["b"]) - jnp.asarray(MEAN)
    log_det = jnp.linalg.slogdet(precision)[1]
    constant = 0.5 * log_det - 1.5 * jnp.log(2 * jnp.pi) + LOG_MASS
    return -0.5 * vector @ precision @ vector + constant


def _infinite(parameters, _):
    return -jnp.inf * jnp.sum(parameters["a"] ** 2)


@pytest.fixture(scope="module")
def fit():
    precision = jnp.asarray(np.linalg.inv(COVARIANCE))
    svi = SVI(num_draws=2000, num_samples=4, progress=False)
    return svi.run(_gaussian, START, precision, key=jax.random.key(0))


def test_moments_are_those_of_the_density(fit):
    draws = np.column_stack([fit[0]["a"], fit[0]["b"]])
    assert draws.shape == (2000, 3)
    np.testing.assert_allclose(draws.mean(0), MEAN, atol=0.01)
    np.testing.assert_allclose(np.cov(draws.T), COVARIANCE, atol=0.1)


def test_the_bound_equals_the_evidence(fit):
    report = fit[1]
    assert report.converged
    bound = float(report.message.split()[2].rstrip(","))
    assert bound == pytest.approx(LOG_MASS, abs=0.03)


def test_too_few_steps_are_reported(key):
    precision = jnp.asarray(np.linalg.inv(1e-4 * COVARIANCE))
    svi = SVI(num_steps=300, num_samples=4, mode=MAP(1, 1), progress=False)
    assert not svi.run(_gaussian, START, precision, key=key)[1].converged


def test_densities_without_finite_values_and_odd_numbers_of_draws_are_refused(key):
    with pytest.raises(FitError):
        SVI(progress=False).run(_infinite, START, jnp.zeros(()), key=key)
    with pytest.raises(ValueError, match="even and positive; got 3"):
        SVI(num_draws=3)
