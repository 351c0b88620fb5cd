"""Censored and interval labels enter the likelihood by the probability of their bounds.

Integrated over the true label, the joint density must be the density of the exact labels
times the conditional probability of the bounds, which dense Gaussian algebra gives.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_normal, norm

from battprob import DataError, Dataset, transforms
from battprob.inference import Laplace
from battprob.models import BayesianLinear
from battprob.models._scaling import prepare, standardise
from battprob.models.linear._censored_labels import (
    censored_labels,
    is_censored,
    scaling_of_true_labels,
)
from battprob.models.linear._density import LinearParameters, log_joint
from battprob.models.linear._rows import linear_rows
from battprob.noise import Constant
from battprob.priors import Ridge

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 2))
Y = X[:, 0] + 0.3 * RNG.normal(size=8)
KINDS = {
    "lower bound": {"censored": np.eye(8)[3]},
    "upper bound": {"censored": -np.eye(8)[3]},
    "interval": {"y_upper": Y + 0.7 * np.eye(8)[3]},
}


def _expected(kind, y, upper):
    """Log density of the exact labels and probability of the bounds, standardised."""
    z = (X - X.mean(0)) / X.std(0)
    covariance = 1 + z @ z.T / 2 + np.exp(-2.0) * np.eye(8)
    exact = np.arange(8) != 3
    gain = np.linalg.solve(covariance[np.ix_(exact, exact)], covariance[exact, 3])
    mean, sd = gain @ y[exact], (covariance[3, 3] - gain @ covariance[exact, 3]) ** 0.5
    low, high = norm.cdf([(y[3] - mean) / sd, (upper[3] - mean) / sd])
    density = multivariate_normal(np.zeros(7), covariance[np.ix_(exact, exact)])
    mass = {"lower bound": 1 - low, "upper bound": low, "interval": high - low}
    return density.logpdf(y[exact]) + np.log(mass[kind])


@functools.cache
def _log_densities():
    @jax.jit
    def joint(values, rows):
        def one(z):
            parameters = LinearParameters(
                Ridge().bind(["a", "b"], 8),
                Constant(),
                None,
                jnp.zeros(8).at[0].set(z),
            )
            prior = parameters.prior.log_prior() + parameters.noise.log_prior()
            return log_joint(parameters, rows) - prior

        return jax.vmap(one)(values)

    return joint


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_of_bounds(kind):
    data = Dataset(X, Y, **KINDS[kind])
    scaling, standard = prepare(data, Constant(), row_parameters=True)
    labels = censored_labels(data, scaling)
    codes = jnp.zeros(8, jnp.int32)
    rows = linear_rows(standard, codes, None, 0, labels, Constant())
    z = np.linspace(-8, 8, 2001)
    log_density = np.asarray(_log_densities()(jnp.asarray(z), rows))
    padding = 7 * norm.logpdf(0.0)  # the labels are padded to eight
    integral = np.log(integrate.trapezoid(np.exp(log_density - padding), z))
    upper = (KINDS[kind].get("y_upper", Y) - Y.mean()) / Y.std()
    expected = _expected(kind, (Y - Y.mean()) / Y.std(), upper)
    assert integral == pytest.approx(expected, rel=1e-5)


def test_true_labels_are_within_their_bounds():
    flags = np.array([1, -1, 0, 0, 0, 0, 0, 0])
    upper = Y + np.array([0, 0, 0.5, 0, 0, 0, 0, 0])
    data = Dataset(X, Y, censored=flags, y_upper=upper)
    scaling, standard = prepare(data, Constant(), row_parameters=True)
    labels = censored_labels(data, scaling)
    for z in (-6.0, 0.0, 6.0):
        filled, _ = labels.fill(standard.y, jnp.full(8, z))
        filled = np.asarray(filled) * Y.std() + Y.mean()
        assert filled[0] >= Y[0]
        assert filled[1] <= Y[1]
        assert Y[2] <= filled[2] <= upper[2]
        np.testing.assert_allclose(filled[3:], Y[3:])
    assert is_censored(data).tolist() == [True] * 3 + [False] * 5


def test_scaling_is_that_of_the_true_labels():
    rng = np.random.default_rng(1)
    life = np.exp(6 + 0.5 * rng.normal(size=400))
    stop = np.exp(6.0)
    data = Dataset(
        rng.normal(size=400),
        np.minimum(life, stop),
        censored=life > stop,
        transform=transforms.Log(),
    )
    scaling, _ = prepare(data, Constant(), row_parameters=True)
    assert scaling.y_scale < 0.35
    scaling = scaling_of_true_labels(data, scaling)
    assert scaling.y_mean == pytest.approx(6.0, abs=0.08)
    assert scaling.y_scale == pytest.approx(0.5, abs=0.08)


def test_posterior_is_conditioned_on_exact_labels_only(key):
    data = Dataset(X, Y, **KINDS["lower bound"])
    posterior = BayesianLinear(inference=Laplace(4)).fit(data, key=key)
    with pytest.raises(DataError, match=r"censored or interval .* fit to all rows"):
        posterior.condition(data)
    conditioned = posterior.condition(Dataset(X, Y))
    assert np.all(conditioned.predict(X).epistemic < posterior.predict(X).epistemic)
    with pytest.raises(DataError, match="evidence of censored labels"):
        _ = posterior.log_evidence


def test_standardise_refuses_labels_that_a_model_cannot_use():
    data = Dataset(X, Y, **KINDS["interval"])
    scaling, _ = prepare(data, Constant(), row_parameters=True)
    with pytest.raises(DataError, match="censored or interval"):
        standardise(data, scaling)
