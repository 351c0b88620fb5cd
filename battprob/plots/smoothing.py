"""What smoothing costs and what it brings, window by window."""

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
    """Variance and squared bias of a filter over its window, with the chosen one marked.

    Args:
        risk: what `battprob.features.window_risk` answers. A squared bias that is
            estimated below zero lies beyond the logarithmic axis.
        unit: of a squared error.
        ax: where to draw; default a new figure.

    Raises:
        DataError: there is nothing to compare, one window only.

    Example:
        >>> import numpy as np
        >>> from battprob.features import window_risk as estimate
        >>> x = np.sin(np.arange(400) / 30) + 0.1 * np.random.default_rng(0).normal(size=400)
        >>> window_risk(estimate(x)).get_xlabel()
        'window (readings)'
    """
    if len(risk.window) < 2:
        raise DataError(
            f"window_risk compares windows; got {list(risk.window)}: give two or more"
        )
    ax = axes_or_new(ax)
    ax.loglog(risk.window, risk.variance, color=ALEATORIC, label="variance")
    ax.loglog(risk.window, risk.squared_bias, color=EPISTEMIC, label="bias², estimated")
    ax.loglog(risk.window, risk.risk, color=REFERENCE, label="risk")
    ax.set_yscale("log", nonpositive="mask")
    ax.axvline(
        risk.chosen, color=REFERENCE, linestyle=":", label=f"chosen: {risk.chosen}"
    )
    least = float(min(risk.variance))
    ax.set_ylim(bottom=0.3 * least)
    plain_numbers(ax.xaxis)
    ax.set(xlabel="window (readings)", ylabel=labelled("squared error", unit))
    ax.legend(frameon=False)
    return ax
