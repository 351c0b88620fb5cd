"""Counters of charge of a log: which kind each is, positive charge while charging."""

import numpy as np
from jaxtyping import Float

from battprob.data.cycler.log import Log, count

_ONE_WAY = ("charge_capacity_ah", "discharge_capacity_ah")
_ENERGIES = ("charge_energy_wh", "discharge_energy_wh")


def counters(
    log: Log, current_a: Float[np.ndarray, " t"], time_s: Float[np.ndarray, " t"]
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Counters of a log by their kind, for `TimeSeries.other`.

    A column named only `Capacity` or `Amp-hr` is one of three kinds, which its values
    show: it rises in both directions (`capacity_ah`); it falls while discharging, from
    zero in each step (the two counters of one direction together); or it falls while
    discharging and runs on (`net_charge_ah`).

    Args:
        log: the log.
        current_a: current in A, positive while charging.
        time_s: time in s.
    """
    kept, statements = {}, []
    for name in (*_ONE_WAY, *_ENERGIES):
        if name in log:
            kept[name], more = _positive(log, name)
            statements += more
    for name in ("charge_increment_ah", "net_charge_ah"):
        if name in log:
            kept[name] = log[name]
    if {"charge_increment_ah", "net_charge_ah"} <= kept.keys():
        statements += _without_incomplete_increments(log, kept, current_a, time_s)
    if "step_charge_ah" in log and not kept:
        kept["charge_increment_ah"] = _increments(log)
        statements.append(
            f"{log.header('step_charge_ah')!r} is the charge since the start of a step: "
            "converted to the charge since the previous row"
        )
    if "capacity_ah" in log and not any(
        name in kept for name in (*_ONE_WAY, "charge_increment_ah", "net_charge_ah")
    ):
        named, statement = _one_counter(log, current_a, time_s)
        kept |= named
        statements.append(statement)
    return kept, tuple(statements)


def _without_incomplete_increments(log, kept, current, time_s):
    """Remove the charge since the previous row if the net charge shows that rows lack.

    An export of every tenth row has a tenth of the increments, but all of the net
    charge, unless the net charge restarts.
    """
    change = np.diff(kept["net_charge_ah"])
    increments = kept["charge_increment_ah"][1:]
    flow = np.maximum(np.abs(current[1:]), np.abs(current[:-1]))
    possible = 1.5 * flow * np.diff(time_s) / 3600
    tolerance = 1e-3 * float(np.nanmax(np.abs(kept["net_charge_ah"]), initial=0.0))
    differs = np.abs(change - increments) > tolerance
    if not differs.any() or not (np.abs(change) <= possible + tolerance).all():
        return []
    del kept["charge_increment_ah"]
    row = int(np.flatnonzero(differs)[0]) + 1
    return [
        f"{log.header('charge_increment_ah')!r} is not the change of "
        f"{log.header('net_charge_ah')!r} in {count(differs.sum(), 'row')} (first: "
        f"{log.line(row)}), so that rows are missing; the net charge is used"
    ]


def _positive(log, name):
    """A counter that counts up; some exports count a discharge with negative numbers."""
    counter = log[name]
    with np.errstate(invalid="ignore"):
        negative = (counter < 0).any() and not (counter > 0).any()
    if not negative:
        return counter, []
    return -counter, [f"{log.header(name)!r} counts with negative numbers: reversed"]


def _increments(log):
    """Signed charge since the previous row, from the charge since the step's start."""
    charge = np.nan_to_num(log["step_charge_ah"])
    names = [name for name in ("step", "half_cycle") if name in log]
    restarts = np.zeros(len(charge), bool)
    for name in names:
        restarts |= np.diff(log[name], prepend=log[name][0]) != 0
    restarts[0] = True
    return np.where(restarts, charge, np.diff(charge, prepend=0.0))


def _one_counter(log, current, time_s):
    """The one counter of a log under the name of its kind, and a statement."""
    counter, header = log["capacity_ah"], log.header("capacity_ah")
    on_charge = _direction_of_counter(counter, current)
    on_discharge = _direction_of_counter(counter, -current)
    sign = on_charge or -on_discharge or 1.0
    if on_discharge * sign > 0 or (on_discharge == 0 and on_charge > 0):
        return {
            "capacity_ah": sign * counter
        }, f"{header!r} counts up in both directions"
    if on_charge == 0 and on_discharge == 0:
        return {"capacity_ah": counter}, f"{header!r} does not count"
    signed = sign * counter
    size = 0.01 * float(np.nanmax(np.abs(counter)))
    with np.errstate(invalid="ignore"):
        stays = not (signed[current > 0] < -size).any()
        stays &= not (signed[current < 0] > size).any()
    if stays:
        return {
            "charge_capacity_ah": np.maximum(signed, 0.0),
            "discharge_capacity_ah": np.maximum(-signed, 0.0),
        }, f"{header!r} counts from zero in each step, down while discharging"
    restarts = _restarts(signed, current, time_s)
    if not restarts.any():
        note = f"{header!r} counts up and down: the net charge"
        return {"net_charge_ah": signed}, note
    increments = np.diff(signed, prepend=signed[0])
    note = (
        f"{header!r} counts up and down and restarts {count(restarts.sum(), 'time')}: "
        "converted to the charge since the previous row"
    )
    return {"charge_increment_ah": np.where(restarts, signed, increments)}, note


def _restarts(counter, current, time_s):
    """Rows in which a net counter returns to zero faster than the current can make it."""
    jump = np.abs(np.diff(counter, prepend=counter[0]))
    span = float(np.nanmax(counter) - np.nanmin(counter))
    possible = np.diff(time_s, prepend=time_s[0]) * np.abs(current) / 3600
    with np.errstate(invalid="ignore"):
        to_zero = np.abs(counter) <= 0.01 * span
        return to_zero & (jump > 0.02 * span) & (jump > 3 * possible)


def _direction_of_counter(counter, current):
    """1 if a counter mostly rises while a current is positive, -1 if it falls, else 0."""
    flows = (current[1:] > 0) & (current[:-1] > 0)
    with np.errstate(invalid="ignore"):
        change = np.diff(counter)[flows]
        rises, falls = int((change > 0).sum()), int((change < 0).sum())
    # A restart is one fall among many rises.
    return 0.0 if rises == falls else (1.0 if rises > falls else -1.0)
