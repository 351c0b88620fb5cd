"""Fits of data with little information have finite, positive variances."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Dataset, PrecisionWarning
from battprob.inference import MAP
from battprob.kernels import RBF
from battprob.models import BayesianLinear, GaussianProcess
from tests.contract.models import zoo

X, Y = zoo.numbers()
LINE = np.stack([X[:, 0], 2 * X[:, 0] + 1], axis=1)
TWICE_EIGHT = [0] * 8 + [1] * 8  # with more rows, the distinct ones have a bucket of 8
POOR = {
    "one row": (X[:1], Y[:1]),
    "one row at zero": (X[:1], np.zeros(1)),
    "duplicate rows": (X[TWICE_EIGHT], Y[TWICE_EIGHT]),
    "duplicate rows that disagree": (X[TWICE_EIGHT], Y[:16]),
    "constant target": (X, np.full(zoo.NUM, 300.0)),
    "constant column": (X * np.array([1.0, 0.0]) + np.array([0.0, 25.0]), Y),
    "collinear columns": (LINE, Y),
    "no noise": (X, 3 * X[:, 0] - X[:, 1]),
}


def _require_sound(predictive):
    for values in zoo.moments(predictive):
        assert np.all(np.isfinite(values))
    assert np.all(predictive.aleatoric > 0)
    assert np.all(predictive.epistemic > 0)


# All kinds of data for five models that differ in function, noise and fit. The others combine
# parts of these; for them, the least data and data of noise alone suffice. Each combination
# is a fit, and all of them are too slow for the default suite.
ALL_KINDS = ("linear", "gp", "gp_latent", "mixture", "gp_inducing_points")
FEW_KINDS = ("one row", "duplicate rows that disagree")
CASES = [
    (name, poor)
    for name in zoo.MODELS
    for poor in (POOR if name in ALL_KINDS else FEW_KINDS)
]


@pytest.mark.parametrize(("name", "poor"), CASES)
def test_poor_data(name, poor, key):
    model = zoo.MODELS[name]
    # Padded to the bucket of the other tests, so that nothing is compiled again.
    posterior = model.fit(zoo.dataset(model, *POOR[poor]).padded(32), key=key)
    _require_sound(posterior.predict(X))
    assert np.isfinite(posterior.log_evidence)


@pytest.mark.parametrize("scale", [1e-6, 500.0])
@pytest.mark.parametrize("name", ["linear", "gp", "gp_log_linear", "gp_laplace"])
def test_variance_of_one_row_scales_with_its_target(name, scale, key):
    model = zoo.MODELS[name]
    data = zoo.dataset(model, X[:1], scale * np.ones(1))
    pred = model.fit(data.padded(32), key=key).predict(X[:1])
    assert pred.mean[0] == pytest.approx(scale)
    assert 0.1 * scale < pred.std[0] < 10 * scale


def test_more_features_than_rows(key):
    x = np.random.default_rng(0).normal(size=(5, 12))
    for model in (BayesianLinear(inference=MAP()), GaussianProcess()):
        posterior = model.fit(Dataset(x, 3 * x[:, 0]), key=key)
        _require_sound(posterior.predict(x))
        assert np.all(np.isfinite(posterior.sample_functions(x, key=key, num=3)))


@pytest.mark.parametrize("kind", [BayesianLinear, partial(GaussianProcess, RBF())])
def test_single_precision_warns_and_fits_smooth_data_without_noise(
    kind, single_precision, key
):
    del single_precision
    x = np.linspace(-1, 1, 100)
    y = x if kind is BayesianLinear else np.sin(3 * x)
    with pytest.warns(PrecisionWarning, match=r"battprob.enable_x64\(\)"):
        posterior = kind(inference=MAP()).fit(Dataset(x, y), key=key)
    pred = posterior.predict(x)
    assert pred.mean.dtype == jnp.float32
    _require_sound(pred)
    np.testing.assert_allclose(pred.mean, y, atol=0.01)
    assert np.all(np.isfinite(posterior.sample_functions(x, key=key, num=3)))
