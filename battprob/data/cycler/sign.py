"""Sign of the current: which direction charges, by all that the file shows."""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from battprob._errors import DataError
from battprob.data.cycler.current import flow_threshold
from battprob.data.cycler.evidence import (
    Evidence,
    counter_direction,
    counter_evidence,
    state_evidence,
    voltage_evidence,
    voltage_moves_both_ways,
)
from battprob.data.cycler.log import Log
from battprob.data.cycler.names import name_key
from battprob.data.cycler.states import direction_of_states

# Formats in which a positive current charges, as their makers define it.
_DEFINED = re.compile(
    r"\b(ec-lab|bt-lab|biologic|arbin|beep|maccor|neware|basytec|novonix|pec|land"
    r"|bdf|batteryarchive|batterydata)\b",
    re.IGNORECASE,
)
# In potentiostats the sign cannot be reversed; in voltammetry the voltage may fall.
_MEASURED = re.compile(r"\b(ec-lab|bt-lab|biologic)\b", re.IGNORECASE)
# Names without units, of Arbin and BEEP and of NASA's battery data set.
_DEFINED_BY_NAMES = (
    {"cycleindex", "datapoint"},
    {"cycleindex", "datetimeiso"},
    {"voltagemeasured", "currentmeasured", "temperaturemeasured", "time"},
)
_BDF_HEADER = re.compile(r".+ / .+|.+_(milli)?(second|volt|ampere)s?|.+_[sVA]")


# Of the sum of all magnitudes; noise and the offset at rest.
_SMALLEST_PART = 0.02


class SignedCurrent(NamedTuple):
    """Current with the sign that battprob uses.

    Args:
        current_a: current in A, positive while charging.
        statements: how the sign was found.
    """

    current_a: Float[np.ndarray, " t"]
    statements: tuple[str, ...]


def signed_current(log: Log, *, charging_is_positive: bool | None) -> SignedCurrent:
    """Current that is positive while charging, checked with the rest of the log.

    The direction is shown by the column of states, by the counter that rises, and by
    the voltage, which rises with a current that charges. The voltage alone does not
    contradict a format that defines the sign, or the caller; states and counters do.

    Args:
        log: the log with a current.
        charging_is_positive: the sign in the file, or None to find it.

    Raises:
        DataError: the current has no sign and nothing shows its direction, or two of
            the sources contradict each other.
    """
    current = log["current_a"]
    states = direction_of_states(log["state"]) if "state" in log else None
    if flow_threshold(current) == 0:
        return SignedCurrent(current, ("no current flows: its sign is not checked",))
    if (unsigned := _without_sign(log, current, states)) is not None:
        return unsigned
    strong = [
        one
        for one in (
            state_evidence(log, current, states),
            counter_evidence(log, current),
        )
        if one.sign != 0
    ]
    voltage = voltage_evidence(log["voltage_v"], current, log)
    sign = _sign(log, charging_is_positive, strong, voltage)
    return SignedCurrent(sign * current, (_statement(sign, strong, voltage),))


def _without_sign(log, current, states):
    """Current that has one sign although the log charges and discharges, or None."""
    flows = np.abs(current) > flow_threshold(current)
    # The noise at rest may have the other sign although no current has one.
    both = np.array([np.sum(current[current < 0]), np.sum(current[current > 0])])
    if np.min(np.abs(both)) > _SMALLEST_PART * np.sum(np.abs(both)):
        return None
    if states is None and abs(both[0]) > both[1]:
        return None  # only states are certain enough for a current that is negative
    direction, source = None, ""
    if states is not None:
        direction, source = states, f"column {log.header('state')!r}"
    elif (counted := counter_direction(log)) is not None:
        direction, source = counted, "the counters of charge and discharge"
    if direction is not None:
        charges = (flows & (direction > 0)).sum()
        discharges = (flows & (direction < 0)).sum()
        # One direction in few rows is the first row of a step with the old label.
        if min(charges, discharges) <= 0.01 * flows.sum():
            return None
        sign = np.sign(current)
        if sign[flows & (direction > 0)].sum() * sign[direction < 0].sum() <= 0:
            return None
        direction = _complete(log, direction, flows, source)
        return SignedCurrent(
            np.abs(current) * direction,
            (
                f"the current has no sign: the direction is from {source} ({charges} "
                f"rows of charge, {discharges} of discharge)",
            ),
        )
    if voltage_moves_both_ways(log["voltage_v"], current):
        raise DataError(
            f"{log.table.path}: column {log.header('current_a')!r} is never negative "
            "although the voltage both rises and falls while current flows, and no "
            "column of states or counters shows which rows discharge; export the "
            "current with its sign or add the state of each row"
        )
    return None


def _complete(log, direction, flows, source):
    """Direction of each row; rows of rest with a current take that of the row before."""
    unknown = flows & np.isnan(direction)
    if unknown.any() and "state" in log:
        row = int(np.flatnonzero(unknown)[0])
        raise DataError(
            f"{log.location(row)}: the current has no sign, and state "
            f"{log['state'][row]!r} in {source} is neither charge, discharge nor rest; "
            "rename the state or remove these rows"
        )
    known = (direction != 0) & ~np.isnan(direction)
    index = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    first = int(np.argmax(known))
    return direction[np.where(index < 0, first, index)]


def _sign(log, asked, strong, voltage):
    """1 if a positive current charges, otherwise -1."""
    if asked is not None:
        sign = 1 if asked else -1
        against = [one for one in (*strong, voltage) if one.sign == -sign]
        if against and not any(one.sign == sign for one in (*strong, voltage)):
            raise _against(log, sign, against[0])
        return sign
    if len({one.sign for one in strong}) > 1:
        raise _contradiction(log, *strong)
    shown = strong[0].sign if strong else 0
    if shown:
        # A half cell may have the opposite trend, but not against its own format too.
        if voltage.sign == -shown and shown == -1 and sign_defined(log):
            raise _contradiction(log, strong[0], voltage)
        return shown
    if _MEASURED.search(log.table.format):
        return 1
    if voltage.sign == -1 and sign_defined(log):
        raise _against(log, 1, voltage)
    return voltage.sign or 1


def _against(log, sign, evidence):
    meaning = "charging" if sign > 0 else "discharging"
    return DataError(
        f"{log.table.path}: {evidence.problem} if a positive current means {meaning} "
        f"({evidence.rows}); read it with charging_is_positive={sign < 0}"
    )


def _contradiction(log, first: Evidence, second: Evidence):
    return DataError(
        f"{log.table.path}: the sign of the current is contradictory: a positive "
        f"current {_verb(first.sign)} by {first.source} ({first.rows}), but "
        f"{_verb(second.sign)} by {second.source} ({second.rows}); correct the file, "
        "or choose the sign with charging_is_positive=True or False"
    )


def _verb(sign):
    return "charges" if sign > 0 else "discharges"


def _statement(sign, strong, voltage):
    meaning = "charging" if sign > 0 else "discharging"
    sources = [one.source for one in strong if one.sign == sign]
    if voltage.sign == sign:
        sources.append(voltage.source)
    checked = f"shown by {' and '.join(sources)}" if sources else "could not be checked"
    half_cell = ""
    if not sources and voltage.sign == -sign:
        half_cell = "; the voltage falls, as where the voltage is controlled"
    if sources and voltage.sign == -sign:
        half_cell = "; the voltage falls while it charges, as in some half cells"
    return f"positive current in the file means {meaning} ({checked}){half_cell}"


def sign_defined(log):
    """Whether the format defines that a positive current charges."""
    if _DEFINED.search(log.table.format):
        return True
    headers = [
        log.header(name) for name in ("voltage_v", "current_a") if name in log.sources
    ]
    if headers and all(_BDF_HEADER.fullmatch(header) for header in headers):
        return True
    keys = {name_key(header) for header in log.table.header}
    return any(names <= keys for names in _DEFINED_BY_NAMES)
