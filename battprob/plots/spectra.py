"""Impedance spectra: Nyquist, Bode and residual plots, relaxation times, corner plots."""

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

_BAND = 0.25  # opacity of bands


def nyquist(
    impedance_ohm: ArrayLike,
    predicted: Predictive | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Nyquist plot of one spectrum: negative imaginary part against real part.

    Args:
        impedance_ohm: measured impedance, complex, in Ω, shape [f].
        predicted: predicted (Re, Im) in Ω, batch [f 2], at any frequencies. The line is
            the mean; each ellipse has the 90 % intervals of Re and Im as its axes.
        ax: axes to draw on; default a new figure.
    """
    ax, measured = axes_or_new(ax), np.asarray(impedance_ohm, complex)
    if predicted is not None:
        mean = np.asarray(predicted.mean)
        low, high = (np.asarray(end) for end in predicted.interval(0.9))
        for lower, width in zip(low, high - low, strict=True):
            centre = lower[0] + 0.5 * width[0], -(lower[1] + 0.5 * width[1])
            ellipse = Ellipse(centre, *width, color=EPISTEMIC, alpha=_BAND, linewidth=0)
            ax.add_patch(ellipse)
        ax.plot(mean[:, 0], -mean[:, 1], color=EPISTEMIC, label="mean, 90 % interval")
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
    """Real part and negative imaginary part against frequency, on two axes.

    Args:
        frequency_hz: frequencies, positive, in Hz, shape [f].
        impedance_ohm: measured impedance, complex, in Ω, shape [f].
        predicted: predicted (Re, Im) in Ω at the same frequencies, batch [f 2].
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
    """Standardised residuals of Re and Im against frequency.

    The residuals of a correct model are uncorrelated; runs of equal sign indicate a
    systematic error.

    Args:
        frequency_hz: frequencies, positive, in Hz, shape [f].
        impedance_ohm: measured impedance, complex, in Ω, shape [f].
        predicted: predicted (Re, Im) in Ω at the same frequencies, batch [f 2].
        ax: axes to draw on; default a new figure.
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
    """Distribution of relaxation times with its 90 % interval.

    Args:
        tau_s: relaxation times, in s, shape [t].
        gamma: γ(ln τ) at these times, in Ω, batch [t], from `DRTPosterior.predict`.
        ax: axes to draw on; default a new figure.
        label: label in the legend.
    """
    tau, ax = np.asarray(tau_s, float), axes_or_new(ax)
    if gamma.shape != tau.shape:
        raise DataError(
            f"gamma must have one prediction for each time, shape {tau.shape}; got "
            f"{gamma.shape}. Select one spectrum of the batch"
        )
    low, high = (np.asarray(end) for end in gamma.interval(0.9))
    (line,) = ax.plot(tau, np.asarray(gamma.mean), label=label or "mean, 90 % interval")
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
    """Residuals of a Kramers-Kronig test, with pointwise and simultaneous limits.

    The grey band contains 90 % of single residuals. The dashed lines contain all residuals
    with a probability of 95 % (Bonferroni).

    Args:
        frequency_hz: frequencies, positive, in Hz, shape [f].
        residual: residuals of Re and Im in standard deviations, shape [f 2], from
            `eis.kramers_kronig`.
        outlier: whether to mark each frequency, shape [f].
        ax: axes to draw on; default a new figure.
    """
    ax, frequency, residual = (
        axes_or_new(ax),
        np.asarray(frequency_hz, float),
        np.asarray(residual, float),
    )
    if residual.shape != (*frequency.shape, 2):
        raise DataError(
            f"residual must be [f 2] for {frequency.size} frequencies; got {residual.shape}"
        )
    limit = norm.isf(0.025 / residual.size)
    ax.axhspan(-1.645, 1.645, color=TOTAL, alpha=_BAND, lw=0, label="90 %")
    for end in (-limit, limit):
        ax.axhline(float(end), color=REFERENCE, lw=0.8, ls="--")
    for column, (label, marker) in enumerate((("Re", "o"), ("Im", "s"))):
        ax.plot(frequency, residual[:, column], marker, ms=3.5, mfc="none", label=label)
    if outlier is not None and np.any(outlier):
        marked = np.asarray(outlier, bool)
        ax.plot(frequency[marked], residual[marked], "x", color=EPISTEMIC, ms=8)
    ax.set(xscale="log", xlabel="frequency (Hz)", ylabel="residual (sd)")
    ax.legend(frameon=False, ncols=3)
    return ax


def relevance(
    frequency_hz: ArrayLike, weight: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Relevance of Re and Im at each frequency for a model of spectra.

    Args:
        frequency_hz: frequencies, positive, in Hz, shape [f].
        weight: relevance of Re and Im, zero or positive, shape [f 2]: 1/ℓ² of a kernel
            with one lengthscale per feature, or squared standardised weights of a linear
            model.
        ax: axes to draw on; default a new figure.
    """
    ax, frequency = axes_or_new(ax), np.asarray(frequency_hz, float)
    weight = np.asarray(weight, float)
    if weight.shape != (*frequency.shape, 2):
        raise DataError(
            f"weight must be [f 2] for {frequency.size} frequencies; got {weight.shape}"
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
    """Corner plot of the parameters of one spectrum: all pairs, and histograms.

    Args:
        draws: draws [num] by name of the parameter, from `CircuitPosterior.sample`.
        units: unit of each parameter, for the labels.
    """
    names, columns = list(draws), [np.asarray(values) for values in draws.values()]
    if any(values.ndim != 1 for values in columns):
        raise DataError(
            "corner needs draws [num] of one spectrum; select one spectrum of the batch"
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
            "one spectrum needs frequencies and impedances of the same length; got shapes "
            f"{frequency.shape} and {measured.shape}"
        )
    return frequency, measured
