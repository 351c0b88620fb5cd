"""Are the probabilities of an outcome right, and do they rank?"""

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.evaluate import curves
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, TOTAL, axes_or_new
from battprob.predictive import ClassPredictive


def reliability_curve(
    p: ClassPredictive, y: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Share of outcomes that came true, against the probability that was said.

    Below the diagonal failures were overstated. Rows are pooled by isotonic regression,
    the area of a point is its share of them, and the bars below are what was said.

    Args:
        p: probabilities of `n` outcomes.
        y: outcomes, 0 and 1.
        ax: where to draw; default a new figure.

    Raises:
        DataError: `y` has another shape than `p` or holds more than 0 and 1.

    Example:
        >>> p = ClassPredictive([[0.2, 0.4, 0.9]])
        >>> reliability_curve(p, [0, 1, 1]).get_ylabel()
        'share that came true'
    """
    curve = curves.reliability(p, y)
    ax = axes_or_new(ax)
    said = np.asarray(p.mean)
    ax.hist(
        said,
        bins=20,
        range=(0, 1),
        weights=np.full(said.shape, 0.3 / len(said)),
        color=TOTAL,
        alpha=0.4,
    )
    ax.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.8)
    ax.plot(curve.predicted, curve.observed, color=EPISTEMIC, linewidth=1)
    size = 20 + 300 * curve.rows / curve.rows.sum()
    ax.scatter(
        curve.predicted,
        curve.observed,
        s=size,
        color=EPISTEMIC,
        alpha=0.7,
        clip_on=False,  # the largest points often lie in the corners
    )
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="probability said",
        ylabel="share that came true",
    )
    ax.set_title(
        f"miscalibration {curve.miscalibration:.3f}, "
        f"discrimination {curve.discrimination:.3f}",
        fontsize="medium",
    )
    return ax


def roc(p: ClassPredictive, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """True alarms against false ones; on the diagonal the ranking is a guess.

    Args:
        p, y, ax: see `reliability_curve`.

    Raises:
        DataError: see `reliability_curve`.

    Example:
        >>> p = ClassPredictive([[0.2, 0.4, 0.9]])
        >>> roc(p, [0, 1, 1]).get_xlabel()
        'share of sound cells rejected'
    """
    curve = curves.roc(p, y)
    ax = axes_or_new(ax)
    ax.plot([0, 1], [0, 1], color=REFERENCE, linewidth=0.8)
    ax.plot(
        curve.false_positive_rate,
        curve.true_positive_rate,
        color=EPISTEMIC,
        drawstyle="steps-post",
        label=f"area {curve.area:.3f}",
    )
    ax.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
        xlabel="share of sound cells rejected",
        ylabel="share of failing cells rejected",
    )
    ax.legend(frameon=False, loc="lower right")
    return ax


def precision_recall(
    p: ClassPredictive, y: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Precision against recall; the dashed line is a guess's.

    Args:
        p, y, ax: see `reliability_curve`.

    Raises:
        DataError: see `reliability_curve`.

    Example:
        >>> p = ClassPredictive([[0.2, 0.4, 0.9]])
        >>> precision_recall(p, [0, 1, 1]).get_xlabel()
        'recall: share of failing cells rejected'
    """
    curve = curves.precision_recall(p, y)
    ax = axes_or_new(ax)
    ax.axhline(
        curve.prevalence,
        color=REFERENCE,
        linestyle="--",
        linewidth=0.8,
        label=f"guess: prevalence {curve.prevalence:.3f}",
    )
    ax.plot(
        curve.recall,
        curve.precision,
        color=ALEATORIC,
        drawstyle="steps-post",
        label=f"average precision {curve.average:.3f}",
    )
    ax.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        xlabel="recall: share of failing cells rejected",
        ylabel="precision: share of rejected that fail",
    )
    ax.legend(frameon=False, loc="lower left")
    return ax
