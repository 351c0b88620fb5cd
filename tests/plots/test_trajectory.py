"""Fan charts show the intervals, and the density of life on the threshold."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from battprob import Predictive
from battprob.plots import trajectory

CYCLES = np.arange(100.0, 500.0, 10.0)
CAPACITY = Predictive.gaussian(1.2 - 1e-3 * CYCLES, (1e-4 * CYCLES) ** 2)
LIFE = Predictive.gaussian(np.asarray(320.0), 900.0)
OBSERVED = ([1.0, 50.0, 100.0], [1.2, np.nan, 1.1])


@pytest.fixture
def drawn():
    yield trajectory(CYCLES, CAPACITY, observed=OBSERVED, threshold=0.88, life=LIFE)
    plt.close("all")


def corners(collection):
    return collection.get_paths()[0].vertices


def test_bands_are_intervals(drawn):
    for band, level in zip(drawn.collections, (0.5, 0.8, 0.95), strict=False):
        low, high = CAPACITY.interval(level)
        at_end = corners(band)[corners(band)[:, 0] == CYCLES[-1], 1]
        np.testing.assert_allclose(
            [at_end.min(), at_end.max()], [low[-1], high[-1]], rtol=1e-6
        )


def test_density_of_life_is_on_the_threshold_within_the_limits(drawn):
    density = corners(drawn.collections[-1])
    assert density[:, 1].min() == 0.88
    peak = density[density[:, 1].argmax(), 0]
    np.testing.assert_allclose(peak, 320.0, atol=2.0)
    low, high = drawn.get_ylim()
    assert low < 0.88 < density[:, 1].max() < 1.2 < high


def test_capacities_far_below_the_threshold_are_not_shown(drawn):
    assert float(CAPACITY.interval(0.95)[0].min()) < drawn.get_ylim()[0]


def test_a_forecast_below_the_threshold_is_drawn():
    assert trajectory(CYCLES, CAPACITY, threshold=2.0, life=LIFE).lines
    plt.close("all")
