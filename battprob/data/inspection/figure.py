"""Figures of records: a cycler log, impedance spectra, cells, columns of a raw table."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from battprob._errors import DataError
from battprob.data.records import Cell
from battprob.data.spectra import Spectrum
from battprob.data.tables.table import RawTable
from battprob.data.timeseries import TimeSeries

_VOLTAGE, _CURRENT = "#0072B2", "#E69F00"  # of Okabe and Ito, as in battprob.plots
_CHARGE = "#7F7F7F"
_BINS = 2000  # more columns than a figure has pixels
_MOST_CURVES = 7
_MOST_LABELS = 8


def figure_of(records: Sequence[Cell | TimeSeries | Spectrum]) -> Figure:
    """Figure of the records of one file, all of one type."""
    first = records[0]
    if isinstance(first, TimeSeries):
        return _log_figure(first)
    if isinstance(first, Spectrum):
        return _spectra_figure([s for s in records if isinstance(s, Spectrum)])
    return _cells_figure([cell for cell in records if isinstance(cell, Cell)])


def figure_of_tables(tables: Sequence[RawTable], title: str) -> Figure | None:
    """Columns of numbers of the longest table against the row; None without any."""
    table = max(tables, key=len, default=None)
    if table is None:
        return None
    columns = [
        (name.strip() or f"column {index + 1}", column)
        for index, (name, column) in enumerate(
            zip(table.header, table.columns, strict=True)
        )
        if column.dtype != object and np.isfinite(column).any()
    ][:_MOST_LABELS]
    if not columns:
        return None
    figure = Figure(figsize=(9, 1.3 * len(columns) + 0.8), layout="constrained")
    axes = figure.subplots(len(columns), 1, sharex=True, squeeze=False)[:, 0]
    for ax, (name, column) in zip(axes, columns, strict=True):
        ax.plot(*_envelope(np.arange(len(column)), column), lw=0.8, color=_VOLTAGE)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
    axes[-1].set_xlabel("row (counting from 0)")
    figure.suptitle(title)
    return figure


def _log_figure(log):
    figure = Figure(figsize=(10, 8), layout="constrained")
    axes = figure.subplot_mosaic(
        [["voltage", "voltage"], ["current", "current"], ["capacity", "curves"]],
        height_ratios=[1, 1, 1.5],
    )
    axes["current"].sharex(axes["voltage"])
    unit, seconds = _time_unit(np.ptp(log.time_s))
    time = (log.time_s - log.time_s[0]) / seconds
    axes["voltage"].plot(*_envelope(time, log.voltage_v), lw=0.8, color=_VOLTAGE)
    axes["voltage"].set_ylabel("voltage (V)")
    axes["voltage"].tick_params(labelbottom=False)
    scale, prefix = _unit_prefix(log.current_a)
    axes["current"].plot(
        *_envelope(time, log.current_a * scale), lw=0.8, color=_CURRENT
    )
    axes["current"].axhline(0, lw=0.6, color=_CHARGE)
    axes["current"].set(
        xlabel=f"time ({unit})", ylabel=f"current ({prefix}A)\npositive: charging"
    )
    try:
        cell = log.to_cell(voltage_v=_grid(log))
    except DataError:  # the statements of the log give the reason
        _empty(axes["capacity"], "the charge cannot be computed")
        axes["curves"].set_axis_off()
    else:
        _draw_capacities(axes["capacity"], cell, _unit_prefix(cell.capacity_ah))
        _draw_curves(axes["curves"], cell)
    figure.suptitle(log.name)
    return figure


def _grid(log):
    """Voltages over the range of the discharge; two values if there is none."""
    discharged = log.voltage_v[log.current_a < 0]
    if discharged.size and np.ptp(discharged) > 0:
        return np.linspace(discharged.max(), discharged.min(), 500)
    return None


def _draw_capacities(ax, cell, unit):
    scale, prefix = unit
    size = 4 if len(cell.cycle) <= 100 else 2
    if "charge_capacity_ah" in cell.per_cycle:
        ax.plot(
            cell.cycle,
            cell.per_cycle["charge_capacity_ah"] * scale,
            "s",
            ms=size,
            mfc="none",
            color=_CHARGE,
            label="charge",
        )
    ax.plot(
        cell.cycle, cell.capacity_ah * scale, "o", ms=size, color=_VOLTAGE,
        label="discharge",
    )  # fmt: skip
    ax.set(xlabel="cycle", ylabel=f"capacity ({prefix}Ah)")
    ax.set_ylim(0, 1.08 * ax.dataLim.y1 if ax.dataLim.y1 > 0 else 1)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False)


def _draw_curves(ax, cell):
    if cell.curve_cycle is None:
        _empty(ax, "no discharge curve Q(V)")
        return
    complete = np.flatnonzero(np.isfinite(cell.curve_capacity_ah).any(axis=1))
    chosen = complete[_spaced(len(complete), _MOST_CURVES)]
    scale, prefix = _unit_prefix(cell.curve_capacity_ah)
    for row, color in zip(chosen, _colours(len(chosen)), strict=True):
        ax.plot(
            cell.curve_capacity_ah[row] * scale, cell.voltage_v, lw=1.2, color=color,
            label=f"cycle {cell.curve_cycle[row]}",
        )  # fmt: skip
    ax.set(xlabel=f"discharged capacity ({prefix}Ah)", ylabel="voltage (V)")
    ax.legend(frameon=False, fontsize="small")


def _cells_figure(cells):
    with_curves = [cell for cell in cells if cell.curve_cycle is not None]
    columns = 2 if with_curves else 1
    figure = Figure(figsize=(5.5 * columns, 4.5), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    scale, prefix = _unit_prefix(np.concatenate([cell.capacity_ah for cell in cells]))
    labelled = len(cells) <= _MOST_LABELS
    for cell, color in zip(cells, _colours(len(cells)), strict=True):
        style = "o-" if len(cell.cycle) <= 100 else "-"
        axes[0].plot(
            cell.cycle, cell.capacity_ah * scale, style, ms=3, lw=1, color=color,
            label=cell.name if labelled else None,
        )  # fmt: skip
    axes[0].set(xlabel="cycle", ylabel=f"discharge capacity ({prefix}Ah)")
    axes[0].set_ylim(0, 1.08 * axes[0].dataLim.y1 if axes[0].dataLim.y1 > 0 else 1)
    if labelled:
        axes[0].legend(frameon=False, fontsize="small")
    if with_curves:
        _draw_curves(axes[1], with_curves[0])
        axes[1].set_title(with_curves[0].name)
    return figure


def _spectra_figure(spectra):
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplot_mosaic([["nyquist", "modulus"], ["nyquist", "phase"]])
    axes["modulus"].sharex(axes["phase"])
    chosen = [spectra[i] for i in _spaced(len(spectra), 20)]
    scale, prefix = _unit_prefix(np.concatenate([s.impedance_ohm for s in chosen]))
    labelled = len(chosen) <= _MOST_LABELS
    for spectrum, color in zip(chosen, _colours(len(chosen)), strict=True):
        z, style = spectrum.impedance_ohm * scale, {"ms": 3, "lw": 0.8, "color": color}
        label = spectrum.name if labelled else None
        axes["nyquist"].plot(z.real, -z.imag, "o-", label=label, **style)
        axes["modulus"].plot(spectrum.frequency_hz, np.abs(z), "o-", **style)
        axes["phase"].plot(spectrum.frequency_hz, np.angle(z, deg=True), "o-", **style)
    axes["nyquist"].set_aspect("equal", adjustable="datalim")
    axes["nyquist"].axhline(0, lw=0.6, color=_CHARGE)
    axes["nyquist"].set(xlabel=f"Re Z ({prefix}Ω)", ylabel=f"−Im Z ({prefix}Ω)")
    axes["modulus"].set(xscale="log", yscale="log", ylabel=f"|Z| ({prefix}Ω)")
    axes["modulus"].yaxis.set_major_formatter(LogFormatter())
    axes["modulus"].yaxis.set_minor_formatter(LogFormatter())
    axes["modulus"].tick_params(labelbottom=False)
    axes["phase"].set(xscale="log", xlabel="frequency (Hz)", ylabel="phase (°)")
    if labelled:
        axes["nyquist"].legend(frameon=False, fontsize="small")
    if len(chosen) < len(spectra):
        figure.suptitle(f"{len(chosen)} of {len(spectra)} spectra")
    return figure


def _empty(ax, text):
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)
    ax.set_axis_off()


def _envelope(x, y):
    """Smallest and largest value in each of many bins: few points, the same picture."""
    if len(x) <= 4 * _BINS:
        return x, y
    starts = np.linspace(0, len(x), _BINS, endpoint=False).astype(int)
    ends = np.append(starts[1:], len(x))
    rows = []
    for start, end in zip(starts, ends, strict=True):
        part = np.where(np.isnan(y[start:end]), 0.0, y[start:end])
        rows += sorted({start + int(part.argmin()), start + int(part.argmax())})
    return x[rows], y[rows]


def _spaced(num, most):
    """At most `most` of the indices 0 … num-1, with the first and the last."""
    return np.unique(np.linspace(0, num - 1, min(num, most)).round().astype(int))


def _colours(num):
    return [
        colormaps["viridis"](value) for value in np.linspace(0, 0.9, max(num, 1))[:num]
    ]


def _time_unit(seconds):
    if seconds > 5 * 86400:
        return "days", 86400.0
    return ("h", 3600.0) if seconds > 3600 else ("s", 1.0)


def _unit_prefix(values):
    """Factor and prefix that bring the largest value between 1 and 1000."""
    largest = np.nanmax(np.abs(values), initial=0.0)
    for scale, prefix in ((1.0, ""), (1e3, "m"), (1e6, "µ")):
        if largest * scale >= 0.1:
            return scale, prefix
    return 1.0, ""
