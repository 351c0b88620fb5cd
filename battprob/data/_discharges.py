"""Discharges of a log: rows that discharge, joined over rests, not over charges."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from battprob.data._log_rows import LogRows
from battprob.data.charge import charge_of

_SEPARATING = 0.05  # charge between two discharges, by the discharge of the cycle
_RELEVANT = 0.01  # of the discharge of the cycle; smaller discharges do not count


class Discharges(NamedTuple):
    """Discharges of all cycles, in order of time.

    Attributes:
        row: all rows that discharge.
        start: index in `row` of the first row of each discharge.
        end: index in `row` after the last one.
        first_row: row of the log at which each discharge begins.
        cycle: cycle number of each discharge.
        charge_ah: charge of each discharge in Ah.
    """

    row: Int[np.ndarray, " r"]
    start: Int[np.ndarray, " d"]
    end: Int[np.ndarray, " d"]
    first_row: Int[np.ndarray, " d"]
    cycle: Int[np.ndarray, " d"]
    charge_ah: Float[np.ndarray, " d"]


def discharges_of(log: LogRows) -> Discharges:
    """Find the discharges of each cycle.

    Two rows that discharge belong to one discharge if they have one cycle number and
    less than 5 % of the discharge of the cycle is charged between them. A rest, a
    change of the current and a regenerative pulse thus do not end a discharge.
    Discharges of less than 1 % of the cycle are left out. The result is computed once.
    """
    return log.cached("discharges", _discharges_of)


def _discharges_of(log):
    passed = charge_of(log)
    row = np.flatnonzero((passed.direction < 0) & passed.kept)
    empty = np.zeros(0, np.int64)
    if not row.size:
        return Discharges(row, empty, empty, empty, empty, np.zeros(0))
    cycle = log.cycle[row]
    charged = known_sum(passed.charge_ah)
    discharged = known_sum(passed.discharge_ah)
    before = np.where(row > 0, discharged[row - 1], 0.0)
    first_of_cycle = np.flatnonzero(np.diff(cycle, prepend=cycle[0] - 1))
    last_of_cycle = np.append(first_of_cycle[1:], len(row)) - 1
    of_cycle = discharged[row[last_of_cycle]] - before[first_of_cycle]
    size = np.repeat(of_cycle, last_of_cycle - first_of_cycle + 1)
    between = np.diff(charged[row], prepend=charged[row[0]])
    starts = between > _SEPARATING * size
    starts[first_of_cycle] = True
    start = np.flatnonzero(starts)
    end = np.append(start[1:], len(row))
    charge = discharged[row[end - 1]] - before[start]
    relevant = charge > _RELEVANT * size[start]
    start, end, charge = start[relevant], end[relevant], charge[relevant]
    return Discharges(row, start, end, row[start], cycle[start], charge)


def known_sum(values: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    """Cumulative sum in which NaN counts as zero."""
    return np.cumsum(np.where(np.isnan(values), 0.0, values))
