"""The variance over frequency from repeated spectra of the same thing."""

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.eis._marginal import level_nodes
from battprob.eis.variance import KnownVariance
from battprob.predictive import Predictive

_WINDOW = 1.0  # decades over which neighbouring frequencies share their variance


def replicate_variance(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, drift: bool = False
) -> KnownVariance:
    r"""Estimate σ²(f) of Re and of Im of one measurement from its repeats, for use as `noise=`.

    $s^2(f) = \sum (Z_i - \bar Z)^2 / (m - 1)$ over the m repeats, of each part, smoothed over a
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
    frequency = np.asarray(frequency_hz, float)
    repeats = np.asarray(impedance_ohm, complex)
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
    variance = (
        np.stack([np.real(away), np.imag(away)]).var(axis=1) * len(away) / freedom
    )
    if not np.all(variance > 0):
        raise DataError(
            f"the repeats are equal at {frequency[variance.min(0).argmin()]} Hz: are they "
            "copies of one spectrum?"
        )
    decades = np.log10(frequency)
    kernel = np.exp(-0.5 * ((decades[:, None] - decades[None]) / (0.5 * _WINDOW)) ** 2)
    smooth = variance @ kernel / kernel.sum(1)
    standard = (
        np.concatenate([np.real(away), np.imag(away)], axis=1) / np.sqrt(smooth).ravel()
    )
    return KnownVariance(frequency, smooth, _degrees_of_freedom(standard, freedom))


def replicate_predictive(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, ahead: int | None = None
) -> Predictive:
    """Predictive of one more repeat of (Re, Im) in Ohm, with no circuit: [f 2].

    Frequencies ascending. What the repeats leave open of their mean, or of their line, is
    epistemic; how well the level of σ² is known makes the tails.

    Args:
        frequency_hz: positive, in Hz, shape [f].
        impedance_ohm: complex, in Ohm, shape [repeats f].
        ahead: None for a repeat like the others; for a thing that drifts, how many
            repeats after the last, the drift being a line (three repeats or more).

    Raises:
        DataError: as in `replicate_variance`.
    """
    drift = ahead is not None
    law = replicate_variance(frequency_hz, impedance_ohm, drift=drift)
    repeats = np.asarray(impedance_ohm, complex)[
        :, np.argsort(np.asarray(frequency_hz))
    ]
    count = len(repeats)
    basis = np.vander(np.arange(count, dtype=float), 2 if drift else 1)
    at = np.array([count - 1 + ahead, 1.0]) if ahead is not None else np.ones(1)
    share = at @ np.linalg.pinv(basis)  # of each repeat in the prediction
    mean = share @ repeats
    mean = np.stack([np.real(mean), np.imag(mean)], axis=-1)[None, None]
    one = jnp.ones(1, law.variance.dtype)
    level, log_share = level_nodes(one, law.degrees_of_freedom[None])
    variance = level[0][:, None, None, None] * law.variance.T[None, None]
    log_weight = log_share[:, None, None, None]
    return Predictive(mean, variance, variance * float(share @ share), log_weight)


def _trend(repeats, order):
    """Least-squares polynomial with `order` coefficients over the repeats."""
    basis = np.vander(np.linspace(-1, 1, len(repeats)), order)
    return basis @ np.linalg.lstsq(basis.astype(complex), repeats, rcond=None)[0]


def _degrees_of_freedom(standard, freedom):
    """Freedom of the level, errors of a repeat being correlated over frequency.

    For n independent columns tr(G²)/tr(G)² of their Gram matrix is about
    1/freedom + 1/n (the moments of a Wishart matrix), which gives n.
    """
    gram = standard @ standard.T
    ratio = np.sum(gram**2) / np.trace(gram) ** 2
    independent = 1 / max(ratio - 1 / freedom, 1 / standard.shape[1])
    return float(freedom * max(independent, 1.0))
