"""Impedance spectra: Nyquist, Bode, residuals, relaxation times, relevance, corner plots."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from scipy.stats import norm

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.plots._style import EPISTEMIC, REFERENCE, TOTAL, axes_or_new
from battprob.predictive import Predictive

_BAND = 0.25


def nyquist(
    impedance_ohm: ArrayLike,
    predicted: Predictive | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Negative imaginary against real part on equal axes, one spectrum.

    Args:
        impedance_ohm: measured, complex, in Ohm, shape [f].
        predicted: (Re, Im) in Ohm, batch [f 2], on any frequencies: its mean is a line,
            each frequency's 90 % ranges an ellipse along the axes.
        ax: where to draw; default a new figure.
    """
    ax, measured = axes_or_new(ax), np.asarray(impedance_ohm, complex)
    if predicted is not None:
        mean = np.asarray(predicted.mean)
        low, high = (np.asarray(end) for end in predicted.interval(0.9))
        for corner, size in zip(low, high - low, strict=True):
            middle = corner[0] + 0.5 * size[0], -(corner[1] + 0.5 * size[1])
            ellipse = Ellipse(middle, *size, color=EPISTEMIC, alpha=_BAND, linewidth=0)
            ax.add_patch(ellipse)
        ax.plot(mean[:, 0], -mean[:, 1], color=EPISTEMIC, label="mean, 90 % range")
    ax.plot(
        np.real(measured), -np.imag(measured), "o", ms=3.5, mfc="none", color=REFERENCE,
        label="measured",
    )  # fmt: skip
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="Re Z (Ω)", ylabel="−Im Z (Ω)")
    ax.legend(frameon=False)
    return ax


def bode(
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    predicted: Predictive | None = None,
) -> Figure:
    """Real and negative imaginary part against frequency, one above the other.

    Args:
        frequency_hz: positive, in Hz, shape [f].
        impedance_ohm: measured, complex, in Ohm, shape [f].
        predicted: (Re, Im) in Ohm at the same frequencies, batch [f 2].
    """
    frequency, measured = _pair(frequency_hz, impedance_ohm)
    figure, axes = plt.subplots(2, sharex=True, layout="constrained")
    order = np.argsort(frequency)
    rows = (("Re Z (Ω)", np.real(measured), 1), ("−Im Z (Ω)", -np.imag(measured), -1))
    for column, (ax, (label, values, sign)) in enumerate(zip(axes, rows, strict=True)):
        if predicted is not None:
            mean = np.asarray(predicted.mean)[order, column]
            low, high = (np.asarray(e)[order, column] for e in predicted.interval(0.9))
            band = sign * low, sign * high
            ax.fill_between(frequency[order], *band, color=EPISTEMIC, alpha=_BAND, lw=0)
            ax.plot(frequency[order], sign * mean, color=EPISTEMIC)
        ax.plot(frequency, values, "o", ms=3.5, mfc="none", color=REFERENCE)
        ax.set(ylabel=label, xscale="log")
    axes[-1].set_xlabel("frequency (Hz)")
    return figure


def spectrum_residuals(
    frequency_hz: ArrayLike,
    impedance_ohm: ArrayLike,
    predicted: Predictive,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Standardised residuals of Re and Im by frequency: noise shows no runs.

    Args:
        frequency_hz: positive, in Hz, shape [f].
        impedance_ohm: measured, complex, in Ohm, shape [f].
        predicted: (Re, Im) in Ohm at the same frequencies, batch [f 2].
        ax: where to draw; default a new figure.
    """
    frequency, measured = _pair(frequency_hz, impedance_ohm)
    ax = axes_or_new(ax)
    values = np.stack([np.real(measured), np.imag(measured)], axis=-1)
    standard = (values - np.asarray(predicted.mean)) / np.asarray(predicted.std)
    ax.axhspan(-1.645, 1.645, color=TOTAL, alpha=_BAND, lw=0, label="90 %")
    for column, (label, marker) in enumerate((("Re", "o"), ("Im", "s"))):
        ax.plot(frequency, standard[:, column], marker, ms=3.5, mfc="none", label=label)
    ax.set(xscale="log", xlabel="frequency (Hz)", ylabel="residual (sd)")
    ax.legend(frameon=False, ncols=3)
    return ax


def relaxation_times(
    tau_s: ArrayLike, gamma: Predictive, *, ax: Axes | None = None, label: str = ""
) -> Axes:
    """A distribution of relaxation times with its 90 % band.

    Args:
        tau_s: relaxation times, in s, shape [t].
        gamma: γ(ln τ) in Ohm there, batch [t], as `DRTPosterior.predict` answers it.
        ax: where to draw; default a new figure.
        label: for a legend.
    """
    tau, ax = np.asarray(tau_s, float), axes_or_new(ax)
    if gamma.shape != tau.shape:
        raise DataError(
            f"{tau.shape} times, but predictions {gamma.shape}: take one of the batch"
        )
    low, high = (np.asarray(end) for end in gamma.interval(0.9))
    (line,) = ax.plot(tau, np.asarray(gamma.mean), label=label or "mean, 90 % band")
    ax.fill_between(tau, low, high, color=line.get_color(), alpha=_BAND, lw=0)
    ax.set(xscale="log", xlabel="relaxation time (s)", ylabel="γ (Ω)")
    ax.legend(frameon=False)
    return ax


def consistency(
    frequency_hz: ArrayLike,
    residual: ArrayLike,
    outlier: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Residuals of a Kramers-Kronig test with limits: 90 % each, 95 % for all together.

    Args:
        frequency_hz: positive, in Hz, shape [f].
        residual: of Re and Im, in sd, shape [f 2], as `eis.kramers_kronig` answers them.
        outlier: frequencies to mark, shape [f].
        ax: where to draw; default a new figure.
    """
    ax, frequency, residual = (
        axes_or_new(ax),
        np.asarray(frequency_hz, float),
        np.asarray(residual, float),
    )
    if residual.shape != (*frequency.shape, 2):
        raise DataError(
            f"residuals must be [f 2] for {frequency.size} frequencies; got {residual.shape}"
        )
    limit = norm.isf(0.025 / residual.size)
    ax.axhspan(-1.645, 1.645, color=TOTAL, alpha=_BAND, lw=0, label="90 %")
    for end in (-limit, limit):
        ax.axhline(float(end), color=REFERENCE, lw=0.8, ls="--")
    for column, (label, marker) in enumerate((("Re", "o"), ("Im", "s"))):
        ax.plot(frequency, residual[:, column], marker, ms=3.5, mfc="none", label=label)
    if outlier is not None and np.any(outlier):
        off = np.asarray(outlier, bool)
        ax.plot(frequency[off], residual[off], "x", color=EPISTEMIC, ms=8)
    ax.set(xscale="log", xlabel="frequency (Hz)", ylabel="residual (sd)")
    ax.legend(frameon=False, ncols=3)
    return ax


def relevance(
    frequency_hz: ArrayLike, weight: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """How much Re and Im of each frequency matter to a model of spectra.

    Args:
        frequency_hz: positive, in Hz, shape [f].
        weight: of Re and Im there, nought or more, shape [f 2]: 1/ℓ² of a kernel with a
            lengthscale for every feature, or squared standardised weights of a line.
        ax: where to draw; default a new figure.
    """
    ax, frequency = axes_or_new(ax), np.asarray(frequency_hz, float)
    weight = np.asarray(weight, float)
    if weight.shape != (*frequency.shape, 2):
        raise DataError(
            f"weights must be [f 2] for {frequency.size} frequencies; got {weight.shape}"
        )
    order = np.argsort(frequency)
    for column, (label, marker) in enumerate((("Re", "o"), ("Im", "s"))):
        ax.plot(
            frequency[order], weight[order, column], f"{marker}-", ms=3.5, label=label
        )
    ax.set(xscale="log", xlabel="frequency (Hz)", ylabel="relevance")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, ncols=2)
    return ax


def corner(
    draws: dict[str, ArrayLike], *, units: dict[str, str] | None = None
) -> Figure:
    """Every pair of parameters of one spectrum, and each parameter's histogram.

    Args:
        draws: draws [num] by name, as `CircuitPosterior.sample` answers them.
        units: written below the names.
    """
    names, columns = list(draws), [np.asarray(values) for values in draws.values()]
    if any(values.ndim != 1 for values in columns):
        raise DataError(
            "corner needs draws [num] of one spectrum: take one of the batch"
        )
    count = len(names)
    figure, axes = plt.subplots(
        count, count, figsize=(1.5 * count, 1.5 * count), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for row in range(count):
        for column in range(count):
            ax = axes[row, column]
            if column > row:
                ax.set_visible(False)
            elif column == row:
                ax.hist(columns[row], bins=40, color=EPISTEMIC, histtype="stepfilled")
                ax.set_yticks([])
            else:
                ax.plot(columns[column], columns[row], ",", color=EPISTEMIC, alpha=0.5)
            _label(ax, names, units or {}, row, column, count)
    return figure


def _label(ax, names, units, row, column, count):
    ax.locator_params(nbins=3)
    ax.tick_params(
        labelsize=6, labelbottom=row == count - 1, labelleft=column == 0 < row
    )
    if row == count - 1:
        ax.set_xlabel(_named(names[column], units), fontsize=8)
    if column == 0 < row:
        ax.set_ylabel(_named(names[row], units), fontsize=8)


def _named(name, units):
    return f"{name}\n({units[name]})" if units.get(name) else name


def _pair(frequency_hz, impedance_ohm):
    frequency = np.asarray(frequency_hz, float)
    measured = np.asarray(impedance_ohm, complex)
    if frequency.ndim != 1 or frequency.shape != measured.shape:
        raise DataError(
            "a spectrum's plot needs frequencies [f] and impedances [f]; got shapes "
            f"{frequency.shape} and {measured.shape}"
        )
    return frequency, measured
