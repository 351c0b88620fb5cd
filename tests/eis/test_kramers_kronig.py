"""The Kramers-Kronig test has its nominal error rate and detects drift and outliers."""

import numpy as np
import pytest

from battprob import DataError
from battprob.eis import Circuit, kramers_kronig
from battprob.eis.consistency import _tail

FREQUENCY = np.logspace(4, -2, 60)
SWEEP = np.linspace(0, 1, 60)
_CIRCUIT = Circuit("R0-p(R1,CPE1)-p(R2,CPE2)-W1")
_TRUTH = np.array(
    [0.02, 0.008, 1e-3**0.85 / 0.008, 0.85, 0.015, 0.1**0.8 / 0.015, 0.8, 2.5e-3]
)


def spectra(count, *, drift=0.0, noise_sd=0.005, kind="proportional", seed=0):
    """The scale of the impedance grows linearly over the points of the sweep."""
    z = np.asarray(_CIRCUIT.impedance(_TRUTH, FREQUENCY))
    size = np.abs(z) if kind == "proportional" else np.full(60, np.abs(z).mean())
    noise = np.random.default_rng(seed).normal(size=(count, 2, 60))
    return z * (1 + drift * SWEEP) + noise_sd * size * (noise[:, 0] + 1j * noise[:, 1])


@pytest.fixture(scope="module")
def clean():
    return kramers_kronig(FREQUENCY, spectra(24))


def test_tail_of_a_quadratic_form():
    # One positive and one negative weight: F of 1 and 1; two equal ones: exponential.
    weight = np.array([1.0, -3.0])
    assert _tail(weight) == pytest.approx(1 - 2 / np.pi * np.arctan(3**0.5), abs=1e-3)
    draws = np.random.default_rng(0).chisquare(1, size=(200_000, 20))
    weight = np.concatenate([[5.0, 2.0], np.full(18, -0.6)])
    assert _tail(weight) == pytest.approx(np.mean(draws @ weight > 0), abs=4e-3)


def test_consistent_spectra_pass(clean):
    assert np.all(clean.consistent)
    assert 0.25 < clean.p_value.mean() < 0.75
    assert np.mean(clean.outlier.any(1)) < 0.3
    assert 0.7 < np.std(clean.residual) < 1.1


def test_drift_is_detected():
    drifting = kramers_kronig(FREQUENCY, spectra(8, drift=0.1))
    assert np.all(drifting.p_value < 1e-3)
    assert not drifting.consistent.any()
    assert drifting.drifting.any(1).all()


def test_the_bad_spectrum_of_a_sequence_is_named():
    sequence = spectra(6, seed=1)
    sequence[3] = spectra(1, drift=0.1, seed=2)[0]
    assert np.flatnonzero(~kramers_kronig(FREQUENCY, sequence).consistent).tolist() == [
        3
    ]


def test_outliers_are_found_where_they_are():
    z = spectra(1, seed=3)[0]
    z[20] *= 1.05
    result = kramers_kronig(FREQUENCY, z)
    assert np.flatnonzero(result.outlier).tolist() == [59 - 20]  # frequencies ascend


def test_scale_and_order_do_not_matter(clean):
    other = kramers_kronig(FREQUENCY[::-1], 1e4 * spectra(24)[:, ::-1])
    np.testing.assert_allclose(other.p_value, clean.p_value, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(other.fitted, 1e4 * clean.fitted, rtol=1e-6)


def test_a_batch_gives_the_results_of_single_spectra(clean):
    alone = kramers_kronig(FREQUENCY, spectra(24)[5])
    assert alone.p_value == pytest.approx(clean.p_value[5], rel=1e-9)
    assert "consistent with Kramers-Kronig" in str(alone)


def test_admittances_are_tested():
    drifting = kramers_kronig(FREQUENCY, spectra(2, drift=0.1), admittance=True)
    assert np.all(drifting.p_value < 0.01)
    fine = kramers_kronig(FREQUENCY, spectra(12, seed=5), admittance=True)
    assert fine.p_value.mean() > 0.2


@pytest.mark.parametrize(
    ("frequency", "impedance", "message"),
    [
        (np.arange(10.0), np.ones(10, complex), "must be positive"),
        (np.arange(1.0, 11), np.full(10, np.nan + 0j), "not finite"),
        (np.arange(1.0, 10), np.ones(9, complex), "needs 10"),
        (np.ones(12), np.ones(12, complex), "needs 10"),
        (np.arange(1.0, 11), np.zeros(10, complex), r"zero at 1 Hz of spectrum 0"),
    ],
)
def test_invalid_spectra_are_refused(frequency, impedance, message):
    with pytest.raises(DataError, match=message):
        kramers_kronig(frequency, impedance)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["proportional", "additive"])
def test_false_alarm_rate_is_the_nominal_one(kind):
    p = kramers_kronig(FREQUENCY, spectra(1000, kind=kind, seed=7)).p_value
    assert 0.03 <= np.mean(p < 0.05) <= 0.07
