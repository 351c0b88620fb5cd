"""Incremental capacity curves with uncertainty bands."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.plots._style import axes_or_new
from battprob.predictive import Predictive


def incremental_capacity(
    grid_v: ArrayLike,
    curve: Predictive,
    *,
    level: float = 0.9,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Incremental capacity dQ/dV of each cycle against voltage, with an interval.

    Args:
        grid_v: voltages of the curve, in V, shape [v].
        curve: dQ/dV in Ah/V, batch [cycles v].
        level: nominal coverage of the interval at each voltage.
        labels: name of each cycle.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: the batch of `curve` is not [cycles v] for these voltages.

    Example:
        >>> import numpy as np
        >>> curve = Predictive.gaussian(np.ones((2, 5)), 0.0, 0.1)
        >>> incremental_capacity(np.linspace(3, 4, 5), curve).get_xlabel()
        'voltage (V)'
    """
    grid = np.asarray(grid_v)
    if len(curve.shape) != 2 or curve.shape[1:] != grid.shape:
        raise DataError(
            f"incremental_capacity needs a curve [cycles v] at {grid.size} voltages; got "
            f"{curve.shape}"
        )
    ax = axes_or_new(ax)
    low, high = (np.asarray(a) for a in curve.interval(level))
    for cycle, mean in enumerate(np.asarray(curve.mean)):
        label = None if labels is None else labels[cycle]
        (line,) = ax.plot(grid, mean, linewidth=1, label=label)
        ax.fill_between(
            grid,
            low[cycle],
            high[cycle],
            color=line.get_color(),
            alpha=0.3,
            linewidth=0,
        )
    ax.set(xlabel="voltage (V)", ylabel="dQ/dV (Ah/V)")
    if labels is not None:
        ax.legend(title=f"{level:.0%} interval", frameon=False)
    return ax
