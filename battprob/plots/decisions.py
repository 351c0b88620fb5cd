"""Cost curves of decision thresholds."""

from matplotlib.axes import Axes

from battprob.evaluate.decide import CostCurve
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, axes_or_new, labelled


def cost_curve(curve: CostCurve, *, unit: str = "", ax: Axes | None = None) -> Axes:
    """Mean cost per cell against the threshold, with the threshold of the costs marked.

    Args:
        curve: result of `battprob.evaluate.cost_curve`.
        unit: unit of the costs.
        ax: axes to draw on; default a new figure.

    Example:
        >>> import numpy as np
        >>> curve = CostCurve(np.array([0.0, 0.5]), np.array([1.0, 0.2]), 0.1, 1.0)
        >>> cost_curve(curve).get_xlabel()
        'threshold of the probability of failure'
    """
    ax = axes_or_new(ax)
    ax.plot(curve.threshold, curve.cost, color=REFERENCE, drawstyle="steps-post")
    lowest = curve.cost.argmin()
    ax.plot(
        curve.threshold[lowest],
        curve.cost[lowest],
        "v",
        zorder=3,  # above the other marker, which is larger and often near
        color=ALEATORIC,
        label=f"lowest observed: {curve.cost[lowest]:.3g} at {curve.threshold[lowest]:.3g}",
    )
    ax.plot(
        curve.bayes_threshold,
        curve.bayes_cost,
        "o",
        markersize=10,
        color=EPISTEMIC,
        label=f"Bayes threshold: {curve.bayes_cost:.3g} at {curve.bayes_threshold:.3g}",
    )
    ax.set(
        xlim=(0, 1),
        xlabel="threshold of the probability of failure",
        ylabel=labelled("mean cost per cell", unit),
    )
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return ax
