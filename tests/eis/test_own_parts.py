"""Users write noise models, likelihoods, inference and elements by public names."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import battprob as bp
from battprob.eis.inference import AbstractCircuitInference
from battprob.eis.likelihood import AbstractLikelihood
from battprob.eis.variance import AbstractVariance

FREQUENCY = np.logspace(3, -1, 12)


class TwoTerms(AbstractVariance):
    """`TwoComponent` written by a user, in units in which the terms differ."""

    unit: jax.Array

    def terms(self, mean, frequency_hz):
        square = jnp.abs(mean) ** 2
        return jnp.stack([jnp.full(square.shape, self.unit), square])

    def power(self):
        return 1

    def prior_degrees_of_freedom(self):
        return jnp.zeros(())


class Gaussian(AbstractLikelihood):
    """`ComplexNormal` written by a user."""

    def log_prob(self, measured, mean, variance):
        residual = measured - mean
        square = residual.real**2 / variance[0] + residual.imag**2 / variance[1]
        return -0.5 * (square + jnp.log(variance).sum(0)) - jnp.log(2 * jnp.pi)

    def rectangular_variance(self, mean, variance):
        return variance

    def approximate_impedance(self, frequency_hz, measured):
        return measured


class Wider(AbstractCircuitInference):
    """Laplace approximation with twice the standard deviations."""

    def run(self, problem, *, key):
        posterior = bp.eis.Laplace().run(problem, key=key)
        covariance = 4 * posterior.mixture.covariance
        return eqx.tree_at(lambda p: p.mixture.covariance, posterior, covariance)


@bp.eis.element(bp.eis.Parameter("Ohm", ohm=1.0), bp.eis.Parameter("F", -1.0, 1.0))
def ParallelRC(omega, resistance, capacitance):
    """A resistor and a capacitor in parallel."""
    return resistance / (1 + 1j * omega * resistance * capacitance)


def fit(text="R0-p(R1,C1)", **fields):
    z = bp.eis.Circuit("R0-p(R1,C1)").impedance([1.0, 2.0, 0.05], FREQUENCY)
    noise = np.random.default_rng(0).normal(size=(2, FREQUENCY.size))
    measured = np.asarray(z) + 0.02 * (noise[0] + 1j * noise[1])
    circuit = bp.eis.Circuit(text, **fields)
    return circuit.fit(FREQUENCY, measured, key=jax.random.key(0)).parameters


@pytest.fixture(scope="module")
def usual():
    return fit()


def test_own_variance_model(usual):
    found = fit(noise=TwoTerms(jnp.array(1.0)))
    np.testing.assert_allclose(found.value, usual.value, rtol=1e-6)
    np.testing.assert_allclose(found.sd, usual.sd, rtol=1e-6)


def test_own_likelihood(usual):
    found = fit(likelihood=Gaussian())
    assert np.all(np.abs(found.value - usual.value) < 0.2 * usual.sd)
    np.testing.assert_allclose(found.sd, usual.sd, rtol=0.2)


def test_own_inference(usual):
    np.testing.assert_allclose(fit(inference=Wider()).sd, 2 * usual.sd, rtol=0.05)


def test_own_element(usual):
    found = fit("R0-ParallelRC1", elements=[ParallelRC])
    assert found.names == ("R0", "ParallelRC1_0", "ParallelRC1_1")
    np.testing.assert_allclose(found.value, usual.value, rtol=1e-4)
