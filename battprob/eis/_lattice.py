"""Points that fill a cube evenly, however few."""

import numpy as np

from battprob._typing import Float


def filling(count: int, dimension: int) -> Float[np.ndarray, "count dimension"]:
    """Midpoints on a line; in more dimensions an additive recurrence (Roberts' R_d)."""
    if dimension < 2:
        return ((np.arange(count) + 0.5) / count)[:, None][:, :dimension]
    # The root of x^(d+1) = x + 1 spreads the points best.
    root = 2.0
    for _ in range(50):
        root = (1 + root) ** (1 / (dimension + 1))
    step = root ** -np.arange(1.0, dimension + 1)
    return (0.5 + np.outer(np.arange(1, count + 1), step)) % 1
