"""MAP returns the highest of several modes and a report, and raises without a mode."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from battprob import FitError
from battprob.inference import MAP
from battprob.inference import map as map_module
from battprob.inference.report import FitReport


def _two_modes(parameters, data):
    """A wide mode at the start, and a higher one two units away."""
    x = parameters["x"]
    low = -0.5 * jnp.sum(x**2)
    high = data - 2.0 * jnp.sum((x - 2.0) ** 2)
    return jnp.logaddexp(low, high)


def _regression(parameters, data):
    x, y = data
    slope, log_scale = parameters
    residual = (y - slope * x) / jnp.exp(log_scale)
    return -0.5 * jnp.sum(residual**2) - y.size * log_scale - 0.5 * slope**2


def _nan(parameters, data):
    return jnp.nan * parameters


def _bounded(parameters, data):
    """Finite for parameters above 2 only; most starts are below."""
    inside = parameters > 2.0
    safe = jnp.where(inside, parameters, 3.0)
    return jnp.where(inside, -((safe - data) ** 2), -jnp.inf)


ORIGIN = {"x": jnp.zeros(2)}


def test_one_start_finds_the_near_mode_and_several_the_higher_one(key):
    alone, _ = MAP(num_starts=1).run(_two_modes, ORIGIN, jnp.asarray(4.0), key=key)
    best, report = MAP(num_starts=8).run(_two_modes, ORIGIN, jnp.asarray(4.0), key=key)
    np.testing.assert_allclose(alone["x"], np.zeros((1, 2)), atol=0.02)
    np.testing.assert_allclose(best["x"], np.full((1, 2), 2.0), atol=0.02)
    assert report.converged


def test_mode_of_a_regression_is_the_closed_form(key):
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    y = 1.5 * x + 0.3 * rng.normal(size=30)
    start = (jnp.asarray(0.0), jnp.asarray(0.0))
    data = (jnp.asarray(x), jnp.asarray(y))
    (slope, log_scale), report = MAP().run(_regression, start, data, key=key)
    variance = float(jnp.exp(2 * log_scale[0]))
    np.testing.assert_allclose(slope[0], x @ y / (x @ x + variance), atol=1e-4)
    expected = np.mean((y - float(slope[0]) * x) ** 2)
    np.testing.assert_allclose(variance, expected, rtol=1e-3)
    assert isinstance(report, FitReport)
    assert report.steps > 4
    assert report.seconds_run >= 0
    assert "mode found, largest gradient" in report.message


def test_other_starts_replace_one_without_a_finite_density(key):
    outside = jnp.asarray(1.5)
    best, report = MAP(num_starts=16).run(_bounded, outside, jnp.asarray(4.0), key=key)
    np.testing.assert_allclose(best, [4.0], atol=1e-3)
    assert report.converged


def test_starts_are_compared_on_the_pilot_and_the_best_continues_on_all_data(key):
    # The far mode is the higher one only in the pilot: without it, it is not found.
    best, report = MAP(num_starts=8).run(
        _two_modes, ORIGIN, jnp.asarray(-2.0), key=key, pilot=jnp.asarray(4.0)
    )
    np.testing.assert_allclose(best["x"], np.full((1, 2), 2.0), atol=0.2)
    assert report.converged
    lower, _ = MAP(num_starts=8).run(_two_modes, ORIGIN, jnp.asarray(-2.0), key=key)
    np.testing.assert_allclose(lower["x"], np.zeros((1, 2)), atol=0.02)


def test_no_finite_start_fails_with_a_report(key):
    with pytest.raises(FitError, match="no start reached a finite density") as caught:
        MAP().run(_nan, jnp.asarray(0.0), jnp.asarray(0.0), key=key)
    report = caught.value.report
    assert isinstance(report, FitReport)
    assert not report.converged
    assert report.steps == 4


def test_a_stop_before_convergence_is_reported(key):
    start = (jnp.asarray(0.0), jnp.asarray(3.0))
    data = (jnp.arange(5.0), jnp.arange(5.0) ** 2)
    _, report = MAP(max_steps=2).run(_regression, start, data, key=key)
    assert not report.converged
    assert report.message.startswith("stopped before the mode, largest gradient")


def test_the_same_key_gives_the_same_mode_and_another_key_other_starts(key):
    data = jnp.asarray(4.0)
    modes = [
        MAP(num_starts=3).run(_two_modes, ORIGIN, data, key=k)[0]["x"]
        for k in (key, key, jax.random.key(7))
    ]
    np.testing.assert_array_equal(modes[0], modes[1])
    assert not np.array_equal(modes[0], modes[2])


def test_new_numbers_reuse_the_compiled_program(key, monkeypatch):
    inside = map_module._best_of_starts.__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(map_module, "_best_of_starts", guarded)
    for number in (1.0, 2.0, 3.0):
        start = {"x": jnp.asarray(np.full(2, number))}
        MAP().run(
            _two_modes, start, jnp.asarray(number), key=jax.random.key(int(number))
        )
    model = MAP(max_steps=100)  # a number of steps is no shape
    _, report = model.run(_two_modes, ORIGIN, jnp.asarray(1.0), key=key)
    assert report.seconds_compile == 0.0
