"""NUTS draws have the moments of the density, and its report shows disagreement."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from battprob.inference import MAP, NUTS
from battprob.inference import nuts as nuts_module


def _banana(parameters, bend):
    """y ~ N(0, 1) and x | y ~ N(bend y², 0.5²): not Gaussian."""
    y, x = parameters["y"], parameters["x"]
    return -0.5 * y**2 - 2 * (x - bend * y**2) ** 2


def _two_modes(parameter, distance):
    return jnp.logaddexp(
        -0.5 * (parameter - distance) ** 2, -0.5 * (parameter + distance) ** 2
    )


BEND = 0.4
START = {"x": jnp.zeros(()), "y": jnp.zeros(())}
SAMPLER = NUTS(num_samples=4000, num_warmup=300)


@pytest.fixture(scope="module")
def banana():
    return SAMPLER.run(_banana, START, jnp.asarray(BEND), key=jax.random.key(0))


def test_moments_are_those_of_the_density(banana):
    draws, report = banana
    x, y = np.asarray(draws["x"]), np.asarray(draws["y"])
    assert x.shape == (4000,)

    # E[x] = b E[y²] and Var x = b² Var y² + 0.25, by quadrature over y.
    def moment(power):
        return (
            integrate.quad(lambda t: t**power * np.exp(-(t**2) / 2), -9, 9)[0]
            / (2 * np.pi) ** 0.5
        )

    mean = BEND * moment(2)
    variance = BEND**2 * (moment(4) - moment(2) ** 2) + 0.25
    error = 4 / report.ess**0.5  # in standard deviations
    assert abs(x.mean() - mean) < error * variance**0.5
    assert abs(y.mean()) < error
    assert abs(y.var() - 1) < error * 2**0.5
    assert x.var() == pytest.approx(variance, rel=0.15)


def test_the_report_shows_convergence(banana):
    report = banana[1]
    assert report.converged
    assert report.r_hat < 1.01
    assert 400 < report.ess <= 2 * 4000
    assert report.divergences < 40
    assert report.steps == 4000


def test_the_report_shows_chains_that_disagree(key):
    sampler = NUTS(num_samples=200, num_warmup=100, num_chains=4, mode=MAP(1))
    middle = jnp.asarray(0.0)  # half of the chains end in each of the modes
    _, report = sampler.run(_two_modes, middle, jnp.asarray(12.0), key=key)
    assert not report.converged
    assert report.r_hat > 1.5


def test_new_numbers_reuse_the_compiled_program(monkeypatch):
    inside = nuts_module._run_chains.__wrapped__
    guarded = eqx.filter_jit(eqx.debug.assert_max_traces(max_traces=1)(inside))
    monkeypatch.setattr(nuts_module, "_run_chains", guarded)
    sampler = NUTS(num_samples=200, num_warmup=100, mode=MAP(1))
    for distance in (12.0, 1.0):
        key = jax.random.key(int(distance))
        sampler.run(_two_modes, jnp.asarray(0.0), jnp.asarray(distance), key=key)


def test_num_samples_is_the_total_of_all_chains(key):
    sampler = NUTS(num_samples=12, num_warmup=20, num_chains=3, thinning=2, mode=MAP(1))
    draws, report = sampler.run(_two_modes, jnp.asarray(0.0), jnp.asarray(1.0), key=key)
    assert draws.shape == (12,)
    assert report.steps == 24


def test_chains_of_unequal_length_are_refused():
    with pytest.raises(
        ValueError, match=r"multiple of num_chains.*num_samples=10, num"
    ):
        NUTS(num_samples=10)
