"""A label known by a bound or an interval counts by the probability of what is known.

Integrated over the hidden label, the joint density must be N(exact labels) times the
probability of the bounds given these, which dense Gaussian algebra gives.
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
from battprob.models.linear import _rows as parts
from battprob.models.linear._hidden_labels import (
    find_hidden_labels,
    is_hidden,
    scaled_beyond_bounds,
)
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
    """Log density of what is known, of standardised numbers."""
    z = (X - X.mean(0)) / X.std(0)
    covariance = 1 + z @ z.T / 2 + np.exp(-2.0) * np.eye(8)
    known = np.arange(8) != 3
    gain = np.linalg.solve(covariance[np.ix_(known, known)], covariance[known, 3])
    mean, sd = gain @ y[known], (covariance[3, 3] - gain @ covariance[known, 3]) ** 0.5
    below, above = norm.cdf([(y[3] - mean) / sd, (upper[3] - mean) / sd])
    law = multivariate_normal(np.zeros(7), covariance[np.ix_(known, known)])
    mass = {"lower bound": 1 - below, "upper bound": below, "interval": above - below}
    return law.logpdf(y[known]) + np.log(mass[kind])


@functools.cache
def _integrand():
    @jax.jit
    def joint(position, rows):
        def at(value):
            start = parts.LinearParameters(
                Ridge().bind(["a", "b"], 8),
                Constant(),
                None,
                jnp.zeros(8).at[0].set(value),
            )
            prior = start.prior.log_prior() + start.noise.log_prior()
            return parts.log_joint(start, rows) - prior

        return jax.vmap(at)(position)

    return joint


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_is_the_probability_of_what_is_known(kind):
    data = Dataset(X, Y, **KINDS[kind])
    scaling, standard = prepare(data, Constant(), row_parameters=True)
    hidden = find_hidden_labels(data, scaling)
    codes = jnp.zeros(8, jnp.int32)
    rows = parts.linear_rows(standard, codes, None, 0, hidden, Constant())
    position = np.linspace(-8, 8, 2001)
    log_density = np.asarray(_integrand()(jnp.asarray(position), rows))
    padding = 7 * norm.logpdf(0.0)  # hidden labels are padded to eight
    found = np.log(integrate.trapezoid(np.exp(log_density - padding), position))
    upper = (KINDS[kind].get("y_upper", Y) - Y.mean()) / Y.std()
    expected = _expected(kind, (Y - Y.mean()) / Y.std(), upper)
    assert found == pytest.approx(expected, rel=1e-5)


def test_draws_stay_where_the_label_is_known_to_be():
    flags = np.array([1, -1, 0, 0, 0, 0, 0, 0])
    upper = Y + np.array([0, 0, 0.5, 0, 0, 0, 0, 0])
    data = Dataset(X, Y, censored=flags, y_upper=upper)
    scaling, standard = prepare(data, Constant(), row_parameters=True)
    hidden = find_hidden_labels(data, scaling)
    for value in (-6.0, 0.0, 6.0):
        filled, _ = hidden.fill(standard.y, jnp.full(8, value))
        filled = np.asarray(filled) * Y.std() + Y.mean()
        assert filled[0] >= Y[0]
        assert filled[1] <= Y[1]
        assert Y[2] <= filled[2] <= upper[2]
        np.testing.assert_allclose(filled[3:], Y[3:])
    assert is_hidden(data).tolist() == [True] * 3 + [False] * 5


def test_the_scale_is_that_of_the_labels_and_not_of_their_bounds():
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
    scaling = scaled_beyond_bounds(data, scaling)
    assert scaling.y_mean == pytest.approx(6.0, abs=0.08)
    assert scaling.y_scale == pytest.approx(0.5, abs=0.08)


def test_rows_taken_in_later_must_be_exact(key):
    data = Dataset(X, Y, **KINDS["lower bound"])
    posterior = BayesianLinear(inference=Laplace(4)).fit(data, key=key)
    with pytest.raises(DataError, match=r"censored or interval .* fit to all rows"):
        posterior.condition(data)
    grown = posterior.condition(Dataset(X, Y))
    assert np.all(grown.predict(X).epistemic < posterior.predict(X).epistemic)
    with pytest.raises(DataError, match="evidence of censored labels"):
        _ = posterior.log_evidence


def test_standardise_still_refuses_what_a_model_cannot_take():
    data = Dataset(X, Y, **KINDS["interval"])
    scaling, _ = prepare(data, Constant(), row_parameters=True)
    with pytest.raises(DataError, match="censored or interval"):
        standardise(data, scaling)
