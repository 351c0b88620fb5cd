"""Reduce the records of one file to what features of early life need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob.data.curves import voltage_range
from battprob.data.despike import despike
from battprob.data.readers import Record
from battprob.data.records import Cell
from battprob.data.timeseries import TimeSeries


class ReducedFile(NamedTuple):
    """Small result of one file.

    Attributes:
        kind: name of the class of the records (`TimeSeries` for cells made of logs).
        records: spectra, or cells with the curves of two cycles only.
        notes: what was recognised, assumed and repaired, one sentence each.
        waiting: whether the records are logs whose voltages are still to be chosen.
        voltage_range_v: lowest and highest voltage that the discharges of the logs
            cover; None without a discharge curve.
        has_cycles: whether the logs have the cycles whose curves are needed.
        logs: the logs themselves, if they are short.
    """

    kind: str
    records: tuple[Record, ...] = ()
    notes: tuple[str, ...] = ()
    waiting: bool = False
    voltage_range_v: tuple[float, float] | None = None
    has_cycles: bool = True
    logs: tuple[TimeSeries, ...] = ()


@dataclass(frozen=True, slots=True)
class Reduce:
    """Function from the records of a file to a `ReducedFile`, for `read_many`.

    Args:
        cycles: cycles whose discharge curves are kept.
        voltage_v: grid of the curves of logs in V; None: no curves.
        ranges_only: return the range of the voltages of logs instead of cells.
        most_rows: logs with at most this number of rows are returned with their range.
    """

    cycles: tuple[int, ...]
    voltage_v: np.ndarray | None = None
    ranges_only: bool = False
    most_rows: int = 0

    def __call__(self, records: Sequence[Record]) -> ReducedFile:
        kind = type(records[0]).__name__
        logs = tuple(record for record in records if isinstance(record, TimeSeries))
        if not logs:
            return self._of_cells(kind, records)
        if self.ranges_only:
            short = sum(len(log.time_s) for log in logs) <= self.most_rows
            return ReducedFile(
                kind,
                waiting=True,
                voltage_range_v=_range(logs, self.cycles),
                has_cycles=all(np.isin(self.cycles, log.cycle).all() for log in logs),
                logs=logs if short else (),
            )
        return self._of_cells(
            kind, [log.to_cell(voltage_v=self.voltage_v) for log in logs]
        )

    def _of_cells(self, kind, records):
        reduced, notes = [], []
        for record in records:
            if not isinstance(record, Cell):
                reduced.append(record)
                notes += [f"{record.name}: {line}" for line in record.statements]
                continue
            cell, repairs = despike(record)
            reduced.append(_with_curves(cell, self.cycles))
            statements = record.meta.get("statements", ())
            notes += [f"{record.name}: {line}" for line in statements]
            notes += [f"repaired: {repair}" for repair in repairs]
        return ReducedFile(kind, tuple(reduced), tuple(notes))


def _with_curves(cell, cycles):
    """The cell with the curves of the given cycles only."""
    if cell.curve_cycle is None:
        return cell
    rows = np.isin(cell.curve_cycle, cycles)
    if not rows.any():
        rows[-1] = True  # a cell without any curve would be one of capacities only
    return replace(
        cell,
        curve_cycle=cell.curve_cycle[rows],
        curve_capacity_ah=cell.curve_capacity_ah[rows],
    )


def _range(logs, cycles):
    """Voltages that the discharges of all logs cover; None if one has no curve."""
    try:
        limits = np.array([voltage_range(log, cycles) for log in logs])
    except DataError:
        return None
    return float(limits[:, 0].max()), float(limits[:, 1].min())
