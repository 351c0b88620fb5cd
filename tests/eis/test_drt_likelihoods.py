"""Relaxation times with other error distributions: outliers and lock-in instruments."""

import jax
import numpy as np
import pytest

from battprob import DataError, PrecisionWarning
from battprob.eis import (
    DRT,
    AgarwalOrazem,
    Magnitude,
    MagnitudePhase,
    Phase,
    Polar,
    StudentT,
    TwoComponent,
)

FREQUENCY = np.logspace(-2, 3, 41)
TAU = np.geomspace(1e-3, 5, 60)
CLEAN = 20 + 50 / (1 + (0.1 * 2j * np.pi * FREQUENCY) ** 0.8)


def truth():
    x, angle = np.log(TAU / 0.1), 0.2 * np.pi
    return 25 / np.pi * np.sin(angle) / (np.cosh(0.8 * x) - np.cos(angle))


def error(posterior):
    difference = np.asarray(posterior.predict(TAU).mean) - truth()
    return np.linalg.norm(difference, axis=-1) / np.linalg.norm(truth())


def fit(spectra, **fields):
    return DRT(**fields).fit(FREQUENCY, spectra, key=jax.random.key(0))


@pytest.fixture(scope="module")
def contaminated():
    """Four spectra, each with two outliers whose noise is 30 times larger."""
    rng = np.random.default_rng(0)
    noise = 0.2 * (rng.normal(size=(4, 41)) + 1j * rng.normal(size=(4, 41)))
    for index, row in enumerate(noise):
        row[[5 + 3 * index, 28]] *= 30
    return CLEAN + noise


def test_outliers_hardly_change_the_student_t_fit(contaminated):
    gaussian, robust = fit(contaminated), fit(contaminated, likelihood=StudentT(3.0))
    assert np.all(error(robust) < 0.1)
    assert np.median(error(robust)) < 0.5 * np.median(error(gaussian))
    low, high = (np.asarray(end) for end in robust.predict(TAU).interval(0.9))
    assert 0.75 < np.mean((low < truth()) & (truth() < high)) <= 1
    # The variance of a new measurement is the squared scale times ν / (ν - 2).
    sd = np.sqrt(robust.impedance(FREQUENCY).aleatoric).mean()
    assert 0.25 < sd < 0.7


def test_a_student_t_with_many_degrees_of_freedom_is_gaussian(contaminated):
    spectra = CLEAN + 0.1 * (contaminated - CLEAN)[:, ::-1]
    gaussian, student = fit(spectra), fit(spectra, likelihood=StudentT(1e8))
    for a, b in zip(
        (gaussian.predict(TAU), gaussian.r_inf_ohm),
        (student.predict(TAU), student.r_inf_ohm),
        strict=True,
    ):
        # The chains use other random numbers; their means have a standard error of sd /
        # 8.
        assert np.all(np.abs(a.mean - b.mean) < 0.8 * a.std)
        assert np.median(np.abs(np.log(b.std / a.std))) < 0.3


def test_polar_errors_are_along_and_across_the_impedance():
    rng = np.random.default_rng(1)
    size = 1 + 0.02 * rng.normal(size=(4, 41))
    spectra = CLEAN * size * np.exp(0.002j * rng.normal(size=(4, 41)))
    posterior = fit(spectra, likelihood=Polar())
    assert np.all(error(posterior) < 0.15)
    # Where Z is nearly real, Re has the error of the magnitude and Im that of the
    # phase.
    noise = np.asarray(posterior.impedance(FREQUENCY[-1:]).aleatoric)[:, 0]
    ohm = np.abs(CLEAN[-1])
    np.testing.assert_allclose(np.sqrt(noise[:, 0]), 0.02 * ohm, rtol=0.35)
    assert np.all(np.sqrt(noise[:, 1]) < 0.3 * 0.02 * ohm)
    assert np.median(error(posterior)) < np.median(error(fit(spectra)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"likelihood": Magnitude()}, "Re and Im together"),
        ({"likelihood": Phase()}, "Re and Im together"),
        ({"noise": MagnitudePhase()}, "likelihood=Polar"),
        ({"noise": MagnitudePhase(), "likelihood": StudentT()}, "likelihood=Polar"),
    ],
)
def test_combinations_that_do_not_apply_are_refused(fields, message):
    with pytest.raises(DataError, match=message):
        DRT(**fields)


def test_the_default_noise_model_depends_on_the_likelihood():
    assert isinstance(DRT().noise, TwoComponent)
    assert isinstance(DRT(likelihood=Polar()).noise, MagnitudePhase)
    assert isinstance(DRT(AgarwalOrazem(1.0, 1.0)).noise, AgarwalOrazem)


def test_single_precision_warns_and_broadens_the_peaks():
    """In float32 the distribution is accurate to some per cent."""
    noise = np.random.default_rng(2).normal(size=(2, 4, 41))
    spectra = CLEAN + 0.5 * (noise[0] + 1j * noise[1])
    with jax.enable_x64(False):
        with pytest.warns(PrecisionWarning, match="broadens"):
            single = fit(spectra)
        assert single.draws.coefficients.dtype == np.float32
        assert np.all(error(single) < 0.25)
        # The position of the peak and the resistance are still found.
        mean = np.asarray(single.predict(TAU).mean)
        assert np.all(np.abs(np.log(TAU[mean.argmax(1)] / 0.1)) < 0.5)
        np.testing.assert_allclose(single.r_inf_ohm.mean, 20, atol=1.0)
