"""A circuit is a specification: error model and inference are its fields."""

import jax
import numpy as np
import pytest

import battprob as bp
from battprob import DataError
from battprob.eis import NUTS, Circuit, MagnitudePhase, Polar, compare

FREQUENCY = np.logspace(3, 0, 10)


def test_fields_have_defaults_and_take_the_given_parts():
    circuit = Circuit("R0-p(R1,CPE1)-W1")
    assert isinstance(circuit.noise, bp.eis.TwoComponent)
    assert isinstance(circuit.likelihood, bp.eis.ComplexNormal)
    assert isinstance(circuit.inference, bp.eis.Laplace)
    circuit = bp.eis.Circuit(
        "R0-p(R1,CPE1)-W1", noise=bp.eis.TwoComponent(), inference=bp.eis.Laplace(3)
    )
    assert circuit.inference.num_starts == 3
    assert str(circuit) == "R0-p(R1,CPE1)-W1"


@pytest.mark.parametrize("field", ["noise", "likelihood", "inference"])
def test_a_part_of_the_wrong_kind_is_refused(field):
    with pytest.raises(TypeError, match=field):
        Circuit("R0", **{field: 0.01})


def test_errors_of_magnitude_and_phase_need_the_polar_likelihood():
    with pytest.raises(DataError, match="likelihood=Polar"):
        Circuit("R0", noise=MagnitudePhase())
    Circuit("R0", noise=MagnitudePhase(), likelihood=Polar())


def test_the_number_of_samples_is_a_multiple_of_the_number_of_chains():
    with pytest.raises(ValueError, match=r"multiple of num_chains.*got 25 of 4"):
        NUTS(num_samples=25)


def test_candidates_keep_their_own_fields():
    noise = np.random.default_rng(0).normal(size=(2, 10))
    measured = 1.0 + 0.01 * (noise[0] + 1j * noise[1])
    known = bp.eis.KnownVariance([1.0, 1e3], [1e-4, 1e-4])
    candidates = [Circuit("R0", noise=known), "R0"]
    found = compare(candidates, FREQUENCY, measured, key=jax.random.key(0))
    assert isinstance(found.posteriors[0].noise, bp.eis.KnownVariance)
    assert isinstance(found.posteriors[1].noise, bp.eis.TwoComponent)
