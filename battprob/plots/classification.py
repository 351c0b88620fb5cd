"""Reliability, ROC and precision-recall curves of predicted probabilities."""

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.evaluate import curves
from battprob.plots._style import ALEATORIC, EPISTEMIC, REFERENCE, TOTAL, axes_or_new
from battprob.predictive import ClassPredictive


def reliability_curve(
    p: ClassPredictive, y: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Reliability diagram: observed frequency against predicted probability.

    Points below the diagonal mean that the predicted probabilities are too large. Rows are
    pooled into blocks by isotonic regression; the area of a point is proportional to the
    number of rows in its block. The bars are a histogram of the predicted probabilities.

    Args:
        p: probabilities of `n` outcomes.
        y: outcomes, 0 and 1.
        ax: axes to draw on; default a new figure.

    Raises:
        DataError: `y` has another shape than `p` or contains values other than 0 and 1.

    Example:
        >>> p = ClassPredictive([[0.2, 0.4, 0.9]])
        >>> reliability_curve(p, [0, 1, 1]).get_ylabel()
        'observed frequency'
    """
    curve = curves.reliability(p, y)
    ax = axes_or_new(ax)
    predicted = np.asarray(p.mean)
    ax.hist(
        predicted,
        bins=20,
        range=(0, 1),
        weights=np.full(predicted.shape, 0.3 / len(predicted)),
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
        clip_on=False,  # the largest points are often in the corners
    )
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="predicted probability",
        ylabel="observed frequency",
    )
    ax.set_title(
        f"miscalibration {curve.miscalibration:.3f}, "
        f"discrimination {curve.discrimination:.3f}",
        fontsize="medium",
    )
    return ax


def roc(p: ClassPredictive, y: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """ROC curve: true positive rate against false positive rate.

    A random ranking has its curve on the diagonal. A failing cell is a positive.

    Args:
        p, y, ax: see `reliability_curve`.

    Raises:
        DataError: see `reliability_curve`.

    Example:
        >>> p = ClassPredictive([[0.2, 0.4, 0.9]])
        >>> roc(p, [0, 1, 1]).get_xlabel()
        'false positive rate'
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
        xlabel="false positive rate",
        ylabel="true positive rate",
    )
    ax.legend(frameon=False, loc="lower right")
    return ax


def precision_recall(
    p: ClassPredictive, y: ArrayLike, *, ax: Axes | None = None
) -> Axes:
    """Precision-recall curve; the dashed line is the precision of a random ranking.

    Args:
        p, y, ax: see `reliability_curve`.

    Raises:
        DataError: see `reliability_curve`.

    Example:
        >>> p = ClassPredictive([[0.2, 0.4, 0.9]])
        >>> precision_recall(p, [0, 1, 1]).get_xlabel()
        'recall'
    """
    curve = curves.precision_recall(p, y)
    ax = axes_or_new(ax)
    ax.axhline(
        curve.prevalence,
        color=REFERENCE,
        linestyle="--",
        linewidth=0.8,
        label=f"random ranking {curve.prevalence:.3f}",
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
        xlabel="recall",
        ylabel="precision",
    )
    ax.legend(frameon=False, loc="lower left")
    return ax
