"""Bias and variance of a smoothing filter for several window lengths."""

from typing import Any

from matplotlib.axes import Axes

from battprob._errors import DataError
from battprob.plots._style import (
    ALEATORIC,
    EPISTEMIC,
    REFERENCE,
    axes_or_new,
    labelled,
    plain_numbers,
)


def window_risk(risk: Any, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """Variance and squared bias of a filter against its window, with the selected window.

    Args:
        risk: result of `battprob.features.window_risk`. Negative estimates of the squared
            bias are not shown on the logarithmic axis.
        unit: unit of the squared error.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: there is only one window.

    Example:
        >>> import numpy as np
        >>> from battprob.features import window_risk as estimate
        >>> x = np.sin(np.arange(400) / 30) + 0.1 * np.random.default_rng(0).normal(size=400)
        >>> window_risk(estimate(x)).get_xlabel()
        'window (readings)'
    """
    if len(risk.window) < 2:
        raise DataError(
            f"window_risk compares two or more windows; got {list(risk.window)}"
        )
    ax = axes_or_new(ax)
    ax.loglog(risk.window, risk.variance, color=ALEATORIC, label="variance")
    ax.loglog(
        risk.window,
        risk.squared_bias,
        color=EPISTEMIC,
        label="squared bias (estimated)",
    )
    ax.loglog(risk.window, risk.risk, color=REFERENCE, label="risk")
    ax.set_yscale("log", nonpositive="mask")
    ax.axvline(
        risk.best_window,
        color=REFERENCE,
        linestyle=":",
        label=f"selected: {risk.best_window}",
    )
    ax.set_ylim(bottom=0.3 * float(min(risk.variance)))
    plain_numbers(ax.xaxis)
    ax.set(xlabel="window (readings)", ylabel=labelled("squared error", unit))
    ax.legend(frameon=False)
    return ax
