"""Features of the first cycles of a cell, from which its cycle life is predicted."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float, Int
from battprob.data.records import Cell
from battprob.features._cell_arrays import (
    require_capacities,
    stack_capacities,
    stack_curves,
)
from battprob.features.capacity import capacity_at, capacity_rise
from battprob.features.delta_q import delta_q_statistics
from battprob.features.fade import fade_line
from battprob.features.table import FeatureTable

FIRST_CYCLE = 2  # cycle 1 is missing or differs from the others in most records
LATE_WINDOW = 10  # cycles

_UNITS = {
    "delta_q_log10_variance": "log10 Ah²",
    "delta_q_log10_minimum": "log10 Ah",
    "delta_q_log10_mean": "log10 Ah",
    "delta_q_log10_skewness": "",
    "delta_q_log10_kurtosis": "",
    "delta_q_inverse_kurtosis": "",
    "first_capacity": "Ah",
    "capacity_rise": "Ah",
    "late_capacity": "Ah",
    "fade_slope": "Ah/cycle",
    "fade_intercept": "Ah",
    "late_fade_slope": "Ah/cycle",
    "late_fade_intercept": "Ah",
}

DISCHARGE = (
    "delta_q_log10_minimum",
    "delta_q_log10_variance",
    "delta_q_log10_skewness",
    "delta_q_log10_kurtosis",
    "first_capacity",
    "capacity_rise",
)

DELTA_Q_AND_FADE = (
    *DISCHARGE,
    "fade_slope",
    "fade_intercept",
    "late_fade_slope",
    "late_fade_intercept",
    "late_capacity",
)


def early_life(
    cells: Sequence[Cell], *, early_cycle: int = 10, late_cycle: int = 100
) -> FeatureTable:
    r"""Early-life features: statistics of ΔQ(V), capacity, and capacity fade.

    With $\Delta Q(V) = Q_{late}(V) - Q_{early}(V)$ and capacity $Q_k$ at cycle k:

    | column | meaning |
    |---|---|
    | `delta_q_…` | statistics of ΔQ(V), see `delta_q_statistics` |
    | `first_capacity`, `late_capacity` | $Q_2$, $Q_{late}$ |
    | `capacity_rise` | $\max_{2 \le k \le late} Q_k - Q_2$ |
    | `fade_slope`, `fade_intercept` | line through $Q_k$, k = 2 … late |
    | `late_fade_slope`, `late_fade_intercept` | line through the last ten $Q_k$ |

    The `variance` of slopes and intercepts is their squared standard error; the
    variance of the other features is unknown (NaN). `DISCHARGE` and `DELTA_Q_AND_FADE`
    are two common selections of columns. Spikes are not removed: use
    `battprob.data.despike` first.

    Args:
        cells: records with Q(V) curves on one grid of equally spaced voltages.
        early_cycle, late_cycle: the cycles of ΔQ; later cycles are ignored.

    Returns:
        One row per cell, in the given order; `groups` are the batches if every cell has
        one.

    Raises:
        DataError: not 2 ≤ early_cycle < late_cycle, or a cell lacks a required curve or
            capacity or has another voltage grid; the message names the cell.

    Example:
        >>> import numpy as np
        >>> cycle, voltage = np.arange(2, 31), np.linspace(3.6, 2.0, 5)
        >>> capacity = 1.08 - 0.001 * cycle
        >>> curves = capacity[:, None] * np.linspace(0, 1, 5)
        >>> cell = Cell(
        ...     "a",
        ...     cycle=cycle,
        ...     capacity_ah=capacity,
        ...     curve_cycle=cycle,
        ...     voltage_v=voltage,
        ...     curve_capacity_ah=curves,
        ... )
        >>> table = early_life([cell], early_cycle=10, late_cycle=30)
        >>> f"{table.select(['fade_slope']).x[0, 0]:.4f}"
        '-0.0010'

    References:
        Severson et al., Data-driven prediction of battery cycle life before capacity
        degradation, Nature Energy 4, 383 (2019), doi:10.1038/s41560-019-0356-8.
    """
    cells = list(cells)
    require_cycles(cells, early_cycle, late_cycle)
    cycle = np.arange(FIRST_CYCLE, late_cycle + 1)
    curves = stack_curves(cells, (early_cycle, late_cycle))
    capacity = stack_capacities(cells, cycle)
    require_capacities(cells, cycle, capacity, (FIRST_CYCLE, late_cycle))
    return table_of_arrays(cells, curves, capacity, cycle)


def require_cycles(cells: Sequence[Cell], early_cycle: int, late_cycle: int) -> None:
    """Check that there are cells, and that 2 ≤ early_cycle < late_cycle.

    Raises:
        DataError: one of these conditions is not met.
    """
    if not cells or not FIRST_CYCLE <= early_cycle < late_cycle:
        raise DataError(
            f"expected cells and {FIRST_CYCLE} <= early_cycle < late_cycle; got "
            f"{len(cells)} cells and cycles {early_cycle} and {late_cycle}"
        )


def table_of_arrays(
    cells: Sequence[Cell],
    curves: Float[np.ndarray, "n 2 v"],
    capacity: Float[np.ndarray, "n c"],
    cycle: Int[np.ndarray, " c"],
) -> FeatureTable:
    """Features of `early_life` from its inputs, NaN where an input is NaN.

    Args:
        cells: cells, for the names of the rows and the batches.
        curves: Q(V) at the early and the late cycle in Ah, at equally spaced voltages.
        capacity: capacity at each cycle in Ah; NaN if missing.
        cycle: cycle numbers from 2 to the late cycle.
    """
    dtype = jnp.result_type(float)
    columns, variances = _features_of_cells(
        *(jnp.asarray(array, dtype) for array in (curves, capacity, cycle))
    )
    unknown = np.full(len(cells), np.nan, dtype)
    batches = [cell.batch for cell in cells]
    return FeatureTable(
        np.stack([columns[name] for name in _UNITS], axis=1),
        names=tuple(_UNITS),
        units=tuple(_UNITS.values()),
        rows=[cell.name for cell in cells],
        variance=np.stack([variances.get(name, unknown) for name in _UNITS], axis=1),
        groups=None if None in batches else batches,
    )


@eqx.filter_jit
def _features_of_cells(
    curves: Float[Array, "n 2 v"],
    capacity: Float[Array, "n c"],
    cycle: Float[Array, " c"],
):
    return jax.vmap(_features_of_cell, in_axes=(0, 0, None))(curves, capacity, cycle)


def _features_of_cell(curves, capacity, cycle):
    """Columns by name, and the variances that are known."""
    first, last = cycle[0], cycle[-1]
    early_curve, late_curve = curves
    moments = delta_q_statistics(late_curve - early_curve)
    whole = fade_line(cycle, capacity, first, last)
    late = fade_line(cycle, capacity, last - (LATE_WINDOW - 1), last)
    columns = {
        **{f"delta_q_{name}": value for name, value in moments._asdict().items()},
        "first_capacity": capacity_at(cycle, capacity, first),
        "capacity_rise": capacity_rise(cycle, capacity, first, last),
        "late_capacity": capacity_at(cycle, capacity, last),
        "fade_slope": whole.slope,
        "fade_intercept": whole.intercept,
        "late_fade_slope": late.slope,
        "late_fade_intercept": late.intercept,
    }
    variances = {
        "fade_slope": whole.slope_variance,
        "fade_intercept": whole.intercept_variance,
        "late_fade_slope": late.slope_variance,
        "late_fade_intercept": late.intercept_variance,
    }
    return columns, variances
