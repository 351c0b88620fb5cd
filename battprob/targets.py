"""What is to be predicted of each cell: cycle life, or the capacity at one cycle."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int
from battprob.data.records import Cell
from battprob.dataset import EXACT, LOWER_BOUND, UPPER_BOUND
from battprob.transforms import AbstractTransform, Identity, Log


class Target(eqx.Module):
    """One number a cell, with what is known of it.

    Args:
        value: the target, in `unit`.
        rows: name of the cell of each value.
        name: what it is called.
        unit: its unit.
        variance: variance of each value's own measurement error on the scale of
            `transform`; None: not known.
        censored: 0 or False where the value is exact, 1 or True where it is a lower
            bound, -1 where it is an upper bound; default all exact.
        transform: scale on which it varies evenly; default its own.

    Raises:
        DataError: the lengths disagree.

    Example:
        >>> target = Target([420.0, 910.0], rows=["a", "b"], name="life", unit="cycles")
        >>> target.value.shape, target.censored.tolist()
        ((2,), [0, 0])
    """

    value: Float[Array, " n"]
    variance: Float[Array, " n"] | None
    censored: Int[Array, " n"]
    rows: tuple[str, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)
    unit: str = eqx.field(static=True)
    transform: AbstractTransform = eqx.field(static=True)

    def __init__(
        self,
        value: ArrayLike | Sequence,
        *,
        rows: Sequence[str],
        name: str,
        unit: str,
        variance: ArrayLike | Sequence | None = None,
        censored: ArrayLike | Sequence | None = None,
        transform: AbstractTransform | None = None,
    ):
        dtype = jnp.result_type(float)
        censored = np.zeros(len(rows), int) if censored is None else censored
        self.value = jnp.asarray(value, dtype)
        self.variance = None if variance is None else jnp.asarray(variance, dtype)
        self.censored = jnp.asarray(censored, jnp.int32)
        self.rows, self.name, self.unit = tuple(rows), name, unit
        self.transform = Identity() if transform is None else transform
        columns = {
            "value": self.value,
            "variance": self.variance,
            "censored": self.censored,
        }
        for column, array in columns.items():
            if array is not None and array.shape != (len(rows),):
                raise DataError(
                    f"target {name!r} has {len(rows)} rows; {column} has {array.shape}"
                )


def cycle_life(cells: Sequence[Cell], *, threshold_ah: float | None = None) -> Target:
    r"""Cycles until the discharge capacity falls below a threshold, on a log scale.

    With a threshold $Q^*$ and $k$ the first cycle whose capacity lies below it, the life
    is where the line from the cycle before, $j$, crosses it:

    $$L = j + (k - j) \frac{Q_j - Q^*}{Q_j - Q_k}$$

    so L lies in (k - 1, k] where no cycle is missing, while sources usually record k. One
    low reading ends a life: repair glitches first with `battprob.data.despike`.

    Args:
        cells: records; missing capacities (NaN) are stepped over.
        threshold_ah: end of life, Ah. None: the life that the source recorded, and its
            own flag of censoring.

    Returns:
        Lives in cycles. A cell that ends above the threshold is censored at its last
        cycle (a lower bound); one that begins below it, at its first (an upper bound).

    Raises:
        DataError: a cell has no recorded life (threshold None) or no capacity at all.

    Example:
        >>> import numpy as np
        >>> capacity = np.array([1.0, 0.9, 0.86])
        >>> cell = Cell("a", cycle=np.array([100, 200, 300]), capacity_ah=capacity)
        >>> f"{cycle_life([cell], threshold_ah=0.88).value[0]:.0f}"
        '250'
    """
    if threshold_ah is None:
        value, censored = _recorded_lives(cells)
    else:
        value, censored = zip(
            *(_crossing(cell, threshold_ah) for cell in cells), strict=True
        )
    return Target(
        value,
        rows=[cell.name for cell in cells],
        name="cycle life",
        unit="cycles",
        censored=censored,
        transform=Log(),
    )


def capacity_at(cells: Sequence[Cell], cycle: int) -> Target:
    """Discharge capacity at one cycle number, Ah.

    Raises:
        DataError: a cell has no capacity there; the message names the cells.
    """
    found = [_at(cell, cycle) for cell in cells]
    absent = [cell.name for cell, q in zip(cells, found, strict=True) if np.isnan(q)]
    if absent:
        raise DataError(
            f"no capacity at cycle {cycle} in {_listed(absent)}: leave those cells out "
            "or choose another cycle"
        )
    return Target(
        found,
        rows=[cell.name for cell in cells],
        name=f"capacity at cycle {cycle}",
        unit="Ah",
    )


def _recorded_lives(cells):
    unknown = [cell.name for cell in cells if np.isnan(cell.cycle_life)]
    if unknown:
        raise DataError(
            f"the source recorded no life of {_listed(unknown)}: leave those cells out "
            "or give threshold_ah to find it in the capacities"
        )
    return [cell.cycle_life for cell in cells], [cell.censored for cell in cells]


def _crossing(cell, threshold):
    known = np.isfinite(cell.capacity_ah)
    cycle, capacity = cell.cycle[known], cell.capacity_ah[known]
    if cycle.size == 0:
        raise DataError(f"cell {cell.name!r} has no capacity: leave it out")
    below = capacity < threshold
    if not below.any():
        return cycle[-1], LOWER_BOUND
    k = int(np.argmax(below))
    if k == 0:
        return cycle[0], UPPER_BOUND
    fraction = (capacity[k - 1] - threshold) / (capacity[k - 1] - capacity[k])
    return cycle[k - 1] + fraction * (cycle[k] - cycle[k - 1]), EXACT


def _at(cell, cycle):
    here = np.flatnonzero(cell.cycle == cycle)
    return cell.capacity_ah[here[0]] if here.size else np.nan


def _listed(names, most=8):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
