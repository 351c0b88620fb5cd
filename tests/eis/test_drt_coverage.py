"""Intervals of relaxation times cover the truth for many shapes."""

import jax
import numpy as np
import pytest

from battprob.eis import DRT

FREQUENCY = np.logspace(-4, 4, 81)
TAU = np.logspace(-3.5, 3.5, 141)
# Resistance, time and depression of each ZARC.
SHAPES = {
    "one, 0.8": [(50, 1, 0.8)],
    "two, 0.8": [(50, 0.1, 0.8), (50, 10, 0.8)],
    "one, 0.6": [(50, 1, 0.6)],
    "one, 0.9": [(50, 0.3, 0.9)],
    "different": [(30, 0.03, 0.7), (70, 3, 0.9)],
    "a decade apart": [(50, 0.3, 0.8), (50, 3, 0.8)],
}


def case(arcs):
    turn = 2j * np.pi * FREQUENCY
    z, gamma = 20 + 0j * turn, 0 * TAU
    for resistance, tau, power in arcs:
        z = z + resistance / (1 + (tau * turn) ** power)
        x, angle = np.log(TAU / tau), (1 - power) * np.pi
        height = np.sin(angle) / (np.cosh(power * x) - np.cos(angle))
        gamma = gamma + resistance / (2 * np.pi) * height
    return z, gamma


@pytest.mark.slow
@pytest.mark.parametrize("noise_sd", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", SHAPES)
def test_intervals_cover(name, noise_sd):
    z, gamma = case(SHAPES[name])
    noise = np.random.default_rng(5).normal(size=(2, 16, FREQUENCY.size))
    measured = z + noise_sd * (noise[0] + 1j * noise[1])
    pred = DRT().fit(FREQUENCY, measured, key=jax.random.key(0)).predict(TAU)
    probability = np.asarray(pred.cdf(gamma))
    # The mean over many spectra is 0.80 (a decade apart, 1 Ω) to 0.95. The coverage of
    # one spectrum has a standard deviation of 0.05 to 0.16: two standard errors are
    # 0.08.
    assert 0.74 <= np.mean((probability > 0.05) & (probability < 0.95)) <= 0.99
