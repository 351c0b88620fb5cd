"""Features of impedance spectra on a common frequency grid, with their errors."""

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

_RELATIVE_TOLERANCE = 1e-6  # instruments round the first and last frequency differently


class Bode(NamedTuple):
    """Decimal logarithm of |Z| (ohm), and phase in rad."""

    log10_magnitude: Float[Array, "*b f"]
    phase_rad: Float[Array, "*b f"]


def nyquist(impedance_ohm: Complex[Array, "*b f"]) -> Float[Array, "*b f 2"]:
    """Re Z and -Im Z in ohm, the two axes of a Nyquist plot.

    Example:
        >>> nyquist(jnp.array([2.0 - 0.5j])).tolist()
        [[2.0, 0.5]]
    """
    return jnp.stack([impedance_ohm.real, -impedance_ohm.imag], axis=-1)


def bode(impedance_ohm: Complex[Array, "*b f"]) -> Bode:
    r"""Magnitude $\log_{10}|Z|$ and phase $\arg Z$, unwrapped along the last axis.

    The first phase is in (-π, π]; multiples of 2π are added to the others so that each
    is nearest to the previous one. At Z = 0 the magnitude is -inf and the phase 0, both
    with gradient 0.

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
    """Re Z and -Im Z of each spectrum at common frequencies, one row per spectrum.

    Between measured frequencies Z is interpolated linearly in log frequency. The
    variance of an interpolated value is computed from those of its two neighbours under
    the assumption that their errors are independent. A common error (drift, gain) makes
    the result too small, at most by a factor of two. The interpolation error is not
    included; the grid should not be finer than the sweep.

    Args:
        spectra: spectra whose frequencies cover the grid.
        grid_hz: frequencies of the features in Hz, such as `np.geomspace(1e3, 0.1,
            20)`.
        variance_ohm2: for each spectrum the variances [f, 2] of Re and Im in ohm² at
            its own frequencies, from repeated measurements or a noise model. None:
            unknown.

    Raises:
        DataError: a spectrum does not cover the grid, or the shapes of the variances do
            not match.

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
    """log10 |Z| and unwrapped phase of each spectrum at common frequencies.

    Arguments and interpolation are those of `nyquist_table`. The variances are computed
    from those of Re and Im to first order, which is valid for errors much smaller than
    |Z|.

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
    """log10 γ of each spectrum at common relaxation times, with its posterior variance.

    Args:
        rows: names of the spectra.
        tau_s: relaxation times in s, such as `np.geomspace(1e-4, 10, 15)`.
        gamma: γ(ln τ) in ohm at these times, [n, t], as
            `eis.DRT().fit(...).predict(tau_s)` returns it.

    Raises:
        DataError: the numbers of rows and times are not those of the predictions.

    Example:
        >>> gamma = Predictive.gaussian([[10.0, 100.0]], 0.0, 1e-4)
        >>> table = relaxation_table(["a"], [0.1, 1.0], gamma)
        >>> table.names, [f"{x:.2f}" for x in table.x[0]]
        (('log10_gamma_0.1s', 'log10_gamma_1s'), ['1.00', '2.00'])
    """
    if gamma.shape != (len(rows), len(tau_s)):
        raise DataError(
            f"gamma must have shape [rows, times] = ({len(rows)}, {len(tau_s)}); got "
            f"{gamma.shape}"
        )
    # log γ is approximately normal: half the distance between its quantiles at ±1
    # standard deviation is the standard deviation, and insensitive to the tails.
    low, median, high = jnp.log10(gamma.quantile(jnp.array([0.1587, 0.5, 0.8413])))
    return FeatureTable(
        np.asarray(median),
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
    """Re and Im of each spectrum on the grid, and their variances, both [n, f, 2]."""
    if variance_ohm2 is None:
        variance_ohm2 = [np.full((len(s.frequency_hz), 2), np.nan) for s in spectra]
    if len(variance_ohm2) != len(spectra) or not len(spectra):
        raise DataError(
            "expected at least one spectrum, and one array of variances for each; got "
            f"{len(spectra)} spectra and {len(variance_ohm2)} variances"
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
            f"spectrum {spectrum.name!r}: variance_ohm2 must have shape "
            f"({len(frequency)}, 2), a variance of Re and one of Im; got "
            f"{variance.shape}"
        )
    outside = (grid < frequency[0] * (1 - _RELATIVE_TOLERANCE)) | (
        grid > frequency[-1] * (1 + _RELATIVE_TOLERANCE)
    )
    if outside.any() or (grid <= 0).any():
        raise DataError(
            f"spectrum {spectrum.name!r} covers {frequency[0]:g} to {frequency[-1]:g} "
            f"Hz, not {grid[outside | (grid <= 0)][0]:g} Hz: reduce the range of the "
            "grid"
        )
    parts = np.stack([spectrum.impedance_ohm.real, spectrum.impedance_ohm.imag], axis=1)
    low = np.clip(np.searchsorted(frequency, grid, "right") - 1, 0, len(frequency) - 1)
    high = np.minimum(low + 1, len(frequency) - 1)
    # At the ends `low` and `high` are the same frequency, with width 0 and weight 0.
    width = np.log(frequency[high] / frequency[low])
    weight = np.log(grid / frequency[low]) / np.where(width > 0, width, 1.0)
    weight = np.clip(weight, 0.0, 1.0)[:, None]
    values, variances = parts[order], variance[order]
    return (
        (1 - weight) * values[low] + weight * values[high],
        # With weight 0 a neighbour must not contribute even if its variance is NaN.
        np.where(weight < 1, (1 - weight) ** 2 * variances[low], 0.0)
        + np.where(weight > 0, weight**2 * variances[high], 0.0),
    )


def _table(spectra, grid_hz, values, variance, names, units):
    """Table with the two quantities of each frequency in adjacent columns."""
    labels = [f"{name}_{frequency:g}hz" for frequency in grid_hz for name in names]
    return FeatureTable(
        np.asarray(values).reshape(len(spectra), -1),
        names=labels,
        units=list(units) * len(grid_hz),
        rows=[spectrum.name for spectrum in spectra],
        variance=np.asarray(variance).reshape(len(spectra), -1),
    )
