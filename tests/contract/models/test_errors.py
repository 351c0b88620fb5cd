"""A model refuses data that it cannot use; the message has the remedy."""

import numpy as np
import pytest

from battprob import DataError, Dataset, noise
from battprob.models import BayesianLinear, GaussianProcess
from tests.contract.models import zoo

each_model = pytest.mark.parametrize("name", zoo.MODELS)
X, Y = zoo.numbers()
KINDS = pytest.mark.parametrize("kind", [BayesianLinear, GaussianProcess])


@pytest.mark.parametrize(
    "fields",
    [{"censored": np.arange(zoo.NUM) == 3}, {"y_upper": Y + 1}],
    ids=["censored", "interval"],
)
def test_censored_labels(fields, key):
    data = Dataset(X, Y, **fields)
    with pytest.raises(
        DataError, match=r"GaussianProcess would ignore censored .* bias the fit"
    ):
        GaussianProcess().fit(data, key=key)


@each_model
def test_conditioning_on_censored_labels(name):
    exact = zoo.measured(zoo.MODELS[name])
    flags = np.ones(zoo.NUM)
    later = Dataset(
        X,
        Y,
        noise_variance=exact.noise_variance,
        censored=flags,
        feature_names=zoo.NAMES,
    )
    with pytest.raises(DataError, match="censored or interval"):
        zoo.fitted(name).condition(later)


@KINDS
def test_known_noise_without_measured_variances(kind, key):
    with pytest.raises(DataError, match=r"Known\(\) needs Dataset\(noise_variance"):
        kind(noise=noise.Known() + noise.Constant()).fit(Dataset(X, Y), key=key)


@KINDS
def test_measured_variances_without_known_noise(kind, key):
    data = Dataset(X, Y, noise_variance=np.ones(zoo.NUM))
    with pytest.raises(
        DataError, match=r"would ignore noise_variance .*: add noise.Known\(\) \+"
    ):
        kind().fit(data, key=key)


def test_predict_with_unused_measured_variances():
    with pytest.raises(DataError, match="fitted without noise_variance"):
        zoo.fitted("gp").predict(X, noise_variance=np.ones(zoo.NUM))


@each_model
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[:, :1], r"\[rows, 2\], columns \['rate', 'temperature'\]; got \(20, 1\)"),
        (X[0], r"must be \[rows, 2\].*got \(2,\)"),
        (X[:0], r"must be \[rows, 2\].*got \(0, 2\)"),
        (X * np.array([1.0, np.nan]), "not finite in row 0, column 'temperature'"),
    ],
    ids=["few columns", "no rows axis", "no rows", "nan"],
)
def test_features_of_wrong_shape_or_not_finite(name, x, message, key):
    posterior = zoo.fitted(name)
    with pytest.raises(DataError, match=message):
        posterior.predict(x)
    with pytest.raises(DataError, match=message):
        posterior.sample_functions(x, key=key)


def test_conditioning_on_other_features():
    other = Dataset(X, Y, feature_names=["rate", "pressure"])
    with pytest.raises(DataError, match=r"feature_names is .*temperature.*pressure"):
        zoo.fitted("gp").condition(other)


def test_a_noise_model_of_an_unknown_feature(key):
    head = noise.LogLinear(["pressure"])
    with pytest.raises(DataError, match="no feature 'pressure'; the dataset has"):
        BayesianLinear(head).fit(zoo.measured(BayesianLinear()), key=key)


def test_latent_noise_in_a_linear_model(key):
    with pytest.raises(DataError, match=r"cannot use noise.LatentGP: use .*LogLinear"):
        BayesianLinear(noise.Constant() + noise.LatentGP()).fit(Dataset(X, Y), key=key)
