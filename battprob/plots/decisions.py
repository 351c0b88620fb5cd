"""What each threshold costs."""

from matplotlib.axes import Axes

from battprob.evaluate import CostCurve
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, axes_or_new


def cost_curve(curve: CostCurve, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """Mean cost a cell against the threshold, and where the costs alone would set it.

    Args:
        curve: of `battprob.evaluate.cost_curve`.
        unit: of the costs.
        ax: where to draw; default a new figure.

    Example:
        >>> import numpy as np
        >>> curve = CostCurve(np.array([0.0, 0.5]), np.array([1.0, 0.2]), 0.1, 1.0)
        >>> cost_curve(curve).get_xlabel()
        'reject above this probability of failure'
    """
    ax = axes_or_new(ax)
    ax.plot(curve.threshold, curve.cost, color=REFERENCE, drawstyle="steps-post")
    lowest = curve.cost.argmin()
    ax.plot(
        curve.threshold[lowest],
        curve.cost[lowest],
        "v",
        zorder=3,  # often close to the other, which is larger
        color=ALEATORIC,
        label=f"least on these cells: {curve.cost[lowest]:.3g} at {curve.threshold[lowest]:.3g}",
    )
    ax.plot(
        curve.bayes_threshold,
        curve.bayes_cost,
        "o",
        markersize=10,
        color=EPISTEMIC,
        label=f"by the costs alone: {curve.bayes_cost:.3g} at {curve.bayes_threshold:.3g}",
    )
    ax.set(
        xlim=(0, 1),
        xlabel="reject above this probability of failure",
        ylabel="mean cost a cell" + (f" ({unit})" if unit else ""),
    )
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return ax
