"""What a fit says of a spectrum as features for a model, with the errors they share."""

from typing import NamedTuple

from battprob._typing import Array, Float


class Coordinates(NamedTuple):
    """Numbers that describe a spectrum, about Gaussian, on their unconstrained scale.

    Attributes:
        names: of the numbers.
        mean: features, such as `features.fit_first_order` takes.
        covariance: of these, for they are known together rather than each.
    """

    names: tuple[str, ...]
    mean: Float[Array, "*n p"]
    covariance: Float[Array, "*n p p"]
