"""Laplace draws have the mode as mean and the inverse Hessian as covariance."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import FitError
from battprob.inference import MAP, Laplace
from battprob.inference import laplace as laplace_module

PRECISION = np.array([[4.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
MEAN = np.array([1.0, -2.0, 0.5])
START = (jnp.zeros(2), jnp.zeros(()))


def _gaussian(parameters, precision):
    vector = jnp.append(*parameters)
    return -0.5 * (vector - MEAN) @ (precision @ (vector - MEAN))


def _flat_top(parameters, data):
    """Curvature zero at its mode: a flat direction."""
    return -(parameters**4) * data


def _cusp(parameters, data):
    """Continuous slope and infinite curvature at the mode."""
    return -data * jnp.abs(parameters) ** 1.5


def _flat(draws):
    pair, single = draws
    return np.concatenate([pair, single[:, None]], axis=1)


def test_moments_of_the_draws(key):
    many = Laplace(num_draws=40_000)
    draws, report = many.run(_gaussian, START, jnp.asarray(PRECISION), key=key)
    flat = _flat(draws)
    assert flat.shape == (40_000, 3)
    covariance = np.linalg.inv(PRECISION)
    np.testing.assert_allclose(flat.mean(0), MEAN, atol=1e-3)
    error = (
        5
        * np.sqrt(2 / len(flat))
        * np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    )
    assert np.all(np.abs(np.cov(flat.T) - covariance) < error)
    assert report.converged


def test_draws_are_symmetric_about_the_mode(key):
    precision = jnp.asarray(PRECISION)
    key_mode, _ = jax.random.split(key)
    mode, _ = MAP().run(_gaussian, START, precision, key=key_mode)
    draws, _ = Laplace(num_draws=6).run(_gaussian, START, precision, key=key)
    flat = _flat(draws)
    expected = np.broadcast_to(_flat(mode), (3, 3))
    np.testing.assert_allclose((flat[:3] + flat[3:]) / 2, expected, rtol=1e-9)


def test_the_standard_deviation_in_a_flat_direction_is_that_of_the_widest_prior(key):
    draws, _ = Laplace(num_draws=2000).run(
        _flat_top, jnp.asarray(0.0), jnp.asarray(1.0), key=key
    )
    assert np.std(draws) == pytest.approx(3.0, rel=0.1)


def test_a_mode_without_curvature_is_refused(key):
    with pytest.raises(FitError, match="no finite curvature at its mode") as caught:
        Laplace(mode=MAP(num_starts=1)).run(
            _cusp, jnp.asarray(0.0), jnp.asarray(1.0), key=key
        )
    assert caught.value.report is not None


def test_the_same_key_gives_the_same_draws(key):
    runs = [
        _flat(Laplace(8).run(_gaussian, START, jnp.asarray(PRECISION), key=k)[0])
        for k in (key, key, jax.random.key(5))
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.any(runs[0] == runs[2])


def test_new_numbers_reuse_the_compiled_program(monkeypatch):
    inside = laplace_module.gaussian_draws.__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(laplace_module, "gaussian_draws", guarded)
    for scale in (1.0, 2.0, 3.0):
        data = jnp.asarray(scale * PRECISION)
        Laplace(8).run(_gaussian, START, data, key=jax.random.key(int(scale)))


def test_odd_numbers_of_draws_are_refused():
    with pytest.raises(ValueError, match="num_draws must be even and positive; got 7"):
        Laplace(num_draws=7)
