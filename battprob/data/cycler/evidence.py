"""What the states, counters and voltages of a log show about the sign of its current."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from battprob.data.cycler.current import flow_threshold
from battprob.data.cycler.log import Log

_AGREE = 0.6  # of -1 … 1: rows at the edges of steps may have the label of the next
_MIN_CHANGE_V = 2e-3
_MIN_EVIDENCE_V = 1e-2
_RESOLUTIONS = 5
_BOTH_WAYS_V = 0.1
_FEW_JUMPS = 3


class Evidence(NamedTuple):
    """Sign of the current by one source.

    Args:
        sign: 1 if a positive current charges, -1 if it discharges, 0 if unclear.
        source: the source, for a message.
        problem: what would be wrong with the other sign.
        rows: example of rows, for a message.
    """

    sign: int
    source: str
    problem: str = ""
    rows: str = ""


def state_evidence(
    log: Log,
    current_a: Float[np.ndarray, " t"],
    directions: Float[np.ndarray, " t"] | None,
) -> Evidence:
    """Sign by the column of states."""
    if directions is None:
        return Evidence(0, "states")
    source = f"column {log.header('state')!r}"
    rows = np.abs(current_a) > flow_threshold(current_a)
    rows &= (directions == 1) | (directions == -1)
    if not rows.any():
        return Evidence(0, source)
    agreement = np.mean(np.sign(current_a[rows]) * directions[rows])
    row = int(np.flatnonzero(rows)[0])
    example = f"{log.line(row)}: {current_a[row]:g} A in {log['state'][row]!r}"
    problem = f"{source} contradicts the current"
    return Evidence(_verdict(agreement), source, problem, example)


def counter_evidence(log: Log, current_a: Float[np.ndarray, " t"]) -> Evidence:
    """Sign by the counters of charge and discharge: the charge counter rises on charge.

    Each interval in which a counter rises counts by its rise, so that the noise of a
    counter at rest does not matter.
    """
    agreement = total = at_rest = 0.0
    example, names = "", []
    mean = current_a[1:] + current_a[:-1]
    threshold = flow_threshold(current_a)
    for name, sign in (("charge_capacity_ah", 1.0), ("discharge_capacity_ah", -1.0)):
        if name not in log:
            continue
        rise = _rises(log[name])
        rests = np.abs(mean) <= threshold
        at_rest += float(np.sum(rise[rests]))
        rise[rests] = 0.0
        if not rise.any():
            continue
        agreement += sign * float(np.sum(rise * np.sign(mean)))
        total += float(np.sum(rise))
        row = int(np.argmax(rise)) + 1
        example = f"{log.line(row)}: {log.header(name)!r} rises at {current_a[row]:g} A"
        names.append(repr(log.header(name)))
    source = f"the counters {' and '.join(names)}"
    problem = "the counters of charge and discharge contradict the current"
    # Counters that rise mostly at rest count the offset of the instrument.
    sign = 0 if total <= at_rest else _verdict(agreement / total)
    return Evidence(sign, source, problem, example)


def _rises(counter):
    """Rise of a counter in each interval; restarts and glitches count as zero."""
    with np.errstate(invalid="ignore"):
        rise = np.nan_to_num(np.maximum(np.diff(np.abs(counter)), 0.0))
    positive = rise[rise > 0]
    # A counter that returns from one reading of zero rises a hundredfold at once.
    if positive.size > 10:
        rise[rise > 100 * np.median(positive)] = 0.0
    return rise


def counter_direction(log: Log) -> Float[np.ndarray, " t"] | None:
    """Direction in each row by the counter that rises; None without both counters.

    Rows in which neither rises take the direction of the next row in which one does.
    """
    names = ("charge_capacity_ah", "discharge_capacity_ah")
    if not all(name in log for name in names):
        return None
    charge, discharge = (np.append(0.0, _rises(log[name])) for name in names)
    direction = np.sign(charge - discharge)
    index = np.where(direction != 0, np.arange(len(direction)), len(direction))
    following = np.minimum.accumulate(index[::-1])[::-1]
    last = int(np.max(np.flatnonzero(direction), initial=0))
    return direction[np.where(following == len(direction), last, following)]


def voltage_evidence(
    voltage_v: Float[np.ndarray, " t"], current_a: Float[np.ndarray, " t"], log: Log
) -> Evidence:
    """Sign by the voltage: it rises during a charge and jumps up when it begins.

    Two contributions are added: the net change of the voltage over each run of rows in
    one direction at nearly constant current, and the jump where the current changes.
    Changes near the resolution of the voltage show nothing.
    """
    threshold = flow_threshold(current_a)
    direction = np.where(np.abs(current_a) > threshold, np.sign(current_a), 0.0)
    dv, di = np.diff(voltage_v), np.diff(current_a)
    largest = np.max(np.abs(current_a))
    constant = np.abs(di) <= 0.02 * largest
    same = (direction[1:] == direction[:-1]) & (direction[1:] != 0) & constant
    trend, trend_size, start = _trend(dv, direction, same, _tolerance(voltage_v))
    jumps = np.abs(di) > 0.05 * largest
    large = jumps & (np.abs(dv) > _tolerance(voltage_v))
    # In potentiostatic logs a step of the voltage makes the current jump back.
    if large.sum() < _FEW_JUMPS:
        large[:] = False
    jump = float(np.sum(dv[large] * np.sign(di[large])))
    size = trend_size + float(np.sum(np.abs(dv[large])))
    score = (trend + jump) / size if size > _MIN_EVIDENCE_V else 0.0
    if start < 0 and large.any():
        start = int(np.flatnonzero(large)[0])
    row = max(start, 0) + 1
    row = min(row, len(voltage_v) - 1)
    example = f"{log.line(row)}: {voltage_v[row]:g} V at {current_a[row]:g} A"
    problem = "the voltage falls during charging"
    return Evidence(_verdict(score), "the voltage", problem, example)


def _tolerance(voltage):
    """Change in V that shows something: 2 mV or some resolutions of the voltage."""
    sample = np.unique(voltage[:: max(1, len(voltage) // 5000)])
    differences = np.diff(sample)
    differences = differences[differences > 1e-9]
    resolution = float(differences.min()) if differences.size else 0.0
    # Widely spaced samples overestimate the resolution.
    return max(_MIN_CHANGE_V, _RESOLUTIONS * min(resolution, 0.01))


def _trend(dv, direction, same, tolerance):
    """Sum of the net changes of runs along the current, their sizes, and a first row."""
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], same, [False]]).astype(int))
    )
    starts, ends = edges[::2], edges[1::2]
    if starts.size == 0:
        return 0.0, 0.0, -1
    total = np.concatenate([[0.0], np.cumsum(dv)])
    net = (total[ends] - total[starts]) * direction[starts + 1]
    net = np.where(np.abs(net) > tolerance, net, 0.0)
    size = float(np.sum(np.abs(net)))
    start = int(starts[np.argmax(np.abs(net))]) if size > 0 else -1
    return float(np.sum(net)), size, start


def voltage_moves_both_ways(
    voltage_v: Float[np.ndarray, " t"], current_a: Float[np.ndarray, " t"]
) -> bool:
    """Whether the voltage rises and falls much while current of one sign flows.

    Only rows of nearly constant current are added up, so that the relaxation after a
    step and multi-stage charging do not count.
    """
    threshold = flow_threshold(current_a)
    flows = np.abs(current_a) > threshold
    constant = np.abs(np.diff(current_a)) <= 0.02 * np.max(np.abs(current_a))
    rows = flows[1:] & flows[:-1] & constant
    path = np.concatenate([[0.0], np.cumsum(np.where(rows, np.diff(voltage_v), 0.0))])
    rise = float(np.max(path - np.minimum.accumulate(path)))
    fall = float(np.max(np.maximum.accumulate(path) - path))
    return min(rise, fall) > max(_BOTH_WAYS_V, 0.25 * max(rise, fall))


def _verdict(agreement):
    return int(np.sign(agreement)) if abs(agreement) > _AGREE else 0
