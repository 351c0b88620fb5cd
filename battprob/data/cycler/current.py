"""Current of a log that has none, from the charge since the previous row."""

import numpy as np
from jaxtyping import Float

from battprob.data.cycler.log import Log

_SECONDS_PER_HOUR = 3600.0


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


def flow_threshold(current_a: Float[np.ndarray, " t"]) -> float:
    """Current in A below which a row is at rest: a thousandth of the largest."""
    return 1e-3 * float(np.max(np.abs(current_a), initial=0.0))
