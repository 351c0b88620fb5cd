"""Relaxation times under other laws of the errors: wild points, and lock-in instruments."""

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
TURN = 2j * np.pi * FREQUENCY
CLEAN = 20 + 50 / (1 + (0.1 * TURN) ** 0.8)


def truth():
    x, turn = np.log(TAU / 0.1), 0.2 * np.pi
    return 25 / np.pi * np.sin(turn) / (np.cosh(0.8 * x) - np.cos(turn))


def error(found):
    away = np.asarray(found.predict(TAU).mean) - truth()
    return np.linalg.norm(away, axis=-1) / np.linalg.norm(truth())


def fit(spectra, **laws):
    return DRT(**laws).fit(FREQUENCY, spectra, key=jax.random.key(0))


@pytest.fixture(scope="module")
def wild():
    """Four spectra, two frequencies of each 30 times as noisy as the others."""
    rng = np.random.default_rng(0)
    noise = 0.2 * (rng.normal(size=(4, 41)) + 1j * rng.normal(size=(4, 41)))
    for row, own in enumerate(noise):
        own[[5 + 3 * row, 28]] *= 30
    return CLEAN + noise


def test_wild_points_hardly_move_a_student_t(wild):
    plain, sturdy = fit(wild), fit(wild, likelihood=StudentT(3.0))
    assert np.all(error(sturdy) < 0.1)
    assert np.median(error(sturdy)) < 0.5 * np.median(error(plain))
    low, high = (np.asarray(end) for end in sturdy.predict(TAU).interval(0.9))
    assert 0.75 < np.mean((low < truth()) & (truth() < high)) <= 1
    # What one more measurement scatters by is the scale times ν / (ν - 2).
    scatter = np.sqrt(sturdy.impedance(FREQUENCY).aleatoric).mean()
    assert 0.25 < scatter < 0.7


def test_a_student_t_of_many_degrees_of_freedom_is_a_normal(wild):
    calm = CLEAN + 0.1 * (wild - CLEAN)[:, ::-1]
    plain, nearly = fit(calm), fit(calm, likelihood=StudentT(1e8))
    for a, b in zip(
        (plain.predict(TAU), plain.r_inf_ohm),
        (nearly.predict(TAU), nearly.r_inf_ohm),
        strict=True,
    ):
        # The same chains but for other random numbers: their means err by sd / 8.
        assert np.all(np.abs(a.mean - b.mean) < 0.8 * a.std)
        assert np.median(np.abs(np.log(b.std / a.std))) < 0.3


def test_polar_errors_keep_to_their_axes():
    rng = np.random.default_rng(1)
    size = 1 + 0.02 * rng.normal(size=(4, 41))
    spectra = CLEAN * size * np.exp(0.002j * rng.normal(size=(4, 41)))
    found = fit(spectra, likelihood=Polar())
    assert np.all(error(found) < 0.15)
    # Where Z is nearly real, Re has the magnitude's error and Im that of the phase.
    noise = np.asarray(found.impedance(FREQUENCY[-1:]).aleatoric)[:, 0]
    ohm = np.abs(CLEAN[-1])
    np.testing.assert_allclose(np.sqrt(noise[:, 0]), 0.02 * ohm, rtol=0.35)
    assert np.all(np.sqrt(noise[:, 1]) < 0.3 * 0.02 * ohm)
    assert np.median(error(found)) < np.median(error(fit(spectra)))


@pytest.mark.parametrize(
    ("laws", "message"),
    [
        ({"likelihood": Magnitude()}, "Re and Im together"),
        ({"likelihood": Phase()}, "Re and Im together"),
        ({"noise": MagnitudePhase()}, "likelihood=Polar"),
        ({"noise": MagnitudePhase(), "likelihood": StudentT()}, "likelihood=Polar"),
    ],
)
def test_what_cannot_be_is_told(laws, message):
    with pytest.raises(DataError, match=message):
        DRT(**laws)


def test_the_usual_noise_goes_with_the_likelihood():
    assert isinstance(DRT().noise, TwoComponent)
    assert isinstance(DRT(likelihood=Polar()).noise, MagnitudePhase)
    assert isinstance(DRT(AgarwalOrazem(1.0, 1.0)).noise, AgarwalOrazem)


def test_single_precision_warns_and_blurs():
    """Rounding hides what the data say beyond a few parts in a hundred."""
    noise = np.random.default_rng(2).normal(size=(2, 4, 41))
    spectra = CLEAN + 0.5 * (noise[0] + 1j * noise[1])
    with jax.enable_x64(False):
        with pytest.warns(PrecisionWarning, match="blurs"):
            single = fit(spectra)
        assert single.draws.line.dtype == np.float32
        assert np.all(error(single) < 0.25)
        # Peak and resistance are there all the same.
        mean = np.asarray(single.predict(TAU).mean)
        assert np.all(np.abs(np.log(TAU[mean.argmax(1)] / 0.1)) < 0.5)
        np.testing.assert_allclose(single.r_inf_ohm.mean, 20, atol=1.0)
