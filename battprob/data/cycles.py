"""`CycleTable`: capacities and mean values of each cycle; rules that number cycles."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from battprob._errors import DataError
from battprob.data._columns_table import ColumnTable
from battprob.data._current import runs_of
from battprob.data._discharges import discharges_of
from battprob.data._log_rows import LogRows
from battprob.data.charge import charge_of
from battprob.data.steps import is_pulse, mean_of_present, mean_voltage

RULES = ("file", "charge", "discharge", "half")
_WORDS = {
    "charge": "a new cycle begins at each charge that follows a discharge",
    "discharge": "a new cycle begins at each discharge that follows a charge",
    "half": "each charge and each discharge is a cycle of its own",
}
_ANEW = "cycles numbered anew: "
_AS_IN_FILE = "cycles are numbered as in the file"
_NEIGHBOURS = 3  # cycles before and after, with which a rate is compared
_OTHER_RATE = 1.3  # factor between discharge currents that is remarkable
_NEAR_END_V = 0.02  # distance from the usual last voltage, V
_NEGLIGIBLE = 1e-3  # of the largest capacity


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CycleTable(ColumnTable):
    """Cycles of a test in order of time, one array per column.

    Attributes:
        cycle: cycle number.
        charge_capacity_ah, discharge_capacity_ah: charge passed in each direction in
            Ah; NaN if the log does not determine it.
        charge_energy_wh, discharge_energy_wh: charge times voltage in Wh.
        coulombic_efficiency: discharge capacity by charge capacity of the same cycle;
            NaN without a charge.
        start_s, end_s: time of the first and the last row in s.
        discharge_current_a: mean of the discharge current, weighted by charge, in A.
        discharge_rate_per_h: this current divided by the median of the discharge
            capacities of all cycles, in 1/h. It is the C-rate if that is the nominal
            capacity.
        min_voltage_v, max_voltage_v: lowest and highest voltage in V.
        temperature_c, resistance_ohm: mean of the values that are present; NaN without
            any.
        num_discharges: number of discharges that are separated by charges.
        complete: False if the log begins or ends inside the cycle, or if the cycle has
            no charge or no discharge.
        note: what is remarkable about the cycle; empty for most. A cycle whose
            discharge current differs by more than 30 % from the median of the three
            cycles before and after is marked: it may be a reference performance test or
            formation.
    """

    cycle: Int[np.ndarray, " c"]
    charge_capacity_ah: Float[np.ndarray, " c"]
    discharge_capacity_ah: Float[np.ndarray, " c"]
    charge_energy_wh: Float[np.ndarray, " c"]
    discharge_energy_wh: Float[np.ndarray, " c"]
    coulombic_efficiency: Float[np.ndarray, " c"]
    start_s: Float[np.ndarray, " c"]
    end_s: Float[np.ndarray, " c"]
    discharge_current_a: Float[np.ndarray, " c"]
    discharge_rate_per_h: Float[np.ndarray, " c"]
    min_voltage_v: Float[np.ndarray, " c"]
    max_voltage_v: Float[np.ndarray, " c"]
    temperature_c: Float[np.ndarray, " c"]
    resistance_ohm: Float[np.ndarray, " c"]
    num_discharges: Int[np.ndarray, " c"]
    complete: Bool[np.ndarray, " c"]
    note: tuple[str, ...]

    def _shown(self):
        return (
            "cycle", "charge_capacity_ah", "discharge_capacity_ah",
            "coulombic_efficiency", "discharge_current_a", "min_voltage_v",
            "max_voltage_v", "complete", "note",
        )  # fmt: skip


def cycle_table(log: LogRows) -> CycleTable:
    """Values of each cycle; see `CycleTable`."""
    first = np.flatnonzero(np.diff(log.cycle, prepend=log.cycle[0] - 1))
    last = np.append(first[1:], len(log.time_s)) - 1
    passed = charge_of(log)
    voltage = mean_voltage(log.voltage_v)
    charge = np.add.reduceat(passed.charge_ah, first)
    discharge = np.add.reduceat(passed.discharge_ah, first)
    current = _discharge_current(log, first)
    discharges = discharges_of(log)
    num = np.bincount(
        np.searchsorted(first, discharges.first_row, side="right") - 1,
        minlength=len(first),
    )
    lowest = np.minimum.reduceat(log.voltage_v, first)
    highest = np.maximum.reduceat(log.voltage_v, first)
    complete, notes = _complete(log, charge, discharge)
    if _ends_inside(log, lowest[:-1][complete[:-1]], highest[:-1][complete[:-1]]):
        complete[-1] = False
        notes[-1].append("the log ends inside this cycle")
    _mark_rates(current, notes)
    for index in np.flatnonzero(num > 1):
        notes[index].append(f"{num[index]} discharges")
    with np.errstate(divide="ignore", invalid="ignore"):
        efficiency = np.where(_present(charge), discharge / charge, np.nan)
        rate = current / _median(discharge[_present(discharge)])
    return CycleTable(
        cycle=log.cycle[first],
        charge_capacity_ah=charge,
        discharge_capacity_ah=discharge,
        charge_energy_wh=np.add.reduceat(passed.charge_ah * voltage, first),
        discharge_energy_wh=np.add.reduceat(passed.discharge_ah * voltage, first),
        coulombic_efficiency=efficiency,
        start_s=log.time_s[first],
        end_s=log.time_s[last],
        discharge_current_a=current,
        discharge_rate_per_h=rate,
        min_voltage_v=lowest,
        max_voltage_v=highest,
        temperature_c=mean_of_present(log.other.get("temperature_c"), first),
        resistance_ohm=mean_of_present(log.other.get("resistance_ohm"), first),
        num_discharges=num,
        complete=complete,
        note=tuple("; ".join(note) for note in notes),
    )


def numbered(
    log: LogRows, rule: str, recorded: Int[np.ndarray, " t"]
) -> tuple[Int[np.ndarray, " t"], str]:
    """Cycle number of each row by a rule, and a sentence that states the rule.

    Args:
        log: the log.
        rule: see `TimeSeries.with_cycles`.
        recorded: cycle numbers of the file.

    Raises:
        DataError: there is no such rule.
    """
    if rule not in RULES:
        raise DataError(f"rule must be one of {', '.join(RULES)}; got {rule!r}")
    if rule == "file":
        return recorded, _AS_IN_FILE
    runs = runs_of(charge_of(log).direction)
    first = runs.first[:-1]
    last = runs.first[1:] - 1
    signed = charge_of(log).charge_ah - charge_of(log).discharge_ah
    charge = np.add.reduceat(signed, first)
    duration = log.time_s[last] - log.time_s[first]
    direction = charge_of(log).direction[first].astype(np.int64)
    direction[is_pulse(duration, charge)] = 0
    # Each run has the direction of the last run that is neither rest nor a pulse.
    index = np.maximum.accumulate(np.where(direction != 0, np.arange(len(first)), -1))
    before = np.where(index >= 0, direction[np.maximum(index, 0)], 0)
    previous = np.concatenate([[0], before[:-1]])
    starts = (direction != 0) & (previous != 0) & (direction != previous)
    if rule != "half":
        starts &= direction == (1 if rule == "charge" else -1)
    cycle = 1 + np.cumsum(starts)
    num = int(cycle[-1])
    return cycle[runs.of_row], f"{_ANEW}{_WORDS[rule]} ({num} cycles)"


def is_rule(statement: str) -> bool:
    """Whether a sentence states a rule that `numbered` has applied."""
    return statement == _AS_IN_FILE or statement.startswith(_ANEW)


def _median(values):
    return np.median(values) if values.size else np.nan


def _present(capacity):
    return capacity > _NEGLIGIBLE * np.nanmax(capacity, initial=0.0)


def _discharge_current(log, first):
    """Mean discharge current in A, weighted by the charge, NaN without a discharge."""
    flows = charge_of(log).direction < 0
    # A value that is NaN or slightly negative has no weight.
    weight = np.where(
        flows & (charge_of(log).discharge_ah > 0), charge_of(log).discharge_ah, 0
    )
    total = np.add.reduceat(weight, first)
    mean = np.add.reduceat(weight * np.abs(log.current_a), first)
    return np.where(total > 0, mean / np.where(total > 0, total, 1.0), np.nan)


def _complete(log, charge, discharge):
    """Whether each cycle is complete, and lists of notes that state why not."""
    with_charge, with_discharge = _present(charge), _present(discharge)
    complete = with_charge & with_discharge
    notes = [[] for _ in charge]
    for index in np.flatnonzero(~complete):
        if np.isnan(charge[index]) or np.isnan(discharge[index]):
            notes[index].append("unknown charge")
        elif not with_charge[index] and not with_discharge[index]:
            notes[index].append("no charge and no discharge")
        else:
            missing = "discharge" if with_charge[index] else "charge"
            notes[index].append(f"no {missing}")
    if charge_of(log).begins_inside:
        complete[0] = False
        notes[0].append("the log begins inside this cycle")
    return complete, notes


def _ends_inside(log, lowest, highest):
    """Whether the last row has a current, and is not at the voltage where steps end."""
    direction = charge_of(log).direction[-1]
    if direction == 0 or not lowest.size:
        return False
    voltage = log.voltage_v[-1]
    if direction < 0:
        return bool(voltage > np.median(lowest[-_NEIGHBOURS:]) + _NEAR_END_V)
    return bool(voltage < np.median(highest[-_NEIGHBOURS:]) - _NEAR_END_V)


def _mark_rates(current, notes):
    """Add a note where the discharge current differs from that of the neighbours."""
    offsets = [n for n in range(-_NEIGHBOURS, _NEIGHBOURS + 1) if n != 0]
    padded = np.pad(current, _NEIGHBOURS, constant_values=np.nan)
    centre = np.arange(len(current)) + _NEIGHBOURS
    around = np.sort(padded[centre[:, None] + np.array(offsets)], axis=1)  # NaN last
    count = np.isfinite(around).sum(1)
    low, high = np.maximum((count - 1) // 2, 0), count // 2
    index = np.arange(len(current))
    usual = 0.5 * (around[index, low] + around[index, np.minimum(high, 5)])
    ratio = current / usual
    other = (count > 1) & ((ratio > _OTHER_RATE) | (ratio < 1 / _OTHER_RATE))
    for row in np.flatnonzero(other):
        notes[row].append(
            f"discharge current {current[row]:.3g} A, {usual[row]:.3g} A in the cycles "
            "around it"
        )
