"""Peaks of a distribution of relaxation times: time constants and resistances."""

import itertools
from typing import NamedTuple

import numpy as np

from battprob._typing import Float

# A maximum of the median that hardly any draw has is a ripple and not a peak.
_LEAST_PROBABILITY = 0.05


class Peaks(NamedTuple):
    """Peaks of one distribution, ascending in τ.

    Attributes:
        tau_s: time constants in s.
        log10_tau_sd: standard deviations of their decimal logarithms.
        area_ohm: resistances between the minima on either side, in ohm.
        area_sd: standard deviations of the resistances, in ohm.
        probability: probability of a maximum between these minima.
    """

    tau_s: Float[np.ndarray, " k"]
    log10_tau_sd: Float[np.ndarray, " k"]
    area_ohm: Float[np.ndarray, " k"]
    area_sd: Float[np.ndarray, " k"]
    probability: Float[np.ndarray, " k"]

    def __str__(self):
        return "\n".join(
            f"τ = {tau:9.3g} s (±{100 * (10**tau_sd - 1):.2g} %)   "
            f"{area:9.4g} ± {sd:.2g} Ω   probability {probability:.2f}"
            for tau, tau_sd, area, sd, probability in zip(*self, strict=True)
        )


def find_peaks(x: Float[np.ndarray, " t"], f: Float[np.ndarray, "s t"]) -> Peaks:
    """Peaks of the median of draws of log γ, with their variation over the draws.

    Args:
        x: ln τ, evenly spaced.
        f: draws of log γ there.
    """
    median, gamma = np.median(f, axis=0), np.exp(f)
    inner = np.arange(1, len(x) - 1)
    maxima = inner[
        (median[inner] > median[inner - 1]) & (median[inner] >= median[inner + 1])
    ]
    while True:
        minima = [
            a + int(np.argmin(median[a:b])) for a, b in itertools.pairwise(maxima)
        ]
        edges = [0, *minima, len(x) - 1] if len(maxima) else []
        rows = [_peak(x, f, gamma, a, b) for a, b in itertools.pairwise(edges)]
        peaks = Peaks(*np.array(rows).reshape(-1, 5).T)
        if not len(maxima) or peaks.probability.min() >= _LEAST_PROBABILITY:
            return peaks
        maxima = np.delete(maxima, np.argmin(peaks.probability))


def _peak(x, f, gamma, start, stop):
    """Fields of one peak, between two minima."""
    part = f[:, start : stop + 1]
    index = np.argmax(part, axis=1)
    inside = (index > 0) & (index < stop - start)
    position = x[start + index] / np.log(10)
    area = np.trapezoid(gamma[:, start : stop + 1], x[start : stop + 1], axis=1)
    at_peak = position[inside] if inside.any() else position
    return (
        10 ** np.median(at_peak),
        at_peak.std(),
        area.mean(),
        area.std(),
        inside.mean(),
    )
