"""Values of a point, checked: every error names the key and what was expected."""

import math
from collections.abc import Mapping
from typing import Any

from battprob._errors import DataError

Point = Mapping[str, Any]

ROUNDING = 1e-6  # of a range: what a value loses when it is printed and typed again
BELOW_ONE = 1 - 1e-12  # a uniform number may be one after rounding


def number(name: str, value: Any) -> float:
    """The value as a number, and finite."""
    try:
        given = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be a number; got {value!r}") from None
    if not math.isfinite(given):
        raise DataError(f"{name} is not finite")
    return given


def inside(
    name: str, value: float, low: float | int, high: float | int, unit: str
) -> float:
    """The value, put back onto a bound that rounding alone took it over."""
    slack = ROUNDING * (high - low)
    if not low - slack <= value <= high + slack:
        raise DataError(
            f"{name} is {value:g}, outside of {low:g} to {high:g}"
            + (f" {unit}" if unit else "")
        )
    return float(min(max(value, low), high))


def require_bounds(name: str, low: float | int, high: float | int) -> None:
    """Refuse bounds between which there is nothing."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(
            f"{name} needs finite bounds, low below high; got {low}, {high}"
        )
