"""On a real cell the bands of dQ/dV hold what other readings of the same curve say."""

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
    for place, pair in zip(padded, rows, strict=True):
        place[:, : len(pair[0])] = pair
    return bp.features.differential_capacity(
        padded[:, 0], padded[:, 1], GRID, quantum_v=QUANTUM
    )


def readings(record, segment, every, start=0):
    """Thinned until the voltage moves by more than a step of the converter."""
    return [
        record[f"{segment}__{name}"][start::every]
        for name in ("voltage_V", "capacity_Ah")
    ]


@pytest.mark.parametrize(
    ("segment", "every"), [("pocv_discharge_C24", 48), ("discharge_C2", 6)]
)
def test_halves_of_the_readings_agree_within_their_bands(record, segment, every):
    curve = two_curves(
        [readings(record, segment, every, start) for start in (0, every // 2)]
    )
    mean, sd = np.asarray(curve.mean), np.asarray(curve.std)
    apart = (mean[1] - mean[0]) / np.hypot(*sd)
    assert 0.8 < np.mean(np.abs(apart) < 1.645) <= 1.0
    assert np.all(mean < 0.1)  # a discharge
    assert np.median(sd / np.abs(mean)) < 0.02


def test_peaks_of_two_repeated_charges_agree_within_their_errors(record):
    curve = two_curves([readings(record, f"cycle{c}_charge_C4", 4) for c in (1, 2)])
    peaks = bp.features.ica_peaks(curve, GRID)
    place, sd = np.asarray(peaks.position_v), np.asarray(peaks.position_sd)
    seen = np.isfinite(place)
    assert (seen.all(0) == seen.any(0)).all()  # the same peaks in both
    assert seen.all(0).sum() >= 3
    apart = np.diff(place, axis=0)[0] / np.hypot(*sd)
    assert np.nanmax(np.abs(apart)) < 2
