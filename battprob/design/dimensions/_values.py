"""Validation of values of a point; errors name the key and what was expected."""

import math
from collections.abc import Mapping
from typing import Any

from battprob._errors import DataError

Point = Mapping[str, Any]

ROUNDING = 1e-6  # of a range: error of a value that was printed and typed again
BELOW_ONE = 1 - 1e-12  # factor for uniform numbers, which may round to one


def number(name: str, value: Any) -> float:
    """The value as a finite number."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be a number; got {value!r}") from None
    if not math.isfinite(result):
        raise DataError(f"{name} must be finite; got {value!r}")
    return result


def inside(
    name: str, value: float, low: float | int, high: float | int, unit: str
) -> float:
    """The value, moved onto a bound that it exceeds by no more than rounding."""
    tolerance = ROUNDING * (high - low)
    if not low - tolerance <= value <= high + tolerance:
        unit = f" {unit}" if unit else ""
        raise DataError(
            f"{name} must lie between {low:g} and {high:g}{unit}; got {value:g}"
        )
    return float(min(max(value, low), high))


def require_bounds(name: str, low: float | int, high: float | int) -> None:
    """Refuse bounds that are not finite or not in order."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(
            f"{name} needs finite bounds with low < high; got low = {low}, high = {high}"
        )
