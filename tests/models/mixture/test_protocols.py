"""Predictions for known, mixed and new protocols, and the identification of protocols."""

import jax
import numpy as np
import pytest

from battprob import DataError
from tests.models.mixture.problems import fitted, simulated


def test_variances_agree_with_draws():
    x = simulated(seed=1)[0][:8]
    pred = fitted().predict(x)
    draws = np.asarray(pred.sample(key=jax.random.key(1), num=40_000))
    total = pred.within + pred.between + pred.epistemic
    np.testing.assert_allclose(draws.var(0), total, rtol=0.05)
    means = np.stack([fitted().predict(x, protocol=k).mean for k in (0, 1)])
    probability = fitted().protocol_probabilities(x).T
    mean = (probability * means).sum(0)
    np.testing.assert_allclose(pred.mean, mean, rtol=0.02, atol=0.02)


def test_known_and_mixed_protocols():
    x = simulated(seed=1)[0][:6]
    mixed = fitted().predict(x, protocol_weights=[0.1, 0.9])
    means = [fitted().predict(x, protocol=k).mean for k in (0, 1)]
    np.testing.assert_allclose(mixed.mean, 0.1 * means[0] + 0.9 * means[1])
    by_row = fitted().predict(x, protocol=np.array([0, 1, -1, 0, 1, -1]))
    expected = [means[0][0], means[1][1], fitted().predict(x).mean[2]]
    np.testing.assert_allclose(by_row.mean[:3], expected)


def test_new_protocol_has_the_prior_of_protocols():
    x = simulated(seed=1)[0][:6]
    new = fitted().predict(x, protocol="new")
    assert np.all(new.between == 0)
    assert np.all(new.epistemic > 10 * fitted().predict(x).epistemic)
    same = fitted().predict(x, protocol_weights=[0.0, 0.0, 1.0])
    np.testing.assert_allclose(same.std, new.std)


def test_rows_and_cells_are_assigned_to_their_protocols():
    x, u, y = simulated(seed=2)
    responsibilities = np.asarray(fitted().responsibilities(x, y))
    assert np.mean(responsibilities.argmax(1) == u) > 0.95
    np.testing.assert_allclose(responsibilities.sum(1), 1)
    cell = np.flatnonzero(u == 1)[:5]
    assert fitted().identify(x[cell], y[cell])[1] > 0.99
    # Targets between both functions: a protocol that is not in the training data.
    weights = [0.4, 0.4, 0.2]
    between = fitted().identify(x[:3], [2.5, 2.4, 2.6], protocol_weights=weights)
    assert between.shape == (3,)
    assert between[2] > 0.9


def test_identification_from_one_row_is_its_responsibility():
    x, _, _ = simulated(seed=3)
    one = fitted().identify(x[:1], [2.4])
    expected = fitted().responsibilities(x[:1], [2.4])[0]
    np.testing.assert_allclose(one, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [(2, "between 0 and 1"), ("old", 'number or "new"'), (0.5, "whole number")],
)
def test_unknown_protocols_are_refused(protocol, message):
    with pytest.raises(DataError, match=message):
        fitted().predict(simulated()[0], protocol=protocol)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "2 numbers, or 3"),
        ([0.5, 0.9], "sum to 1.4"),
        ([-0.5, 1.5], "not negative"),
    ],
)
def test_weights_that_are_no_probabilities_are_refused(weights, message):
    with pytest.raises(DataError, match=message):
        fitted().predict(simulated()[0], protocol_weights=weights)


def test_protocol_and_weights_together_are_refused():
    with pytest.raises(DataError, match="not both"):
        fitted().predict(simulated()[0], protocol=0, protocol_weights=[1.0, 0.0])


def test_targets_that_are_not_finite_are_refused():
    x, _, y = simulated()
    y[4] = np.nan
    with pytest.raises(DataError, match=r"each of 60 rows; .*1 of them not finite"):
        fitted().responsibilities(x, y)
