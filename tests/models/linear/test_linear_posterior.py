"""Coefficients and inclusion probabilities agree with the posterior of the weights."""

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import ElasticNet, Lasso

import battprob as bp
from battprob import Dataset, priors, transforms
from battprob.inference import NUTS
from battprob.models import BayesianLinear
from tests.models.gaussian import fixed, standardised

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2)) * np.array([1.0, 5.0]) + np.array([3.0, 100.0])
Y = 300 + 40 * X[:, 0] - 2 * X[:, 1] + 10 * RNG.normal(size=20)
NAMES = ["rate", "temperature"]


@pytest.fixture(scope="module")
def posterior():
    units = ["1/h", "K"]
    return fixed(BayesianLinear(), X, Y, feature_names=NAMES, feature_units=units)


def _weights():
    """Posterior mean and covariance of standardised weights, written out."""
    z = standardised(X)
    precision = 2 * np.eye(2) + z.T @ z / np.exp(-2.0)
    covariance = np.linalg.inv(precision)
    return covariance @ z.T @ standardised(Y) / np.exp(-2.0), covariance


def test_coefficients_are_slopes_per_unit_of_the_feature(posterior):
    mean, covariance = _weights()
    unit = Y.std() / X.std(0)
    table = posterior.coefficients
    np.testing.assert_allclose(table.mean[1:], mean * unit)
    np.testing.assert_allclose(table.sd[1:], np.diag(covariance) ** 0.5 * unit)
    np.testing.assert_allclose(table.low, table.mean + norm.ppf(0.05) * table.sd)
    np.testing.assert_allclose(table.high, table.mean + norm.ppf(0.95) * table.sd)
    line = posterior.predict(np.zeros((1, 2)))
    np.testing.assert_allclose(table.mean[0], line.mean[0])
    np.testing.assert_allclose(table.sd[0], line.epistemic[0] ** 0.5)


def test_coefficients_are_a_table(posterior):
    table = posterior.coefficients
    frame = table.to_dataframe()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.index) == ["intercept", *NAMES]
    assert frame.loc["rate", "mean"] == table.mean[1]
    lines = repr(table).splitlines()
    assert lines[0].split() == ["coefficient", "mean", "sd", "5", "%", "95", "%"]
    assert lines[3].split()[:2] == ["temperature", "1/K"]


def test_inclusion_is_the_probability_of_a_larger_effect(posterior):
    mean, covariance = _weights()
    mean, sd = mean * Y.std(), np.diag(covariance) ** 0.5 * Y.std()
    expected = norm.cdf((-10 - mean) / sd) + norm.sf((10 - mean) / sd)
    inclusion = posterior.inclusion(10.0)
    assert list(inclusion) == NAMES
    np.testing.assert_allclose(list(inclusion.values()), expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["lasso", "elastic net"])
def test_posterior_mode_is_the_penalised_estimate_of_scikit_learn(kind):
    """Assert that EM over the scales of the prior converges to the estimate of the peer.

    The M step needs E[1/s² | w], which is computed from the scale mixture by quadrature;
    no formula of the penalty enters.
    """
    z = np.linspace(-9, 9, 6001)
    rng = np.random.default_rng(2)
    x = standardised(rng.normal(size=(30, 3)))
    y = standardised(x @ [1.0, -0.3, 0.02] + 0.5 * rng.normal(size=30))
    noise = 1.0
    prior = priors.Lasso() if kind == "lasso" else priors.ElasticNet()
    prior = prior.bind(["a", "b", "c"], 30)
    scales = jax.vmap(
        lambda z: eqx.tree_at(lambda p: p.z_variance, prior, z).scales()[0]
    )
    variance = np.asarray(scales(np.tile(z[:, None], 3))) ** 2
    log_mixing = norm.logpdf(z) - 0.5 * np.log(variance)
    weights = np.full(3, 0.5)
    for _ in range(600):
        log_posterior = log_mixing - 0.5 * weights[:, None] ** 2 / variance
        mass = np.exp(log_posterior - log_posterior.max(1, keepdims=True))
        precision = (mass / variance).sum(1) / mass.sum(1)
        weights = np.linalg.solve(x.T @ x / noise + np.diag(precision), x.T @ y / noise)
    if kind == "lasso":
        rate = (2 * 3) ** 0.5  # E v = 2/λ² = 1/3
        peer = Lasso(alpha=rate * noise / 30, tol=1e-12, fit_intercept=False)
    else:
        hazard = norm.pdf(1.0) / norm.sf(1.0)
        scale = (1 / 3 / (2 - hazard)) ** 0.5  # a = 1
        first, second = 1 / scale, 1 / scale**2
        alpha = (first + second) * noise / 30
        peer = ElasticNet(
            alpha=alpha,
            l1_ratio=first / (first + second),
            tol=1e-12,
            fit_intercept=False,
        )
    expected = peer.fit(x, y).coef_
    np.testing.assert_allclose(weights, expected, atol=2e-3)
    assert abs(expected[2]) < 0.05 < abs(expected[1])


def test_horseshoe_groups_noise_model_and_censored_labels_together(key):
    """Assert that one fit by the sampler recovers the effects and the censored lives."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 4))
    names = ["temperature_c", "rate_c", "width_v", "loading"]
    batch = np.repeat(["A", "B", "C"], 8)
    life = np.exp(
        6.5 + 0.4 * x[:, 0] + 0.2 * (batch == "B") + 0.1 * rng.normal(size=24)
    )
    flags, y = life > 900, np.minimum(life, 900)
    model = bp.models.BayesianLinear(
        prior=bp.priors.Horseshoe(),
        noise=bp.noise.LogLinear(["temperature_c"]),
        random_effects=True,
        inference=NUTS(num_samples=200, num_warmup=200),
    )
    posterior = model.fit(
        Dataset(
            x,
            y,
            groups=batch,
            censored=flags,
            feature_names=names,
            transform=transforms.Log(),
        ),
        key=key,
    )
    pred = posterior.predict(x, groups=batch)
    new = posterior.predict(x[:4], groups=["Z", None, "A", "B"])
    assert np.all(new.between[:2] > 0)
    assert np.all(new.between[2:] < 1e-9 * new.variance[2:])
    # Lives of cells whose test was stopped at 900 cycles.
    censored = np.flatnonzero(flags)
    assert np.all(pred.mean[censored] > 850)
    assert abs(np.log(pred.quantile(0.5) / life)[censored]).mean() < 0.25
    inclusion = posterior.inclusion(0.05)
    assert inclusion["temperature_c"] > 0.99
    assert max(list(inclusion.values())[1:]) < 0.6
    assert posterior.report.divergences < 10
    assert posterior.coefficients.names[1] == "temperature_c"
