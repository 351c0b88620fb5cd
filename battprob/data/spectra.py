"""`Spectrum`: one measured impedance spectrum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex, Float
from numpy.typing import ArrayLike

from battprob._errors import DataError


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Spectrum:
    """One impedance spectrum, validated on construction and read-only.

    Args:
        name: unique name of the spectrum.
        frequency_hz: frequencies in Hz, in the order of the measurement.
        impedance_ohm: impedance in ohm; a capacitive impedance has a negative imaginary
            part.
        statements: what a reader recognised or assumed about columns, signs and units,
            and which rows it omitted, one sentence each.
        meta: any other information about the spectrum.

    Raises:
        DataError: shapes do not match, a frequency is not positive, or a value is not
            finite.

    Example:
        >>> Spectrum("a", frequency_hz=[100.0, 10.0], impedance_ohm=[1 - 0.1j, 2])
        Spectrum('a', 2 frequencies from 10 to 100 Hz)
    """

    name: str
    frequency_hz: Float[np.ndarray, " f"]
    impedance_ohm: Complex[np.ndarray, " f"]
    statements: tuple[str, ...]
    meta: Mapping[str, Any]

    def __init__(
        self,
        name: str,
        frequency_hz: ArrayLike,
        impedance_ohm: ArrayLike,
        *,
        statements: Sequence[str] = (),
        meta: Mapping[str, Any] | None = None,
    ):
        fields = {
            "name": name,
            "frequency_hz": np.array(frequency_hz, float),
            "impedance_ohm": np.array(impedance_ohm, complex),
            "statements": tuple(statements),
            "meta": dict(meta or {}),
        }
        _check(name, fields["frequency_hz"], fields["impedance_ohm"])
        for field, value in fields.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, field, value)  # the dataclass is frozen

    def __repr__(self):
        low, high = self.frequency_hz.min(), self.frequency_hz.max()
        count = len(self.frequency_hz)
        return (
            f"Spectrum({self.name!r}, {count} frequencies from {low:g} to {high:g} Hz)"
        )


def _check(name, frequency, impedance):
    shapes = frequency.shape, impedance.shape
    if frequency.ndim != 1 or frequency.size == 0 or shapes[0] != shapes[1]:
        raise DataError(
            f"spectrum {name!r}: frequency_hz and impedance_ohm must be non-empty "
            f"lists of the same length; got shapes {shapes[0]} and {shapes[1]}"
        )
    bad = ~(np.isfinite(frequency) & (frequency > 0) & np.isfinite(impedance))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"spectrum {name!r}: row {row} (counting from 0) has frequency "
            f"{frequency[row]:g} Hz and impedance {impedance[row]:g} ohm; expected a "
            "positive frequency and finite values. Remove such rows from the file"
        )
