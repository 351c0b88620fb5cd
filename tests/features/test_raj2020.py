"""For a real cell, dQ/dV of different samples of the same curve agree within errors."""

import numpy as np
import pytest

import battprob as bp

GRID = np.linspace(3.3, 4.05, 376)
LENGTH = 3400  # one padded shape, one compilation
QUANTUM = 1.5e-4


@pytest.fixture(scope="module")
def record(data_folder):
    path = data_folder / "raj2020_vq" / "vq.npz"
    if not path.is_file():
        pytest.skip("raj2020_vq absent")
    return np.load(path)


def two_curves(rows):
    """dQ/dV of two (voltage, charge) pairs of any length."""
    padded = np.full((2, 2, LENGTH), np.nan)
    for padded_row, pair in zip(padded, rows, strict=True):
        padded_row[:, : len(pair[0])] = pair
    return bp.features.differential_capacity(
        padded[:, 0], padded[:, 1], GRID, quantum_v=QUANTUM
    )


def samples(record, segment, every, start=0):
    """Thinned so that the voltage changes by more than the quantisation step."""
    return [
        record[f"{segment}__{name}"][start::every]
        for name in ("voltage_V", "capacity_Ah")
    ]


@pytest.mark.parametrize(
    ("segment", "every"), [("pocv_discharge_C24", 48), ("discharge_C2", 6)]
)
def test_two_halves_of_the_samples_agree_within_their_errors(record, segment, every):
    curve = two_curves(
        [samples(record, segment, every, start) for start in (0, every // 2)]
    )
    mean, sd = np.asarray(curve.mean), np.asarray(curve.std)
    z_score = (mean[1] - mean[0]) / np.hypot(*sd)
    assert 0.8 < np.mean(np.abs(z_score) < 1.645) <= 1.0
    assert np.all(mean < 0.1)  # a discharge
    assert np.median(sd / np.abs(mean)) < 0.02


def test_peaks_of_two_repeated_charges_agree_within_their_errors(record):
    curve = two_curves([samples(record, f"cycle{c}_charge_C4", 4) for c in (1, 2)])
    peaks = bp.features.ica_peaks(curve, GRID)
    position, sd = np.asarray(peaks.position_v), np.asarray(peaks.position_sd)
    present = np.isfinite(position)
    assert (present.all(0) == present.any(0)).all()  # the same peaks in both
    assert present.all(0).sum() >= 3
    z_score = np.diff(position, axis=0)[0] / np.hypot(*sd)
    assert np.nanmax(np.abs(z_score)) < 2
