"""Peaks of a distribution of relaxation times: where they are, and their resistance."""

import itertools
from typing import NamedTuple

import numpy as np

from battprob._typing import Float

_LEAST_PROBABILITY = 0.05  # of a ripple of the median that hardly a draw has


class Peaks(NamedTuple):
    """Peaks of one distribution, ascending in τ.

    Attributes:
        tau_s: their positions, s.
        log10_tau_sd: standard deviations of log10 of these.
        area_ohm: the resistance between the troughs on either side, Ohm.
        area_sd: standard deviations of these.
        probability: that there is a maximum between these troughs at all.
    """

    tau_s: Float[np.ndarray, " k"]
    log10_tau_sd: Float[np.ndarray, " k"]
    area_ohm: Float[np.ndarray, " k"]
    area_sd: Float[np.ndarray, " k"]
    probability: Float[np.ndarray, " k"]

    def __str__(self):
        return "\n".join(
            f"τ = {tau:9.3g} s (±{100 * (10**spread - 1):.2g} %)   {area:9.4g} ± {sd:.2g} Ω"
            f"   probability {share:.2f}"
            for tau, spread, area, sd, share in zip(*self, strict=True)
        )


def peaks(x: Float[np.ndarray, " t"], f: Float[np.ndarray, "s t"]) -> Peaks:
    """Peaks of the median of draws of log γ at even ln τ, and how they go over the draws."""
    middle, gamma = np.median(f, axis=0), np.exp(f)
    inner = np.arange(1, len(x) - 1)
    top = inner[
        (middle[inner] > middle[inner - 1]) & (middle[inner] >= middle[inner + 1])
    ]
    while True:
        trough = [a + int(np.argmin(middle[a:b])) for a, b in itertools.pairwise(top)]
        edge = [0, *trough, len(x) - 1] if len(top) else []
        rows = [_peak(x, f, gamma, a, b) for a, b in itertools.pairwise(edge)]
        found = Peaks(*np.array(rows).reshape(-1, 5).T)
        if not len(top) or found.probability.min() >= _LEAST_PROBABILITY:
            return found
        top = np.delete(top, np.argmin(found.probability))


def _peak(x, f, gamma, start, stop):
    part = f[:, start : stop + 1]
    at = np.argmax(part, axis=1)
    whole = (at > 0) & (at < stop - start)
    position = x[start + at] / np.log(10)
    area = np.trapezoid(gamma[:, start : stop + 1], x[start : stop + 1], axis=1)
    middle = position[whole] if whole.any() else position
    return 10 ** np.median(middle), middle.std(), area.mean(), area.std(), whole.mean()
