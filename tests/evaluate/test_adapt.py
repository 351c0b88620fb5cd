"""Weights of protocols and rows agree with closed forms; undetermined ones raise."""

import jax
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from battprob import DataError, Dataset, Predictive
from battprob.evaluate import (
    OutOfDistribution,
    deployment_bias,
    importance_weights,
    protocol_weights,
)
from battprob.inference import MAP
from battprob.models import BayesianLinear


def test_protocol_weights_maximise_the_likelihood():
    rng = np.random.default_rng(0)
    first = rng.beta(0.3, 0.2, size=60)
    r, prior = np.stack([first, 1 - first], 1), np.array([0.4, 0.6])

    def loss(weight):
        both = np.array([weight, 1 - weight])
        return -np.sum(np.log(r @ (both / prior))) - np.sum(np.log(both))

    best = minimize_scalar(loss, bounds=(0.01, 0.99), options={"xatol": 1e-9}).x
    result = protocol_weights(r, prior)
    assert result.weights[0] == pytest.approx(best, abs=1e-5)
    curvature = (loss(best + 1e-3) + loss(best - 1e-3) - 2 * loss(best)) / 1e-6
    np.testing.assert_allclose(result.error, curvature**-0.5, rtol=1e-3)


def test_cells_without_information_about_the_protocols_raise():
    with pytest.raises(DataError, match=r"no information .* gate that depends on x"):
        protocol_weights(np.full((40, 2), 0.5), [0.5, 0.5])
    with pytest.raises(DataError, match="training weight for each"):
        protocol_weights(np.full((40, 2), 0.5), [1.0])


def test_importance_weights_move_the_mean_to_that_of_new_rows():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(2000, 1))
    new = rng.normal(0.7, 1, size=(2000, 1))
    result = importance_weights(reference, new)
    mean, error = result.average(reference[:, 0])
    assert mean == pytest.approx(0.7, abs=4 * error)
    # exp(0.49): the second moment of the ratio of two normal densities 0.7 apart.
    assert result.effective_size / 2000 == pytest.approx(np.exp(-0.49), abs=0.08)
    with pytest.raises(DataError, match="lie outside the training rows"):
        importance_weights(reference[:100], new[:100] + 5)


def test_bias_and_coverage_of_the_average_agree_with_a_hand_calculation():
    location = np.array([[[0.0, 0.0], [4.0, 2.0]]])
    log_weight = np.log([[[0.25, 0.25], [0.75, 0.75]]])
    pred = Predictive(location, 1.0, 0.0, log_weight)
    result = deployment_bias(pred)
    np.testing.assert_allclose(result.bias, [[3.0, 1.5], [-1.0, -0.5]])
    low, high = pred.interval(0.9)
    expected = Predictive.gaussian(np.zeros(2), 1.0)
    np.testing.assert_allclose(
        result.coverage[0], expected.cdf(high) - expected.cdf(low), rtol=1e-6
    )
    with pytest.raises(DataError, match="only one component"):
        deployment_bias(Predictive.gaussian(np.zeros(2), 1.0))


def test_detector_flags_few_exchangeable_cells_and_most_distant_cells():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    data = Dataset(x, x[:, 0] + 0.3 * rng.normal(size=60))
    key = jax.random.key(0)
    detector = OutOfDistribution().fit(BayesianLinear(), data, key=key, progress=False)
    similar = detector.check(rng.normal(size=(400, 2)))
    assert similar.flagged.mean() <= 0.14
    assert similar.flagged.mean() > 0.01
    distant = detector.check(rng.normal(4, 1, size=(50, 2)))
    assert distant.flagged.mean() > 0.9
    assert np.all(distant.epistemic.mean() > similar.epistemic.mean())
    with pytest.raises(DataError, match="needs 19 or more cells"):
        OutOfDistribution().fit(BayesianLinear(), data.take(np.arange(10)), key=key)


def test_conditioning_on_a_few_cells_of_a_new_batch_estimates_its_offset():
    """The offset is the mean residual, shrunk according to the variance between batches."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), 6)
    offset = rng.normal(size=9)
    x = rng.normal(size=48)
    y = 2 * x + offset[groups] + 0.2 * rng.normal(size=48)
    data = Dataset(x, y, groups=[f"b{g}" for g in groups])
    key = jax.random.key(0)
    model = BayesianLinear(random_effects=True, inference=MAP(num_starts=1))
    posterior = model.fit(data, key=key)
    before = posterior.predict([0.0], groups=["new"])
    fresh = Dataset([0.5, -0.5, 0.1], [4.0, 2.0, 3.2], groups=["new"] * 3)
    after = posterior.condition(fresh).predict([0.0], groups=["new"])
    assert after.mean[0] == pytest.approx(3.0, abs=0.3)
    assert after.std[0] < 0.5 * before.std[0]
    assert after.between[0] == pytest.approx(0, abs=1e-12)
