"""`Log`: the quantities of a cycler's table in base units, before they are checked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from battprob._errors import DataError
from battprob.data.cycler.columns import REQUIRED, Source
from battprob.data.cycler.names import QUANTITIES
from battprob.data.tables.numbers import to_numbers, to_seconds
from battprob.data.tables.table import RawTable

_TEXTS = ("state",)
_CLOCKS = ("time_s", "step_time_s", "unix_time_s")
# Sensors that are not connected: Maccor -2500 °C, thermocouples 1372 °C and above.
_LARGEST = 1e19  # nanoseconds since 1970 are 2e18
_POSSIBLE_C = (-200.0, 1000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Rows of a log whose columns are recognised.

    Args:
        table: the table of the file.
        sources: the column of each quantity.
        values: one array per quantity in base units (NaN: missing); `state` is text.
        rows: index in the table of each row.
        statements: what was assumed or repaired, one sentence each.
    """

    table: RawTable
    sources: Mapping[str, Source]
    values: Mapping[str, np.ndarray]
    rows: Int[np.ndarray, " t"]
    statements: tuple[str, ...] = ()

    def __len__(self):
        return len(self.rows)

    def __contains__(self, quantity):
        return quantity in self.values

    def __getitem__(self, quantity) -> np.ndarray:
        return self.values[quantity]

    def get(self, quantity: str) -> np.ndarray | None:
        """Values of a quantity, or None if the log does not have it."""
        return self.values.get(quantity)

    def header(self, quantity: str) -> str:
        """Name in the file of the column of a quantity."""
        return self.sources[quantity].header.strip()

    def location(self, row: int | np.integer) -> str:
        """Place of a row in the file for an error message."""
        return self.table.location(int(self.rows[row]))

    def line(self, row: int | np.integer) -> str:
        """Place of a row without the name of the file, such as `line 12`."""
        lines = self.table.lines
        index = int(self.rows[row])
        return f"row {index}" if lines is None else f"line {lines[index]}"

    def keep(self, mask: Bool[np.ndarray, " t"], *statements: str) -> "Log":
        """The same log with some of its rows."""
        values = {name: value[mask] for name, value in self.values.items()}
        return replace(
            self,
            values=values,
            rows=self.rows[mask],
            statements=(*self.statements, *statements),
        )

    def with_values(self, *statements: str, **values: np.ndarray) -> "Log":
        """The same log with some quantities replaced or added."""
        return replace(
            self,
            values={**self.values, **values},
            statements=(*self.statements, *statements),
        )


def count(number: int | np.integer, noun: str) -> str:
    """A number and a noun, such as `1 row` or `3 rows`."""
    return f"{int(number)} {noun}" + ("" if number == 1 else "s")


def load(table: RawTable, sources: Mapping[str, Source]) -> Log:
    """Values of all recognised columns in base units.

    Rows at the end of the file without time, voltage or current are left out: the last
    line of a log that was copied while the test was running is often blank or cut.
    Sensors that are not connected and resistances of zero are missing values.

    Raises:
        DataError: a required value is missing or not a number; the message names file,
            line and column.
    """
    values, statements = {}, []
    for quantity, source in sources.items():
        only_clock = quantity == "time_s" or "time_s" not in sources
        values[quantity], more = _column(table, quantity, source, only_clock=only_clock)
        is_text = table.columns[source.column].dtype == object
        statements += [_origin(quantity, source, is_text=is_text), *more]
    log = Log(table, sources, values, np.arange(len(table)), tuple(statements))
    log = _without_incomplete_end(log)
    _require_numbers(log)
    return _without_placeholders(log)


def _origin(quantity, source, *, is_text):
    """Sentence that states where a quantity comes from."""
    converted = f" times {source.scale:g}" if source.scale != 1 else ""
    if source.offset:
        converted += f" plus {source.offset:g}"
    unit = QUANTITIES[quantity].dimension if quantity in QUANTITIES else "1"
    without = not (source.unit or source.named or is_text)
    without &= unit not in ("1", "text", "date")
    assumed = f", in {unit} (assumed: the header has no unit)" if without else ""
    return f"{quantity} from column {source.header.strip()!r}{converted}{assumed}"


def _column(table, quantity, source, *, only_clock):
    """Values of a column in base units, and sentences about them."""
    raw, header = table.columns[source.column], source.header.strip()
    if quantity in _TEXTS:
        return raw if raw.dtype == object else raw.astype(str).astype(object), []
    if raw.dtype != object:
        return _scaled(raw, source), []
    numbers = to_numbers(raw)
    if quantity not in _CLOCKS or numbers.invalid.size < 0.5 * len(raw):
        note = [f"{header!r}: {numbers.statement}"] if numbers.statement else []
        return _scaled(numbers.values, source), note
    try:
        times = to_seconds(raw, where=f"{table.path}: column {header!r}")
    except DataError:
        if only_clock:
            raise
        # An optional clock must not refuse the file.
        note = f"{header!r} has dates whose order of day and month is unknown: not used"
        return np.full(len(raw), np.nan), [note]
    kind = "dates" if times.kind == "date" else "durations such as h:mm:ss"
    notes = [f"{header!r} is a clock with {kind}", times.statement]
    return times.seconds, [note for note in notes if note]


def _scaled(values, source):
    """Values in base units; numbers that no instrument measures are missing."""
    with np.errstate(invalid="ignore"):
        impossible = ~(np.abs(values) < _LARGEST)
    if impossible.any():
        values = np.where(impossible, np.nan, values)
    if source.scale == 1 and source.offset == 0:
        return values
    return values * source.scale + source.offset


def _required(log):
    """Names of the quantities without which a row is of no use."""
    names = [name for name in REQUIRED if name in log]
    if "time_s" not in log:
        clock = "unix_time_s" if "unix_time_s" in log else "step_time_s"
        names.append(clock)
    if "current_a" not in log:
        names.append("charge_increment_ah")
    return names


def _without_incomplete_end(log):
    """The log without the rows at its end that lack time, voltage or current."""
    complete = np.ones(len(log), bool)
    for name in _required(log):
        complete &= np.isfinite(log[name])
    last = int(np.max(np.flatnonzero(complete), initial=-1))
    dropped = len(log) - 1 - last
    # More than a few lines at the end are not the remains of an interrupted copy.
    if dropped == 0 or last < 0 or dropped > 3:
        return log
    statement = (
        f"the last {'line is' if dropped == 1 else f'{dropped} lines are'} blank or "
        f"cut short ({log.line(last + 1)}): left out"
    )
    return log.keep(np.arange(len(log)) <= last, statement)


def _require_numbers(log):
    if len(log) == 0:
        raise DataError(f"{log.table.path}: the table of the log has no rows")
    for name in _required(log):
        bad = np.flatnonzero(~np.isfinite(log[name]))
        if bad.size == 0:
            continue
        source = log.sources[name]
        text = str(log.table.columns[source.column][log.rows[bad[0]]])
        more = f" (and in {bad.size - 1} more rows)" if bad.size > 1 else ""
        found = "an empty field" if text in ("", "nan") else repr(text)
        raise DataError(
            f"{log.location(bad[0])}: {source.header.strip()} must be a number, got "
            f"{found}{more}; remove or correct these rows"
        )


def _without_placeholders(log):
    """The log with missing values in place of the readings of absent sensors."""
    replaced, statements = {}, []
    if "temperature_c" in log:
        celsius = log["temperature_c"]
        low, high = _POSSIBLE_C
        with np.errstate(invalid="ignore"):
            absent = (celsius < low) | (celsius > high)
        absent |= not np.any(celsius[np.isfinite(celsius)])  # 0 °C in all rows
        if absent.any():
            replaced["temperature_c"] = np.where(absent, np.nan, celsius)
            example = celsius[np.flatnonzero(absent)[0]]
            statements.append(
                f"{log.header('temperature_c')!r} has {count(absent.sum(), 'reading')} of "
                f"an absent sensor (such as {example:g} degC): taken as missing"
            )
    if "resistance_ohm" in log and (log["resistance_ohm"] == 0).any():
        zero = log["resistance_ohm"] == 0
        replaced["resistance_ohm"] = np.where(zero, np.nan, log["resistance_ohm"])
        statements.append(
            f"{log.header('resistance_ohm')!r} is 0 in {count(zero.sum(), 'row')}: not "
            "measured there"
        )
    return log.with_values(*statements, **replaced) if replaced else log
