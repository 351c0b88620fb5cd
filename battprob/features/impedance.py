"""Impedance spectra as real vectors on one grid of frequencies, with their errors."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Complex, Float
from battprob.data.spectra import Spectrum
from battprob.features.propagation import first_order
from battprob.features.table import FeatureTable
from battprob.predictive import Predictive

_EDGE = 1e-6  # relative: instruments round the ends of one sweep differently


class Bode(NamedTuple):
    """Decimal logarithm of |Z| in ohm, and the phase in rad."""

    log10_magnitude: Float[Array, "*b f"]
    phase_rad: Float[Array, "*b f"]


def nyquist(impedance_ohm: Complex[Array, "*b f"]) -> Float[Array, "*b f 2"]:
    """Real and negative imaginary part in ohm, the two axes of a Nyquist plot.

    Example:
        >>> nyquist(jnp.array([2.0 - 0.5j])).tolist()
        [[2.0, 0.5]]
    """
    return jnp.stack([impedance_ohm.real, -impedance_ohm.imag], axis=-1)


def bode(impedance_ohm: Complex[Array, "*b f"]) -> Bode:
    r"""$\log_{10}|Z|$ and $\arg Z$, the phase unwrapped along the last axis.

    The first phase is in (-π, π]; each next one is the nearest to the one before it. At
    Z = 0 the magnitude is -inf and the phase 0, both with gradient 0.

    Example:
        >>> magnitude, phase = bode(jnp.array([-1.0 + 0.1j, -1.0 - 0.1j]))
        >>> [f"{p:.2f}" for p in phase]
        ['3.04', '3.24']
    """
    parts = jnp.stack([impedance_ohm.real, impedance_ohm.imag], axis=-1)
    log10_magnitude, phase = jnp.moveaxis(_polar(parts), -1, 0)
    return Bode(log10_magnitude, jnp.unwrap(phase))


def nyquist_table(
    spectra: Sequence[Spectrum],
    grid_hz: Sequence[float] | np.ndarray,
    *,
    variance_ohm2: Sequence[np.ndarray] | None = None,
) -> FeatureTable:
    """Re Z and -Im Z of every spectrum at common frequencies, one row a spectrum.

    Between measured frequencies Z is interpolated linearly in log frequency. Its error
    there follows from those of its two neighbours, taken as independent: an error that
    both share (a drift, a gain) is understated, at most by half. The error of
    interpolating is not in it, so choose a grid no finer than the sweep.

    Args:
        spectra: records whose sweeps cover the grid.
        grid_hz: frequencies of the features, such as `np.geomspace(1e3, 0.1, 20)`.
        variance_ohm2: of each spectrum the variances [f 2] of Re and of Im at its own
            frequencies, independent, from replicates or from a noise model. None: not
            known.

    Raises:
        DataError: a spectrum does not reach over the grid, or variances do not fit.

    Example:
        >>> spectrum = Spectrum("a", [100.0, 1.0], [1 - 1j, 3 - 3j])
        >>> table = nyquist_table([spectrum], [10.0])
        >>> table.names, table.x.tolist()
        (('re_z_10hz', 'minus_im_z_10hz'), [[2.0, 2.0]])
    """
    parts, variance = _on_grid(spectra, grid_hz, variance_ohm2)
    values = parts * np.array([1.0, -1.0])
    return _table(
        spectra, grid_hz, values, variance, ("re_z", "minus_im_z"), ("ohm", "ohm")
    )


def bode_table(
    spectra: Sequence[Spectrum],
    grid_hz: Sequence[float] | np.ndarray,
    *,
    variance_ohm2: Sequence[np.ndarray] | None = None,
) -> FeatureTable:
    """log10 |Z| and unwrapped phase of every spectrum at common frequencies.

    Arguments and interpolation are those of `nyquist_table`; variances follow from those
    of Re and Im to first order, which holds while the error is well below |Z|.

    Example:
        >>> spectrum = Spectrum("a", [100.0, 1.0], [10 - 10j, 10 - 10j])
        >>> table = bode_table([spectrum], [10.0])
        >>> table.units, f"{table.x[0, 1]:.3f}"
        (('log10 ohm', 'rad'), '-0.785')
    """
    parts, variance = _on_grid(spectra, grid_hz, variance_ohm2)
    dtype = jnp.result_type(float)
    moments = first_order(
        _polar, jnp.asarray(parts, dtype), jnp.asarray(variance, dtype)
    )
    values = np.array(moments.value)
    values[..., 1] = np.unwrap(values[..., 1])
    names, units = ("log10_magnitude", "phase"), ("log10 ohm", "rad")
    return _table(spectra, grid_hz, values, moments.variance, names, units)


def relaxation_table(
    rows: Sequence[str], tau_s: Sequence[float] | np.ndarray, gamma: Predictive
) -> FeatureTable:
    """log10 γ of every spectrum at common relaxation times, with its posterior variance.

    Args:
        rows: names of the spectra.
        tau_s: relaxation times in s, such as `np.geomspace(1e-4, 10, 15)`.
        gamma: γ(ln τ) in ohm at these, [n t]: `eis.DRT().fit(...).predict(tau_s)`.

    Raises:
        DataError: rows, times and predictions do not agree.

    Example:
        >>> gamma = Predictive.gaussian([[10.0, 100.0]], 0.0, 1e-4)
        >>> table = relaxation_table(["a"], [0.1, 1.0], gamma)
        >>> table.names, [f"{x:.2f}" for x in table.x[0]]
        (('log10_gamma_0.1s', 'log10_gamma_1s'), ['1.00', '2.00'])
    """
    if gamma.shape != (len(rows), len(tau_s)):
        raise DataError(
            f"{len(rows)} rows and {len(tau_s)} times, but predictions {gamma.shape}"
        )
    # Within one standard deviation: the logarithm of a skewed law is about normal.
    low, middle, high = jnp.log10(gamma.quantile(jnp.array([0.1587, 0.5, 0.8413])))
    return FeatureTable(
        np.asarray(middle),
        names=[f"log10_gamma_{tau:g}s" for tau in tau_s],
        units=["log10 ohm"] * len(tau_s),
        rows=rows,
        variance=np.asarray(0.25 * (high - low) ** 2),
    )


def _polar(parts):
    """log10 |Z| and arg Z of (Re, Im) in the last axis."""
    real, imaginary = parts[..., 0], parts[..., 1]
    square = real**2 + imaginary**2
    zero = square == 0
    magnitude = 0.5 * jnp.log10(jnp.where(zero, 1.0, square))
    phase = jnp.arctan2(jnp.where(zero, 0.0, imaginary), jnp.where(zero, 1.0, real))
    return jnp.stack([jnp.where(zero, -jnp.inf, magnitude), phase], axis=-1)


def _on_grid(spectra, grid_hz, variance_ohm2):
    """Re and Im of every spectrum on the grid, and their variances: [n f 2] each."""
    if variance_ohm2 is None:
        variance_ohm2 = [np.full((len(s.frequency_hz), 2), np.nan) for s in spectra]
    if len(variance_ohm2) != len(spectra) or not len(spectra):
        raise DataError(
            f"expected spectra, and variances of each; got {len(spectra)} spectra and "
            f"{len(variance_ohm2)} variances"
        )
    pairs = [
        _interpolated(spectrum, np.asarray(grid_hz, float), np.asarray(variance, float))
        for spectrum, variance in zip(spectra, variance_ohm2, strict=True)
    ]
    return tuple(np.stack(arrays) for arrays in zip(*pairs, strict=True))


def _interpolated(spectrum, grid, variance):
    order = np.argsort(spectrum.frequency_hz)
    frequency = spectrum.frequency_hz[order]
    if variance.shape != (len(frequency), 2):
        raise DataError(
            f"spectrum {spectrum.name!r}: variance_ohm2 must be of shape "
            f"({len(frequency)}, 2), one for Re and one for Im; got {variance.shape}"
        )
    outside = (grid < frequency[0] * (1 - _EDGE)) | (grid > frequency[-1] * (1 + _EDGE))
    if outside.any() or (grid <= 0).any():
        raise DataError(
            f"spectrum {spectrum.name!r} covers {frequency[0]:g} to {frequency[-1]:g} Hz, "
            f"not {grid[outside | (grid <= 0)][0]:g} Hz: narrow the grid"
        )
    parts = np.stack([spectrum.impedance_ohm.real, spectrum.impedance_ohm.imag], axis=1)
    low = np.clip(np.searchsorted(frequency, grid, "right") - 1, 0, len(frequency) - 1)
    high = np.minimum(low + 1, len(frequency) - 1)
    width = np.log(frequency[high] / frequency[low])
    share = np.log(grid / frequency[low]) / np.where(width > 0, width, 1.0)
    share = np.clip(share, 0.0, 1.0)[:, None]
    values, errors = parts[order], variance[order]
    return (
        (1 - share) * values[low] + share * values[high],
        # At a measured frequency the other one's variance may be unknown.
        np.where(share < 1, (1 - share) ** 2 * errors[low], 0.0)
        + np.where(share > 0, share**2 * errors[high], 0.0),
    )


def _table(spectra, grid_hz, values, variance, names, units):
    """Columns ordered by frequency, the two quantities of a frequency side by side."""
    labels = [f"{name}_{frequency:g}hz" for frequency in grid_hz for name in names]
    return FeatureTable(
        np.asarray(values).reshape(len(spectra), -1),
        names=labels,
        units=list(units) * len(grid_hz),
        rows=[spectrum.name for spectrum in spectra],
        variance=np.asarray(variance).reshape(len(spectra), -1),
    )
