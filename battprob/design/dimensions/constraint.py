"""Linear constraints on the numbers and parts of a point."""

import dataclasses
from collections.abc import Mapping

from battprob._errors import DataError
from battprob.design.dimensions._values import ROUNDING, Point


@dataclasses.dataclass(frozen=True)
class LinearConstraint:
    """Bounds on a weighted sum of numbers or parts, or its exact value.

    Args:
        weights: weight of each name in the sum.
        at_least, at_most: bounds of the sum; None for no bound.
        equal_to: value of the sum, instead of bounds.

    Example:
        >>> LinearConstraint({"c1": 1.0, "c2": 1.0}, at_most=12.0).names
        ('c1', 'c2')
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    at_least: float | int | None
    at_most: float | int | None
    equal_to: float | int | None

    def __init__(
        self,
        weights: Mapping[str, float | int],
        *,
        at_least: float | int | None = None,
        at_most: float | int | None = None,
        equal_to: float | int | None = None,
    ):
        bounds = at_least is not None or at_most is not None
        if bounds == (equal_to is not None):
            raise DataError(
                "a constraint needs either at_least or at_most (or both), or equal_to"
            )
        for name, value in (
            ("names", tuple(weights)),
            ("weights", tuple(float(w) for w in weights.values())),
            ("at_least", at_least),
            ("at_most", at_most),
            ("equal_to", equal_to),
        ):
            object.__setattr__(self, name, value)

    def violation(self, point: Point) -> str | None:
        """Description of how the point violates the constraint, or None."""
        pairs = list(zip(self.names, self.weights, strict=True))
        total = sum(w * point[n] for n, w in pairs)
        tolerance = ROUNDING * sum(abs(w * point[n]) for n, w in pairs)
        text = " + ".join(f"{w:g} {n}" for n, w in pairs)
        if self.equal_to is not None and abs(total - self.equal_to) > tolerance:
            return f"{text} must be {self.equal_to:g}; got {total:g}"
        if self.at_least is not None and total < self.at_least - tolerance:
            return f"{text} must be at least {self.at_least:g}; got {total:g}"
        if self.at_most is not None and total > self.at_most + tolerance:
            return f"{text} must be at most {self.at_most:g}; got {total:g}"
        return None
