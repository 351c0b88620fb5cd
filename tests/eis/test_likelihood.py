"""Circuits are fitted under the distribution of the recorded values."""

import jax
import numpy as np
import pytest

from battprob.eis import Circuit, Magnitude, Phase, Polar, StudentT

FREQUENCY = np.logspace(4, -2, 40)
CIRCUIT = Circuit("R0-p(R1,CPE1)-W1")
TRUTH = np.array([0.02, 0.008, 0.4, 0.85, 2.5e-3])


def measured(count=8):
    z = np.asarray(CIRCUIT.impedance(TRUTH, FREQUENCY))
    noise = np.random.default_rng(0).normal(size=(2, count, z.size))
    return z * (1 + 0.005 * (noise[0] + 1j * noise[1]))


def fit(values, likelihood=None):
    key = jax.random.key(0)
    circuit = Circuit(str(CIRCUIT), likelihood=likelihood)
    return circuit.fit(FREQUENCY, values, key=key)


@pytest.fixture(scope="module")
def gaussian():
    return fit(measured())


def test_equal_errors_of_magnitude_and_phase_are_the_complex_gaussian(gaussian):
    """The same posterior with the noise integrated in closed form and by curvature."""
    polar = fit(measured(), Polar())
    exact, quick = polar.parameters, gaussian.parameters
    assert np.all(np.abs(exact.value - quick.value) < 0.2 * quick.sd)
    np.testing.assert_allclose(exact.sd, quick.sd, rtol=0.15)
    assert polar.identified.all()
    difference = np.asarray(polar.log_evidence - gaussian.log_evidence)
    assert np.all(np.abs(difference) < 1.0)


@pytest.mark.slow
def test_outliers_bias_the_gaussian_fit_and_not_the_student_t_fit(gaussian):
    contaminated = measured()
    contaminated[:, ::8] *= 1.15
    robust, biased = fit(contaminated, StudentT(3.0)), fit(contaminated)
    sd = np.asarray(gaussian.parameters.sd)
    error, biased_error = (
        np.abs(np.asarray(fitted.parameters.value) - TRUTH) / sd
        for fitted in (robust, biased)
    )
    assert np.median(biased_error[:, 0]) > 10
    assert error.max() < 5


@pytest.mark.slow
def test_magnitudes_determine_the_parameters():
    fitted = fit(np.abs(measured()), Magnitude())
    low, high = np.stack(list(fitted.interval(0.999).values()), axis=-1)
    assert np.all((low < TRUTH) & (high > TRUTH))
    assert fitted.parameters.sd[:, 0].max() < 0.02 * TRUTH[0]


@pytest.mark.slow
def test_phases_do_not_determine_the_scale():
    fitted = fit(np.angle(measured()), Phase())
    assert not fitted.identified[:, [0, 1, 4]].any()
    assert fitted.identified[:, 3].all()
    assert all("R0" in tie and "R1" in tie for row in fitted.tied for tie in row)
    drawn = fitted.sample(key=jax.random.key(1), num=500)
    ratio = np.asarray(drawn["R1"] / drawn["R0"])
    low, high = np.quantile(ratio, [0.0005, 0.9995], axis=0)
    assert np.all((low < 0.4) & (high > 0.4))


def test_errors():
    with pytest.raises(ValueError, match=r"more than 2 degrees of freedom; got 2"):
        StudentT(2.0)
    with pytest.raises(ValueError, match=r"real numbers need Magnitude\(\)"):
        fit(measured(), Magnitude())
    with pytest.raises(ValueError, match=r"got ComplexNormal\(\) and float64"):
        fit(measured().real)
    with pytest.raises(ValueError, match="must be positive"):
        fit(-np.abs(measured()), Magnitude())
