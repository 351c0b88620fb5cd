"""The variance over frequency from repeated spectra of the same thing."""

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.eis.variance import KnownVariance

_WINDOW = 1.0  # decades over which neighbouring frequencies share their variance


def replicate_variance(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, drift: bool = False
) -> KnownVariance:
    r"""Estimate σ²(f) of one measurement from its repeats, for use as `noise=`.

    $s^2(f) = \sum |Z_i - \bar Z|^2 / 2(m - 1)$ over the m repeats, smoothed over a
    decade of frequency (weights by a Gaussian window): a handful of
    repeats says little of a single frequency.

    Args:
        frequency_hz: positive, in Hz, shape [f].
        impedance_ohm: complex, in Ohm, shape [repeats f]; two repeats or more.
        drift: take out a straight line over the repeats instead of their mean; needs
            three or more.

    Raises:
        DataError: too few repeats, shapes that do not agree, or repeats that are equal.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.normal(size=(6, 40)) + 1j * rng.normal(size=(6, 40))
        >>> law = replicate_variance(np.logspace(-2, 3, 40), 1.0 + 0.01 * noise)
        >>> bool(abs(law.variance.mean() / 1e-4 - 1) < 0.3)
        True
    """
    frequency, repeats = np.asarray(frequency_hz, float), np.asarray(impedance_ohm)
    used = 2 if drift else 1
    if repeats.ndim != 2 or repeats.shape[1] != frequency.size:
        raise DataError(
            "replicate_variance needs frequencies [f] and repeats [repeats f]; got "
            f"shapes {frequency.shape} and {repeats.shape}"
        )
    if len(repeats) <= used:
        raise DataError(f"{len(repeats)} repeats: at least {used + 1} are needed")
    order = np.argsort(frequency)
    frequency, repeats = frequency[order], repeats[:, order]
    away = repeats - _trend(repeats, used)
    freedom = len(repeats) - used
    variance = np.sum(np.abs(away) ** 2, axis=0) / (2 * freedom)
    if not np.all(variance > 0):
        raise DataError(
            f"the repeats are equal at {frequency[np.argmin(variance)]} Hz: are they "
            "copies of one spectrum?"
        )
    decades = np.log10(frequency)
    kernel = np.exp(-0.5 * ((decades[:, None] - decades[None]) / (0.5 * _WINDOW)) ** 2)
    smooth = kernel @ variance / kernel.sum(1)
    return KnownVariance(frequency, smooth, 2.0 * freedom * frequency.size)


def _trend(repeats, order):
    """Least-squares polynomial with `order` coefficients over the repeats."""
    time = np.linspace(-1, 1, len(repeats))
    basis = np.vander(time, order)
    return basis @ np.linalg.lstsq(basis.astype(complex), repeats, rcond=None)[0]
