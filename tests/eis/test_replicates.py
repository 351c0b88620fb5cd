"""Variances from repeats are unbiased, and intervals cover further repeats."""

import itertools

import jax
import numpy as np
import pytest

from battprob.eis import Circuit, replicate_predictive, replicate_variance

_FREQUENCY = np.logspace(-2, 3, 30)


def _repeats(count, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, count, 30))
    return 1.0 - 0.5j + 0.01 * noise[0] + 0.03j * noise[1]


def test_variance_of_both_parts():
    noise = replicate_variance(_FREQUENCY[::-1], _repeats(400))
    np.testing.assert_allclose(noise.variance[0], 1e-4, rtol=0.1)
    np.testing.assert_allclose(noise.variance[1], 9e-4, rtol=0.1)


def test_degrees_of_freedom_count_independent_errors():
    independent = replicate_variance(_FREQUENCY, _repeats(6)).degrees_of_freedom
    assert 150 < float(independent) < 600  # 5 × 60 values, within sampling error
    rng = np.random.default_rng(1)
    equal = 1.0 - 0.5j + 0.01 * rng.normal(size=(6, 1)) * np.ones((1, 30)) * (1 + 1j)
    assert float(replicate_variance(_FREQUENCY, equal).degrees_of_freedom) < 8


def test_drift_is_removed():
    drifting = _repeats(200) + np.linspace(0, 1, 200)[:, None]
    noise = replicate_variance(_FREQUENCY, drifting, drift=True)
    np.testing.assert_allclose(noise.variance[0], 1e-4, rtol=0.15)


@pytest.mark.slow
def test_feeds_a_fit():
    circuit = Circuit("R0-p(R1,C1)")
    truth = np.asarray(circuit.impedance([1.0, 2.0, 0.05], _FREQUENCY))
    noise = replicate_variance(_FREQUENCY, truth + _repeats(6) - (1.0 - 0.5j))
    measured = truth + _repeats(8, seed=5) - (1.0 - 0.5j)
    circuit = Circuit(str(circuit), noise=noise)
    fitted = circuit.fit(_FREQUENCY, measured, key=jax.random.key(0))
    sd = np.sqrt(fitted.predict(_FREQUENCY).aleatoric).mean((0, 1))
    np.testing.assert_allclose(sd, [0.01, 0.03], rtol=0.15)


def test_held_out_repeats_of_real_cells_are_covered(data_folder):
    table = np.genfromtxt(
        data_folder / "eis_soc_replicates" / "eis.csv", delimiter=",", skip_header=1
    )
    cells = table[:, [0, 2]]
    inside = []
    for cell in np.unique(cells, axis=0)[::3]:
        rows = table[np.all(cells == cell, axis=1)]
        frequency = np.unique(rows[:, 3])
        spectra = (rows[:, 4] + 1j * rows[:, 5]).reshape(-1, frequency.size)
        for test in itertools.combinations(range(6), 2):
            train = [i for i in range(6) if i not in test]
            low, high = replicate_predictive(frequency, spectra[train]).interval(0.9)
            kept = np.stack([spectra[list(test)].real, spectra[list(test)].imag], -1)
            inside.append(np.mean((kept > low[None]) & (kept < high[None])))
    assert 0.85 <= np.mean(inside) <= 0.95


def test_a_drift_is_extrapolated(data_folder):
    """Predict the later repeats of a drifting cell from the first four."""
    table = np.genfromtxt(
        data_folder / "eis_ssb_repeats" / "eis.csv", delimiter=",", names=True
    )
    number = table["repeat"].astype(int)
    frequency = table["freq_hz"][number == 0]
    spectra = (table["re_ohm"] + 1j * table["im_ohm"]).reshape(number.max() + 1, -1)
    order = np.argsort(frequency)
    inside = []
    for later in range(4, len(spectra)):
        ahead = replicate_predictive(frequency, spectra[:4], ahead=later - 3)
        low, high = ahead.interval(0.9)
        kept = np.stack([spectra[later].real, spectra[later].imag], -1)[order]
        inside.append(np.mean((kept > low) & (kept < high)))
    assert 0.85 <= np.mean(inside) <= 0.95


def test_extrapolation_equals_least_squares():
    repeats = _repeats(5) + 0.02 * np.arange(5)[:, None]
    ahead = replicate_predictive(_FREQUENCY, repeats, ahead=2)
    slope, start = np.polyfit(np.arange(5), repeats.real, 1)
    np.testing.assert_allclose(ahead.mean[:, 0], start + 6 * slope, rtol=1e-6)
    # 1/5 + (6 - 2)² / Σ(i - 2)², the leverage of the extrapolated point.
    ratio = np.asarray(ahead.epistemic / ahead.aleatoric)
    np.testing.assert_allclose(ratio, 1 / 5 + 16 / 10, rtol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="needs at least 2 repeats; got 1"):
        replicate_variance(_FREQUENCY, _repeats(1))
    with pytest.raises(ValueError, match="copies of one spectrum"):
        replicate_variance(_FREQUENCY, np.ones((3, 30), complex))
    with pytest.raises(ValueError, match=r"got\s+shapes"):
        replicate_variance(_FREQUENCY, np.ones((3, 4), complex))
