"""Mixtures of latent protocols along one feature, and distribution shift."""

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
    """Mean and 90 % interval of each protocol along one feature, with measurements.

    A measurement has the colour of its most probable protocol; its opacity increases with
    that probability. The width of a line increases with the mean weight of the protocol.

    Args:
        x: the feature of the `n` predicted rows, in any order.
        pred: predictions of a mixture for these rows, whose components are the protocols.
        observed: feature, target and `posterior.responsibilities` of the measurements.
        feature: name and unit of the feature, for the axis.
        unit: unit of the target.
        ax: axes to draw on; default a new figure.

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
        protocol = pred.reweight(np.eye(len(weight))[k])
        low, high = (np.asarray(end)[order] for end in protocol.interval(0.9))
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        mean = np.asarray(protocol.mean)[order]
        width = 0.5 + 2.5 * weight[k].mean()
        ax.plot(x, mean, color=colour, linewidth=width, label=f"protocol {k}")
    if observed is not None:
        values, target, responsibilities = (np.asarray(a) for a in observed)
        colours = [_PROTOCOLS[k % len(_PROTOCOLS)] for k in responsibilities.argmax(1)]
        opacity = responsibilities.max(1) ** 3
        ax.scatter(values.ravel(), target, s=12, c=colours, alpha=opacity)
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
    """Parts of the variance along one feature: within and between protocols, epistemic.

    The part between protocols is zero if the protocol is known. More data reduce the
    epistemic part, but not the part within protocols.

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
            "aleatoric, within protocols",
            "aleatoric, between protocols",
            "epistemic",
        ],
    )
    ax.set(xlabel=feature, ylabel=labelled("variance", f"{unit}²" if unit else ""))
    ax.legend(frameon=False)
    return ax


def shift(result: Shift, *, ax: Axes | None = None) -> Axes:
    """Standardised shift of each feature; bars of significant shifts are filled.

    Args:
        result: result of `evaluate.detect_shift`.
        ax: axes to draw on; default a new figure.

    Example:
        >>> import jax
        >>> from battprob.evaluate import detect_shift
        >>> rows = np.arange(20.0)[:, None]
        >>> result = detect_shift(
        ...     rows, rows + 30, key=jax.random.key(0), features=["rate"]
        ... )
        >>> [text.get_text() for text in shift(result).get_yticklabels()]
        ['rate']
    """
    ax = axes_or_new(ax)
    position = np.arange(len(result.features))[::-1]
    is_significant = result.p_values <= result.level
    fill = [EPISTEMIC if significant else "none" for significant in is_significant]
    ax.barh(position, result.standardised, color=fill, edgecolor=EPISTEMIC)
    ax.axvline(0, color=REFERENCE, linewidth=0.8)
    ax.set_yticks(position, result.features)
    verdict = "shifted" if result.is_shifted else "no significant shift"
    ax.set_xlabel("shift (standard deviations)")
    ax.set_title(f"{verdict}, p = {result.p_value:.2g}", fontsize=10)
    return ax


def deployment_bias(
    x: ArrayLike,
    result: DeploymentBias,
    *,
    feature: str = "",
    unit: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Bias of the averaged predictor along one feature, for each protocol separately.

    Args:
        x: the feature of the predicted rows, in any order.
        result: result of `evaluate.deployment_bias`.
        feature, unit, ax: see `components`.

    Raises:
        DataError: `x` has not one value per row.

    Example:
        >>> result = DeploymentBias(np.ones((2, 5)), np.full((2, 5), 0.5))
        >>> len(deployment_bias(np.arange(5.0), result).lines)
        3
    """
    x, order = sorted_along(x, result.bias.shape[1:])
    ax = axes_or_new(ax)
    for k, (bias, coverage) in enumerate(
        zip(result.bias, result.coverage, strict=True)
    ):
        label = f"protocol {k}: coverage {coverage.mean():.0%}"
        colour: Any = _PROTOCOLS[k % len(_PROTOCOLS)]
        ax.plot(x, bias[order], color=colour, label=label)
    ax.axhline(0, color=TOTAL, linewidth=0.8)
    ax.set(xlabel=feature, ylabel=labelled("bias of the average", unit))
    ax.legend(frameon=False)
    return ax
