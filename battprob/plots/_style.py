"""Colours, new axes and axis labels of all plots.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish, also in
greyscale.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogFormatter

from battprob._errors import DataError
from battprob._typing import ArrayLike, Float, Int

ALEATORIC = "#E69F00"
EPISTEMIC = "#0072B2"
TOTAL = "#7F7F7F"
REFERENCE = "#000000"


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the given axes, or those of a new figure."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def labelled(quantity: str, unit: str) -> str:
    """Axis label such as "life (cycles)"; without parentheses if there is no unit."""
    return f"{quantity} ({unit})" if unit else quantity


def plain_numbers(axis: Axis) -> None:
    """Format the ticks of a logarithmic axis as 600 instead of 6 × 10²."""
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter())


def sorted_along(
    x: ArrayLike, shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Values of one feature in ascending order, and the permutation that sorts them.

    Raises:
        DataError: `x` has not one value per prediction.
    """
    x = np.asarray(x, float).ravel()
    if x.shape != shape:
        raise DataError(
            f"x must have one value of the feature for every prediction, shape {shape}; "
            f"got {x.shape}"
        )
    order = np.argsort(x)
    return x[order], order
