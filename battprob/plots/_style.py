"""What every plot shares: colours, fresh axes, and units in labels.

The colours are those of Okabe and Ito, told apart by colour-blind readers and in grey.
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
    """The axes given, or those of a new figure."""
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def labelled(quantity: str, unit: str) -> str:
    """Axis label: "life (cycles)", or without brackets if there is no unit."""
    return f"{quantity} ({unit})" if unit else quantity


def plain_numbers(axis: Axis) -> None:
    """Write the ticks of a logarithmic axis as 600, not 6 × 10²."""
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter())


def sorted_along(
    x: ArrayLike, shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """One feature at every prediction (of that shape) in ascending order, and the order.

    Raises:
        DataError: there is not one number for each prediction.
    """
    x = np.asarray(x, float).ravel()
    if x.shape != shape:
        raise DataError(
            f"x must be one feature at every prediction, shape {shape}; got {x.shape}"
        )
    order = np.argsort(x)
    return x[order], order
