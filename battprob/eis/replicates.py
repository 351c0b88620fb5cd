"""Variance over frequency, and predictions, from repeated spectra of the same cell."""

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.eis._marginal import scale_nodes
from battprob.eis.variance import KnownVariance
from battprob.predictive import Predictive

_WINDOW = 1.0  # decades over which variances of neighbouring frequencies are averaged


def replicate_variance(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, drift: bool = False
) -> KnownVariance:
    r"""Variance σ²(f) of Re and of Im of one measurement, from repeats; for `noise=`.

    $s^2(f) = \sum (Z_i - \bar Z)^2 / (m - 1)$ over the m repeats, separately for Re and
    Im, averaged over a decade of frequency with Gaussian weights, because a few repeats
    determine the variance at a single frequency poorly.

    Args:
        frequency_hz: positive frequencies in Hz, shape [f].
        impedance_ohm: complex impedances in ohm, shape [repeats f]; two repeats or
            more.
        drift: subtract a straight line over the repeats instead of their mean; needs
            three or more.

    Raises:
        DataError: too few repeats, shapes that do not agree, or repeats that are equal.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise = rng.normal(size=(6, 40)) + 1j * rng.normal(size=(6, 40))
        >>> found = replicate_variance(np.logspace(-2, 3, 40), 1.0 + 0.01 * noise)
        >>> bool(abs(found.variance.mean() / 1e-4 - 1) < 0.3)
        True
    """
    frequency = np.asarray(frequency_hz, float)
    repeats = np.asarray(impedance_ohm, complex)
    coefficients = 2 if drift else 1
    if repeats.ndim != 2 or repeats.shape[1] != frequency.size:
        raise DataError(
            "replicate_variance needs frequencies [f] and repeats [repeats f]; got "
            f"shapes {frequency.shape} and {repeats.shape}"
        )
    if len(repeats) <= coefficients:
        raise DataError(
            f"replicate_variance needs at least {coefficients + 1} repeats; got "
            f"{len(repeats)}: measure more"
        )
    order = np.argsort(frequency)
    frequency, repeats = frequency[order], repeats[:, order]
    residual = repeats - _trend(repeats, coefficients)
    degrees_of_freedom = len(repeats) - coefficients
    parts = np.stack([np.real(residual), np.imag(residual)])
    variance = parts.var(axis=1) * len(residual) / degrees_of_freedom
    if not np.all(variance > 0):
        raise DataError(
            f"the repeats are equal at {frequency[variance.min(0).argmin()]} Hz: check "
            "that they are not copies of one spectrum"
        )
    decades = np.log10(frequency)
    kernel = np.exp(-0.5 * ((decades[:, None] - decades[None]) / (0.5 * _WINDOW)) ** 2)
    smooth = variance @ kernel / kernel.sum(1)
    standard = np.concatenate(list(parts), axis=1) / np.sqrt(smooth).ravel()
    return KnownVariance(
        frequency, smooth, _scale_degrees_of_freedom(standard, degrees_of_freedom)
    )


def replicate_predictive(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, ahead: int | None = None
) -> Predictive:
    """Predictive of one more repeat of (Re, Im) in ohm without a circuit, shape [f 2].

    Frequencies ascend. The uncertainty of the mean, or of the line, of the repeats is
    epistemic. The uncertainty of the variance makes the tails heavier than Gaussian.

    Args:
        frequency_hz: positive frequencies in Hz, shape [f].
        impedance_ohm: complex impedances in ohm, shape [repeats f].
        ahead: None for a repeat like the others; for a cell that drifts, the number of
            repeats after the last one, with a linear drift (three repeats or more).

    Raises:
        DataError: as in `replicate_variance`.
    """
    drift = ahead is not None
    noise = replicate_variance(frequency_hz, impedance_ohm, drift=drift)
    order = np.argsort(np.asarray(frequency_hz))
    repeats = np.asarray(impedance_ohm, complex)[:, order]
    count = len(repeats)
    basis = np.vander(np.arange(count, dtype=float), 2 if drift else 1)
    at = np.array([count - 1 + ahead, 1.0]) if ahead is not None else np.ones(1)
    weight = at @ np.linalg.pinv(basis)  # of each repeat in the predicted mean
    mean = weight @ repeats
    mean = np.stack([np.real(mean), np.imag(mean)], axis=-1)[None, None]
    one = jnp.ones(1, noise.variance.dtype)
    scale, log_node_weight = scale_nodes(one, noise.degrees_of_freedom[None])
    variance = scale[0][:, None, None, None] * noise.variance.T[None, None]
    log_weight = log_node_weight[:, None, None, None]
    return Predictive(mean, variance, variance * float(weight @ weight), log_weight)


def _trend(repeats, coefficients):
    """Least-squares polynomial over the repeats with this number of coefficients."""
    basis = np.vander(np.linspace(-1, 1, len(repeats)), coefficients)
    return basis @ np.linalg.lstsq(basis.astype(complex), repeats, rcond=None)[0]


def _scale_degrees_of_freedom(standard, degrees_of_freedom):
    """Degrees of freedom of the variance scale if errors are correlated over frequency.

    For n independent columns, tr(G²)/tr(G)² of their Gram matrix is about
    1/degrees_of_freedom + 1/n (moments of a Wishart matrix); solved for n.
    """
    gram = standard @ standard.T
    ratio = np.sum(gram**2) / np.trace(gram) ** 2
    independent = 1 / max(ratio - 1 / degrees_of_freedom, 1 / standard.shape[1])
    return float(degrees_of_freedom * max(independent, 1.0))
