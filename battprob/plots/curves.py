"""Measured curves of many cells, coloured by cycle life."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.plots._style import axes_or_new, plain_numbers


def delta_q(
    voltage_v: ArrayLike,
    delta_q_ah: ArrayLike,
    life: ArrayLike,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Change of each cell's discharge capacity curve between two early cycles.

    Args:
        voltage_v: common voltage grid, in V, shape [v].
        delta_q_ah: capacity change at each voltage, in Ah, shape [n v].
        life: cycle life of each cell, in cycles; the colour of its curve (log scale).
        ax: axes to draw on, shared with the colour bar; default a new figure.

    Raises:
        DataError: the shapes do not match, or a life is not positive.

    Example:
        >>> import numpy as np
        >>> voltage = np.linspace(2.0, 3.5, 50)
        >>> curves = -np.array([[0.01], [0.05]]) * np.exp(-(((voltage - 3.0) / 0.2) ** 2))
        >>> delta_q(voltage, curves, np.array([1800.0, 450.0])).get_ylabel()
        'capacity change ΔQ (Ah)'

    References:
        Severson et al., Data-driven prediction of battery cycle life before capacity
        degradation, Nature Energy 4, 383 (2019), doi:10.1038/s41560-019-0356-8, fig. 2.
    """
    voltage, curves, life = (np.asarray(a) for a in (voltage_v, delta_q_ah, life))
    if voltage.ndim != 1 or curves.shape != life.shape + voltage.shape:
        raise DataError(
            "delta_q needs voltage [v], curves [cells v] and life [cells]; got shapes "
            f"{voltage.shape}, {curves.shape} and {life.shape}"
        )
    if not np.all(life > 0):
        raise DataError(
            f"life must be positive; it is not in rows {np.flatnonzero(~(life > 0))}. "
            "Remove these cells"
        )
    ax = axes_or_new(ax)
    lines = LineCollection(
        [np.column_stack([voltage, curve]) for curve in curves],
        array=life,
        norm=LogNorm(),
        cmap="viridis",
        linewidths=1,
    )
    ax.add_collection(lines, autolim=True)
    ax.autoscale_view()
    ax.set(xlabel="voltage (V)", ylabel="capacity change ΔQ (Ah)")
    bar = ax.figure.colorbar(lines, ax=ax, label="cycle life (cycles)")
    plain_numbers(bar.ax.yaxis)
    return ax
