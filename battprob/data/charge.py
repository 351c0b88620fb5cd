"""Charge that passed in each row of a log: the one place that decides between sources.

A log has up to two sources for the charge: the counters of the instrument, and the
current integrated over time. They are compared, and the counter is used where it is not
contradicted, because it also covers what happens between two rows.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from battprob.data._charge_source import Side, number_of, sides_of
from battprob.data._integration import Integral, Samples, integrate
from battprob.data._log_rows import LogRows
from battprob.data._repeats import rows_in_time

_STATED_DOUBT = 1e-3
_RELEVANT = 0.01  # of the mean charge of a cycle; less does not matter
_LARGEST_DOUBT = 0.2  # of the charge of a cycle; more makes it unknown


class Charge(NamedTuple):
    """Charge in Ah that passed in the interval before each row of a log.

    Attributes:
        charge_ah: charge passed while charging. Noise of a counter may make single
            values slightly negative; sums over a step are right.
        discharge_ah: charge passed while discharging.
        direction: 1 for rows that charge, -1 for rows that discharge, 0 at rest.
        kept: False for rows that repeat earlier rows.
        rest_a: largest magnitude of the current that is taken as rest, in A.
        begins_inside: whether the first reading of a counter shows that the log begins
            inside a step.
        statements: sources, repairs and doubts, one sentence each.
    """

    charge_ah: Float[np.ndarray, " t"]
    discharge_ah: Float[np.ndarray, " t"]
    direction: Int[np.ndarray, " t"]
    kept: Bool[np.ndarray, " t"]
    rest_a: float
    begins_inside: bool
    statements: tuple[str, ...]


def charge_increments(
    log: LogRows,
) -> tuple[Float[np.ndarray, " t"], tuple[str, ...]]:
    """Signed charge in Ah since the previous row (positive: charging), and statements.

    Sources are, in this order, `charge_increment_ah`, `charge_capacity_ah` and
    `discharge_capacity_ah`, `capacity_ah` and `net_charge_ah` of `log.other`, and
    `current_a` integrated over `time_s`. Each direction of the current takes the first
    source that is consistent with the current over time:

    - A counter may start again at any row, count both directions, count downwards, or
      be empty in one direction. What it counts is found by comparison with the current.
    - Readings that the current cannot explain (a single zero, an absurd value) are
      omitted; an unexplained jump is replaced by the integrated current.
    - A counter that differs from the integrated current by a factor above 1.7 or below
      1/1.7 is an error of units and is refused. Smaller differences are stated, and the
      counter is used.
    - Without a counter, the current is integrated as described in
      `battprob.data._integration.integrate`. The charge in a gap of the log is unknown
      (NaN) unless the file shows whether the current flowed. The charge of a cycle is
      NaN too if more than 20 % of it depends on when currents start between two rows.
    - Rows that repeat earlier rows pass no charge.

    Args:
        log: the logged rows.

    Returns:
        The increments and one sentence for each source, repair and doubt.

    Raises:
        DataError: the time decreases, a counter and the current differ by a factor, or
            a counter contradicts its name; the message names the row or the column.

    Example:
        >>> from battprob.data import TimeSeries
        >>> log = TimeSeries(
        ...     "a1",
        ...     time_s=[0, 1800, 3600],
        ...     voltage_v=[4.2, 3.7, 3.0],
        ...     current_a=[-1, -1, -1],
        ...     cycle=[1, 1, 1],
        ... )
        >>> increments, statements = charge_increments(log)
        >>> increments.tolist()
        [0.0, -0.5, -0.5]
        >>> statements
        ('discharge: current_a integrated over time_s (no charge counter)',)
    """
    charge = charge_of(log)
    return charge.charge_ah - charge.discharge_ah, charge.statements


def charge_of(log: LogRows) -> Charge:
    """Charge in both directions, computed once; see `charge_increments`."""
    return log.cached("charge", _charge_of)


def _charge_of(log):
    kept, time, repeats = rows_in_time(log)
    rows = _rows(log, kept, time)
    integral = integrate(rows)
    counters = {
        key: column if kept.all() else column[kept] for key, column in log.other.items()
    }
    charge, discharge = sides_of(log.name, counters, integral)
    statements = [*repeats, *charge.statements, *discharge.statements]
    statements += _onset_statements(integral, charge, discharge)
    scale = max(float(np.nansum(side.value)) for side in (charge, discharge))
    scale /= 1 + np.count_nonzero(np.diff(rows.cycle))
    charged, doubts = _known(charge, rows.cycle, "charge", scale)
    discharged, more = _known(discharge, rows.cycle, "discharge", scale)
    statements += [*doubts, *more]
    return Charge(
        _all_rows(charged, kept, 0.0),
        _all_rows(discharged, kept, 0.0),
        _all_rows(integral.direction, kept, 0),
        kept,
        integral.rest_a,
        charge.begins_inside or discharge.begins_inside,
        tuple(dict.fromkeys(statements)),
    )


def _rows(log, kept, time):
    step_time = log.other.get("step_time_s")
    rows = Samples(time, log.voltage_v, log.current_a, log.cycle, log.step, step_time)
    if kept.all():
        return rows
    columns = [None if part is None else part[kept] for part in rows]
    return Samples(*columns)  # pyright: ignore[reportArgumentType]


def _all_rows(values, kept, fill):
    if kept.all():
        return values
    result = np.full(len(kept), fill, values.dtype)
    result[kept] = values
    return result


def _onset_statements(integral: Integral, charge: Side, discharge: Side):
    """How the start of a current was found, where that matters."""
    total = sum(float(np.nansum(side.value)) for side in (charge, discharge))
    starts = np.ones(len(charge.doubt), bool)
    starts[[gap.row for gap in integral.gaps]] = False  # they have their own sentence
    doubt = sum(
        float(np.sqrt(np.sum(side.doubt[starts] ** 2))) for side in (charge, discharge)
    )
    if integral.onsets and doubt > _STATED_DOUBT * total:
        fraction = "all" if doubt > total else f"at most {100 * doubt / total:.2g} %"
        yield f"{integral.onsets}; {fraction} of the charge depends on it"
    pauses = integral.pauses
    if pauses.size and (charge.by_current or discharge.by_current):
        seconds = integral.time_s[pauses] - integral.time_s[pauses - 1]
        yield (
            f"{number_of(pauses.size, 'time')} no row is logged between two steps "
            f"(first: {seconds[0]:.6g} s before row {pauses[0]}, longest: "
            f"{seconds.max():.6g} s); taken as rest"
        )


def _known(side: Side, cycle, word, scale):
    """Values with NaN where the charge of a cycle is not known, and sentences."""
    value, doubts = _without_doubt(side, cycle, word, scale)
    if not (value < 0).any():
        return value, doubts
    first = np.flatnonzero(np.diff(cycle, prepend=cycle[0] - 1))
    passed = np.add.reduceat(value, first)
    negative = passed < -_RELEVANT * scale
    if not negative.any():
        return value, doubts
    value = value.copy()
    value[first[negative]] = np.nan
    return value, [
        *doubts,
        f"the {word} of {number_of(negative.sum(), 'cycle')} (first: "
        f"{cycle[first][negative][0]}) is unknown (NaN): the counter falls there by "
        f"{-passed[negative][0]:.2g} Ah and does not show when it starts again",
    ]


def _without_doubt(side: Side, cycle, word, scale):
    """Values with NaN in cycles whose charge is not known, and sentences about them."""
    if not side.doubt.any():
        return side.value, []
    first = np.flatnonzero(np.diff(cycle, prepend=cycle[0] - 1))
    passed = np.add.reduceat(np.where(np.isnan(side.value), 0.0, side.value), first)
    doubt = np.sqrt(np.add.reduceat(side.doubt**2, first))
    unknown = (doubt > _LARGEST_DOUBT * passed) & (doubt > _RELEVANT * scale)
    if not unknown.any() or scale == 0:
        return side.value, []
    value = side.value.copy()
    # One unknown interval makes the sum of the cycle unknown; the others stay usable.
    value[_most_doubtful(side.doubt, first, unknown)] = np.nan
    number, doubt = cycle[first][unknown][0], doubt[unknown][0]
    return value, [
        f"the {word} of {number_of(unknown.sum(), 'cycle')} (first: {number}) is "
        "unknown (NaN): rows are too sparse to see when currents start and stop "
        f"({doubt:.2g} Ah depend on it); add a column with a charge counter or with "
        "the time in the step"
    ]


def _most_doubtful(doubt, first, unknown):
    ends = np.append(first[1:], len(doubt))
    return [
        begin + int(np.argmax(doubt[begin:end]))
        for begin, end in zip(first[unknown], ends[unknown], strict=True)
    ]
