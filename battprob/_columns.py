"""Which columns of the design matrix a kernel or a noise head looks at."""

from collections.abc import Sequence

from battprob._errors import DataError
from battprob._typing import Array, Float


def resolve_columns(
    features: Sequence[str | int] | None, feature_names: Sequence[str]
) -> tuple[int, ...]:
    """Positions of the chosen features; None chooses all.

    Raises:
        DataError: a name or position is not there; the message lists the names that are.

    Example:
        >>> resolve_columns(["temperature_c"], ["rate", "temperature_c"])
        (1,)
    """
    names = list(feature_names)
    if features is None:
        return tuple(range(len(names)))
    unknown = [f for f in features if f not in names and f not in range(len(names))]
    if unknown:
        raise DataError(f"no feature {unknown[0]!r}; the dataset has {names}")
    return tuple(names.index(f) if f in names else int(f) for f in features)


def select_columns(
    x: Float[Array, "*b d"], columns: tuple[int, ...] | None
) -> Float[Array, "*b c"]:
    """The columns of `x` with these indices; None selects all."""
    return x if columns is None else x[..., list(columns)]
