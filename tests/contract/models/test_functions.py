"""Keys, joint draws, gradients and compilation behave the same in all models."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

from battprob.inference import MAP
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise.base import AbstractNoise
from tests.contract.models import zoo

each_model = pytest.mark.parametrize("name", zoo.MODELS)
X = zoo.numbers()[0]


@each_model
def test_equal_keys_give_equal_results(name, key):
    model = zoo.MODELS[name]
    again = model.fit(zoo.measured(model), key=key)
    one, other = zoo.fitted(name), again
    for a, b in zip(
        zoo.moments(one.predict(X)), zoo.moments(other.predict(X)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(zoo.draws(name), zoo.draw(other, 0))
    assert not np.any(zoo.draws(name) == zoo.draw(one, 1))


@each_model
def test_joint_draws_have_the_moments_of_predict(name):
    pred, draws = zoo.fitted(name).predict(zoo.ROWS), zoo.draws(name)
    error = (draws.mean(0) - pred.mean) / np.sqrt(pred.epistemic / len(draws))
    assert np.all(np.abs(error) < 5)
    np.testing.assert_allclose(draws.var(0), pred.epistemic, rtol=0.07)


@each_model
def test_joint_draws_of_close_rows_are_close(name):
    draws = zoo.draws(name)
    std = draws.std(0)[0]
    assert np.all(np.abs(draws[:, 0] - draws[:, 1]) < 0.2 * std)


@each_model
def test_gradients_are_finite_at_training_rows_and_correct(name):
    posterior = zoo.fitted(name)

    def total(x):
        pred = posterior.predict(x)
        return jnp.stack([pred.mean.sum(), pred.aleatoric.sum(), pred.epistemic.sum()])

    gradients = jax.jit(jax.jacobian(total))
    assert np.all(np.isfinite(gradients(jnp.asarray(X))))
    # Away from training rows, where a rough kernel has no gradient.
    x, step = X + 0.3, 1e-6
    direction = np.random.default_rng(0).normal(size=X.shape)
    difference = total(x + step * direction) - total(x - step * direction)
    expected = jnp.sum(gradients(jnp.asarray(x)) * direction[None], (1, 2))
    np.testing.assert_allclose(expected, difference / (2 * step), rtol=1e-4, atol=1e-6)


class CountingNoise(AbstractNoise):
    """Constant noise that counts how often it is traced."""

    log_variance: jax.Array
    traced: Callable = eqx.field(static=True)

    def bind(self, feature_names):
        return self

    def log_prior(self):
        return norm.logpdf(self.log_variance)

    def variance(self, x, known):
        self.traced()
        return jnp.broadcast_to(jnp.exp(self.log_variance), x.shape[:1])

    def uses_known(self):
        return False


@pytest.mark.parametrize("kind", [BayesianLinear, GaussianProcess])
def test_new_numbers_and_rows_of_one_bucket_need_no_new_trace(kind, key):
    traces = []

    def count():
        traces.append(1)

    def use(seed, num, num_new, start):
        head = CountingNoise(jnp.asarray(start), count)
        model = kind(noise=head, inference=MAP())
        x, y = zoo.numbers(seed, num)
        posterior = model.fit(zoo.dataset(model, x, y), key=key)
        posterior.predict(x[:num_new])
        posterior.condition(zoo.dataset(model, x[:3], y[:3])).predict(x[:num_new])

    use(seed=0, num=zoo.NUM, num_new=8, start=0.0)
    before = len(traces)
    assert before > 0
    use(seed=1, num=zoo.NUM + 1, num_new=7, start=0.1)
    assert len(traces) == before
