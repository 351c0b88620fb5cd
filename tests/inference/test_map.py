"""MAP answers the highest of several modes, reports how, and fails aloud."""

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
    """A broad mode at the start, and a higher one a unit or two away."""
    x = parameters["x"]
    low = -0.5 * jnp.sum(x**2)
    high = data - 2.0 * jnp.sum((x - 2.0) ** 2)
    return jnp.logaddexp(low, high)


def _regression(parameters, data):
    x, y = data
    slope, log_scale = parameters
    residual = (y - slope * x) / jnp.exp(log_scale)
    return -0.5 * jnp.sum(residual**2) - y.size * log_scale - 0.5 * slope**2


def _never(parameters, data):
    return jnp.nan * parameters


def _walled(parameters, data):
    """Finite on one side only; most scattered starts land on the other."""
    inside = parameters > 2.0
    safe = jnp.where(inside, parameters, 3.0)
    return jnp.where(inside, -((safe - data) ** 2), -jnp.inf)


ORIGIN = {"x": jnp.zeros(2)}


def test_one_start_stays_and_several_find_the_higher_mode(key):
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
    assert "mode found, steepest gradient" in report.message


def test_start_in_a_forbidden_region_is_saved_by_the_others(key):
    outside = jnp.asarray(1.5)
    best, report = MAP(num_starts=16).run(_walled, outside, jnp.asarray(4.0), key=key)
    np.testing.assert_allclose(best, [4.0], atol=1e-3)
    assert report.converged


def test_starts_are_compared_on_the_pilot_and_the_best_goes_on_with_all(key):
    # The far mode is the higher one in the pilot alone: only from there is it found.
    found, report = MAP(num_starts=8).run(
        _two_modes, ORIGIN, jnp.asarray(-2.0), key=key, pilot=jnp.asarray(4.0)
    )
    np.testing.assert_allclose(found["x"], np.full((1, 2), 2.0), atol=0.2)
    assert report.converged
    lower, _ = MAP(num_starts=8).run(_two_modes, ORIGIN, jnp.asarray(-2.0), key=key)
    np.testing.assert_allclose(lower["x"], np.zeros((1, 2)), atol=0.02)


def test_no_finite_start_fails_with_a_report(key):
    with pytest.raises(FitError, match="no start reached a finite density") as caught:
        MAP().run(_never, jnp.asarray(0.0), jnp.asarray(0.0), key=key)
    report = caught.value.report
    assert isinstance(report, FitReport)
    assert not report.converged
    assert report.steps == 4


def test_too_few_steps_are_reported(key):
    start = (jnp.asarray(0.0), jnp.asarray(3.0))
    data = (jnp.arange(5.0), jnp.arange(5.0) ** 2)
    _, report = MAP(max_steps=2).run(_regression, start, data, key=key)
    assert not report.converged
    assert report.message.startswith("stopped short of the mode, steepest gradient")


def test_same_key_same_answer_other_key_other_starts(key):
    data = jnp.asarray(4.0)
    answers = [
        MAP(num_starts=3).run(_two_modes, ORIGIN, data, key=k)[0]["x"]
        for k in (key, key, jax.random.key(7))
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_new_numbers_find_the_same_program(key, monkeypatch):
    inside = map_module._best_of_starts.__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(map_module, "_best_of_starts", guarded)
    for number in (1.0, 2.0, 3.0):
        start = {"x": jnp.asarray(np.full(2, number))}
        MAP().run(
            _two_modes, start, jnp.asarray(number), key=jax.random.key(int(number))
        )
    _, report = MAP().run(_two_modes, ORIGIN, jnp.asarray(1.0), key=key)
    assert report.seconds_compile == 0.0
