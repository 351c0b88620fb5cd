"""`Coordinates`: numbers that describe a spectrum, with their covariance."""

from typing import NamedTuple

from battprob._typing import Array, Float


class Coordinates(NamedTuple):
    """Unconstrained quantities that describe a spectrum, about Gaussian, as features.

    Attributes:
        names: names of the quantities.
        mean: their posterior means, to be used with `features.fit_first_order`.
        covariance: their posterior covariance: their errors are not independent.
    """

    names: tuple[str, ...]
    mean: Float[Array, "*n p"]
    covariance: Float[Array, "*n p p"]
