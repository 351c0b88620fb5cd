"""`LogRows`: the validated columns of a log, on which all tables of it are based."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from battprob._errors import DataError


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class LogRows:
    """Columns of a log, validated and read-only; `TimeSeries` is the public class.

    Arguments and errors are those of `TimeSeries`.
    """

    name: str
    time_s: Float[np.ndarray, " t"]
    voltage_v: Float[np.ndarray, " t"]
    current_a: Float[np.ndarray, " t"]
    cycle: Int[np.ndarray, " t"]
    step: Int[np.ndarray, " t"] | None
    other: Mapping[str, Float[np.ndarray, " t"]]
    _stated: tuple[str, ...] = field(init=False)
    _cache: dict[str, Any] = field(init=False)

    def __init__(
        self,
        name: str,
        time_s: ArrayLike,
        voltage_v: ArrayLike,
        current_a: ArrayLike,
        cycle: ArrayLike,
        *,
        step: ArrayLike | None = None,
        other: Mapping[str, ArrayLike] | None = None,
        statements: Sequence[str] = (),
    ):
        columns = {
            "time_s": _column(time_s),
            "voltage_v": _column(voltage_v),
            "current_a": _column(current_a),
            "cycle": _column(cycle),
        }
        steps = {} if step is None else {"step": _column(step)}
        extra = {key: _column(value) for key, value in (other or {}).items()}
        _check(name, {**columns, **steps}, extra)
        fields = {
            "name": name,
            **columns,
            "cycle": _integers(columns["cycle"]),
            "step": _integers(steps["step"]) if steps else None,
            "other": extra,
            "_stated": tuple(statements),
            "_cache": {},  # what is computed from the rows, which never change
        }
        for key, value in fields.items():
            object.__setattr__(self, key, value)  # the dataclass is frozen

    def __reduce__(self):
        options = {"step": self.step, "other": self.other, "statements": self._stated}
        columns = (self.time_s, self.voltage_v, self.current_a, self.cycle)
        return _rebuild, (type(self), (self.name, *columns), options)

    def __len__(self):
        return len(self.time_s)

    def cached(self, key: str, function: Callable[[Any], Any]) -> Any:
        """Result of a function of the log, computed once."""
        if key not in self._cache:
            self._cache[key] = function(self)
        return self._cache[key]


def _rebuild(cls, columns, options):
    """Restore a log from a pickle, without what has been computed from it."""
    return cls(*columns, **options)


def _column(values):
    """A read-only copy in float64; an array that is already read-only is shared."""
    array = np.asarray(values, float)
    if array.flags.writeable or not array.flags.c_contiguous:
        array = np.array(array)
        array.flags.writeable = False
    return array


def _integers(column):
    column = column.astype(np.int64)
    column.flags.writeable = False
    return column


def _check(name, columns, extra):
    lengths = {key: value.shape for key, value in {**columns, **extra}.items()}
    time = columns["time_s"]
    if len(set(lengths.values())) > 1 or time.ndim != 1 or time.size == 0:
        raise DataError(
            f"{name!r}: columns must be non-empty and of one length; got {lengths}"
        )
    for key, value in columns.items():
        bad = np.flatnonzero(~np.isfinite(value))
        if bad.size:
            raise DataError(
                f"{name!r}: {key} is not finite at row {bad[0]} (counting from 0)"
            )
    cycle = columns["cycle"]
    bad = np.flatnonzero(
        (cycle != np.round(cycle)) | (np.diff(cycle, prepend=-np.inf) < 0)
    )
    if bad.size:
        raise DataError(
            f"{name!r}: cycle must be integers that do not decrease; row {bad[0]} "
            f"(counting from 0) has {cycle[bad[0]]:g}"
        )
    step = columns.get("step", cycle)
    bad = np.flatnonzero(step != np.round(step))
    if bad.size:
        raise DataError(
            f"{name!r}: step must be integers; row {bad[0]} (counting from 0) has "
            f"{step[bad[0]]:g}"
        )
