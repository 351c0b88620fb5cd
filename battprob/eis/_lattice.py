"""Space-filling points of the unit cube, for quadrature nodes and starting values."""

import numpy as np

from battprob._typing import Float


def lattice_points(count: int, dimension: int) -> Float[np.ndarray, "count dimension"]:
    """Points that fill the unit cube evenly.

    On a line they are midpoints of equal cells; in more dimensions an additive
    recurrence (Roberts' sequence R_d), which is even for every count.
    """
    if dimension < 2:
        return ((np.arange(count) + 0.5) / count)[:, None][:, :dimension]
    # Fixed-point iteration for the root of x^(d+1) = x + 1, the generalised golden
    # ratio.
    root = 2.0
    for _ in range(50):
        root = (1 + root) ** (1 / (dimension + 1))
    step = root ** -np.arange(1.0, dimension + 1)
    return (0.5 + np.outer(np.arange(1, count + 1), step)) % 1
