"""Headers without units: read only if the format or the file itself confirms the units."""

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.clock_units import charge_ratio, is_checked
from battprob.data.cycler.log import Log
from battprob.data.cycler.sign import sign_defined
from battprob.data.cycler.wall import is_text

_TOLERANCE = 0.2  # of the logarithm: integration of few rows is not exact


def check_units(log: Log, time_s: Float[np.ndarray, " t"]) -> None:
    """Refuse times and currents without a unit that nothing confirms.

    A header such as `time` or `current` may be in s, min or h and in A or mA. The units
    are confirmed by a format that defines them, by a counter of charge with a unit that
    counts the current times the time, and that of the time also by a wall clock. The
    unit of the voltage is recognised by its size (`checked_voltage`).

    Raises:
        DataError: the unit of the time or the current is unknown.
    """
    unknown = [name for name in ("time_s", "current_a") if _without_unit(log, name)]
    if not unknown or sign_defined(log):
        return
    if is_checked(log, time_s):
        unknown = [name for name in unknown if name != "time_s"]
    ratio = charge_ratio(log, time_s) if _counter_has_unit(log) else None
    if not unknown or (ratio is not None and abs(np.log(ratio)) < _TOLERANCE):
        return
    headers = {name: log.header(name) for name in unknown}
    raise DataError(
        f"{log.table.path}: the columns {list(headers.values())} have no unit in the "
        "header and no counter of charge confirms s and A; write the units into the "
        "header, or if they are s and A, name the columns: read_timeseries(path, "
        f"columns={headers})"
    )


def _counter_has_unit(log):
    """Whether a counter of charge has a unit: without one, mA and mAh agree, too."""
    names = ("charge_capacity_ah", "discharge_capacity_ah", "capacity_ah")
    sources = [log.sources[name] for name in (*names, "net_charge_ah") if name in log]
    return any(source.unit or source.named for source in sources)


def _without_unit(log, name):
    """Whether a column has numbers of an unknown unit; clock times need none."""
    source = log.sources.get(name)
    if source is None or source.unit or source.named:
        return False
    return not is_text(log, name)
