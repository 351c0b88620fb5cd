"""Hidden protocols along one feature, what the average over them hides, and shifts."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from battprob._typing import ArrayLike
from battprob.evaluate.adapt import DeploymentBias
from battprob.evaluate.shift import Shift
from battprob.plots._style import (
    ALEATORIC,
    EPISTEMIC,
    REFERENCE,
    TOTAL,
    axes_or_new,
    labelled,
    sorted_along,
)
from battprob.predictive import Predictive

_PROTOCOLS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
_BETWEEN = "#F0E442"


def components(
    x: ArrayLike,
    pred: Predictive,
    *,
    observed: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Every protocol's mean and 90 % band along one feature; measurements by their protocol.

    A measurement has the colour of its likeliest protocol, and is the paler the less sure
    that is. Where a protocol is unlikely at x its line is thin.

    Args:
        x: the feature at the `n` predicted rows, in any order.
        pred: answer of a mixture for these rows, its components the protocols.
        observed: feature, target and `posterior.responsibilities` of the measurements.
        feature: name and unit of the feature, for the axis.
        unit: unit of the target.
        ax: where to draw; default a new figure.

    Raises:
        DataError: `x` and `pred` differ in length.

    Example:
        >>> x = np.linspace(0, 1, 5)
        >>> fields = np.zeros((1, 2, 5))
        >>> fields[:, 1] = 4
        >>> pred = Predictive(fields, np.ones_like(fields), 0.0, 0.0)
        >>> len(components(x, pred, feature="rate").lines)
        2
    """
    x, order = sorted_along(x, pred.shape)
    ax = axes_or_new(ax)
    weight = np.exp(np.asarray(pred.log_weight)).sum(0)
    for k in np.flatnonzero(weight.max(1) > 0):
        colour = _PROTOCOLS[k % len(_PROTOCOLS)]
        alone = pred.reweight(np.eye(len(weight))[k])
        low, high = (np.asarray(end)[order] for end in alone.interval(0.9))
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        mean = np.asarray(alone.mean)[order]
        width = 0.5 + 2.5 * weight[k].mean()
        ax.plot(x, mean, color=colour, linewidth=width, label=f"protocol {k}")
    if observed is not None:
        where, target, share = (np.asarray(values) for values in observed)
        best = share.argmax(1)
        colours = [_PROTOCOLS[k % len(_PROTOCOLS)] for k in best]
        ax.scatter(where.ravel(), target, s=12, c=colours, alpha=share.max(1) ** 3)
    ax.set(xlabel=feature, ylabel=labelled("target", unit))
    ax.legend(frameon=False)
    return ax


def variance_stack(
    x: ArrayLike,
    pred: Predictive,
    *,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Variance along one feature, stacked: within protocols, between them, epistemic.

    The yellow part goes once the protocol is known, the blue one with more data; the
    orange one stays.

    Args:
        x, pred, feature, unit, ax: see `components`.

    Raises:
        DataError: `x` and `pred` differ in length.

    Example:
        >>> x = np.linspace(0, 1, 5)
        >>> variance_stack(x, Predictive.gaussian(x, 1.0, x), unit="mAh").get_ylabel()
        'variance (mAh²)'
    """
    x, order = sorted_along(x, pred.shape)
    ax = axes_or_new(ax)
    parts = [np.asarray(a)[order] for a in (pred.within, pred.between, pred.epistemic)]
    ax.stackplot(
        x,
        *parts,
        colors=[ALEATORIC, _BETWEEN, EPISTEMIC],
        labels=[
            "within a protocol: stays",
            "between protocols: goes once it is known",
            "epistemic: goes with more data",
        ],
    )
    ax.set(xlabel=feature, ylabel=labelled("variance", f"{unit}²" if unit else ""))
    ax.legend(frameon=False)
    return ax


def shift(found: Shift, *, ax: Axes | None = None) -> Axes:
    """Standardised shift of each feature; those that chance does not explain are filled.

    Args:
        found: answer of `evaluate.detect_shift`.
        ax: where to draw; default a new figure.

    Example:
        >>> import jax
        >>> from battprob.evaluate import detect_shift
        >>> rows = np.arange(20.0)[:, None]
        >>> found = detect_shift(rows, rows + 30, key=jax.random.key(0), features=["rate"])
        >>> [text.get_text() for text in shift(found).get_yticklabels()]
        ['rate']
    """
    ax = axes_or_new(ax)
    place = np.arange(len(found.features))[::-1]
    told = found.p_values <= found.level
    fill = [EPISTEMIC if own else "none" for own in told]
    ax.barh(place, found.standardised, color=fill, edgecolor=EPISTEMIC)
    ax.axvline(0, color=REFERENCE, linewidth=0.8)
    ax.set_yticks(place, found.features)
    verdict = "shifted" if found.is_shifted else "no shift shown"
    ax.set_xlabel("shift (standard deviations)")
    ax.set_title(f"{verdict}, p = {found.p_value:.2g}", fontsize=10)
    return ax


def deployment_bias(
    x: ArrayLike,
    found: DeploymentBias,
    *,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """What the averaged predictor gets wrong along one feature, on each protocol alone.

    Args:
        x: the feature at the predicted rows, in any order.
        found: answer of `evaluate.deployment_bias`.
        feature, unit, ax: see `components`.

    Raises:
        DataError: there is not one place for each row.

    Example:
        >>> found = DeploymentBias(np.ones((2, 5)), np.full((2, 5), 0.5))
        >>> len(deployment_bias(np.arange(5.0), found).lines)
        3
    """
    x, order = sorted_along(x, found.bias.shape[1:])
    ax = axes_or_new(ax)
    for k, (bias, coverage) in enumerate(zip(found.bias, found.coverage, strict=True)):
        label = f"protocol {k}: interval holds {coverage.mean():.0%}"
        colour: Any = _PROTOCOLS[k % len(_PROTOCOLS)]
        ax.plot(x, bias[order], color=colour, label=label)
    ax.axhline(0, color=TOTAL, linewidth=0.8)
    ax.set(xlabel=feature, ylabel=labelled("bias of the average", unit))
    ax.legend(frameon=False)
    return ax
