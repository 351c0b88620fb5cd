"""Current of a log that has none, from the charge since the previous row."""

import numpy as np
from jaxtyping import Float

from battprob.data.cycler.log import Log, count

_SECONDS_PER_HOUR = 3600.0
_FALSE = 20.0  # times the next largest current: more in one row is a false reading
_MOST_FALSE = 3
_SAME_VOLTAGE_V = 0.005
_SAME_CURRENT = 0.2  # of the largest other current
_FEWEST_ROWS = 20


def with_current(log: Log, time_s: Float[np.ndarray, " t"]) -> Log:
    """The log with a current: EC-Lab's GCPL stores only the charge since the last row.

    The current of a row is the mean since the previous row, `dq / dt`; it is zero in
    the first row and where no time has passed.
    """
    if "current_a" in log:
        return log
    charge = np.nan_to_num(log["charge_increment_ah"])
    step = np.diff(time_s, prepend=time_s[0])
    current = np.zeros_like(charge)
    np.divide(_SECONDS_PER_HOUR * charge, step, out=current, where=step > 0)
    header = log.header("charge_increment_ah")
    note = (
        f"no column of the current: the mean current since the previous row, from "
        f"{header!r} and the time"
    )
    return log.with_values(note, current_a=current)


def without_false_currents(log: Log) -> Log:
    """The log without single absurd currents, which would set the scale of all others.

    A current in one row that is more than 20 times the largest of all other rows is a
    false reading, if the rows before and after have equal currents and the voltage
    stays between theirs. It is replaced by the mean of these currents. The first
    current after a step of the voltage is no such reading.
    """
    current, voltage = log["current_a"].copy(), log["voltage_v"]
    rows = []
    while len(current) >= _FEWEST_ROWS and len(rows) <= _MOST_FALSE:
        magnitude = np.abs(current)
        row = int(np.argmax(magnitude))
        others = float(np.max(np.delete(magnitude, row)))
        if not (magnitude[row] > _FALSE * others > 0 and 0 < row < len(current) - 1):
            break
        beside = [row - 1, row + 1]
        low, high = np.sort(voltage[beside])
        stays = low - _SAME_VOLTAGE_V <= voltage[row] <= high + _SAME_VOLTAGE_V
        if not stays or np.ptp(current[beside]) > _SAME_CURRENT * others:
            break
        current[row] = np.mean(current[beside])
        rows.append(row)
    if not rows or len(rows) > _MOST_FALSE:
        return log
    note = (
        f"{log.header('current_a')!r} has {count(len(rows), 'false reading')} (such as "
        f"{log['current_a'][rows[0]]:g} A at {log.line(rows[0])}, more than {_FALSE:g} "
        "times all others without a change of the voltage): replaced by the mean of "
        "the rows before and after"
    )
    return log.with_values(note, current_a=current)


def flow_threshold(current_a: Float[np.ndarray, " t"]) -> float:
    """Current in A below which a row is at rest: a thousandth of the largest."""
    return 1e-3 * float(np.max(np.abs(current_a), initial=0.0))
