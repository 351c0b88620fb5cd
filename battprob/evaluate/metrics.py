"""Scores of single predictions: one number a target, averaged by the caller.

Every function takes a `Predictive` and the targets that came true, and answers an array
of their shape, so that `crps(pred, y).mean()` is the score of a model and the rows that
made it bad can still be found. `battprob.evaluate.summary` averages them all at once.

The first three judge the mean alone. `nlpd`, `crps`, `pinball` and `interval_score` are
*proper*: no forecaster expects a better score by stating what they do not believe.
`covered`, `pit` and `interval_width` are not scores but checks: calibration, and sharpness
subject to it. A million predictions are worked through in slices: memory stays bounded.
"""

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Bool, Float
from battprob.evaluate._chunks import in_chunks
from battprob.predictive import Predictive


def absolute_error(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Distance of the mean from the target, $|y - \mu|$, in units of y.

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform. Every function here raises it.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(absolute_error(pred, 530.0))
        30.0
    """
    return jnp.abs(targets(pred, y) - pred.mean)


def squared_error(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Squared distance of the mean from the target, $(y - \mu)^2$, in units of y².

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(squared_error(pred, 530.0))
        900.0
    """
    return (targets(pred, y) - pred.mean) ** 2


def percentage_error(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Absolute error in per cent of the target, $100\,|y - \mu| / |y|$.

    Not defined where y = 0 (the answer is infinite, or NaN if the mean is 0 as well).

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(percentage_error(pred, 400.0))
        25.0
    """
    y = targets(pred, y)
    return 100 * jnp.abs(y - pred.mean) / jnp.abs(y)


def nlpd(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Negative log predictive density, $-\log p(y)$, in nats; smaller is better.

    A density is per unit of y: compare values only between models of the same target
    in the same unit.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(nlpd(pred, 530.0)), 3)
        5.011
    """
    return -in_chunks(Predictive.log_prob, pred, (targets(pred, y),))


def crps(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Continuous ranked probability score, in units of y; smaller is better.

    $$\int (F(t) - 1\{t \ge y\})^2\,dt = E|Y - y| - \tfrac12 E|Y - Y'|$$

    It is the absolute error of a forecast without uncertainty, and forgives a surprise
    far more readily than `nlpd`.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(crps(pred, 530.0)), 2)
        18.66

    References:
        Gneiting and Raftery, Strictly proper scoring rules, prediction, and estimation,
        J. Am. Stat. Assoc. 102, 359 (2007), doi:10.1198/016214506000001437, eq. 21
        (with the opposite sign).
    """
    return in_chunks(Predictive.crps, pred, (targets(pred, y),))


def interval_score(
    pred: Predictive, y: ArrayLike, level: float = 0.9
) -> Float[Array, "*b"]:
    r"""Width of the central interval, and a penalty if y lies outside; in units of y.

    $$(u - l) + \frac{2}{\alpha}(l - y)_+ + \frac{2}{\alpha}(y - u)_+,
    \qquad \alpha = 1 - \mathrm{level}$$

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        level: probability that the interval is to hold, between 0 and 1.

    Raises:
        DataError: see `absolute_error`.
        ValueError: `level` is not a probability.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(interval_score(pred, 530.0, level=0.9)), 1)
        164.5

    References:
        Gneiting and Raftery (2007), doi:10.1198/016214506000001437, eq. 43.
    """
    y = targets(pred, y)
    low, high = _interval(pred, level)
    outside = jnp.maximum(low - y, 0) + jnp.maximum(y - high, 0)
    return (high - low) + 2 / (1 - level) * outside


def pinball(pred: Predictive, y: ArrayLike, p: float) -> Float[Array, "*b"]:
    r"""Loss of the predicted quantile q of probability p; in units of y.

    $$p\,(y - q)_+ + (1 - p)\,(q - y)_+$$

    `interval_score` is $2/\alpha$ times the sum of the losses of its two ends, and `crps`
    twice the integral over p.

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        p: probability below the quantile, between 0 and 1.

    Raises:
        DataError: see `absolute_error`.
        ValueError: `p` is not a probability.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(pinball(pred, 530.0, 0.5))
        15.0

    References:
        Gneiting and Raftery (2007), doi:10.1198/016214506000001437, eq. 40 (for s(x) = x
        and with the opposite sign, up to a term that does not depend on the quantile).
    """
    require_level(p)
    y = targets(pred, y)
    excess = y - in_chunks(Predictive.quantile, pred, (), (jnp.asarray(p),))
    return jnp.maximum(p * excess, (p - 1) * excess)


def covered(pred: Predictive, y: ArrayLike, level: float = 0.9) -> Bool[Array, "*b"]:
    """Whether the target lies in the central interval of probability `level`.

    The mean over many targets should be `level`: less is overconfident, more is timid.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> bool(covered(pred, 530.0, level=0.9)), bool(covered(pred, 530.0, level=0.4))
        (True, False)
    """
    y = targets(pred, y)
    low, high = _interval(pred, level)
    return (low <= y) & (y <= high)


def interval_width(pred: Predictive, level: float = 0.9) -> Float[Array, "*b"]:
    """Width of the central interval of probability `level`, in units of y.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(interval_width(pred, level=0.9)), 1)
        164.5
    """
    low, high = _interval(pred, level)
    return high - low


def pit(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    """Probability integral transform: the predicted probability of a target up to y.

    Uniform on [0, 1] over many targets if the predictions are calibrated.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(pit(pred, 500.0))
        0.5

    References:
        Gneiting, Balabdaoui and Raftery, Probabilistic forecasts, calibration and
        sharpness, J. R. Stat. Soc. B 69, 243 (2007),
        doi:10.1111/j.1467-9868.2007.00587.x.
    """
    # The weights of a mixture add up to one only to rounding.
    return jnp.minimum(in_chunks(Predictive.cdf, pred, (targets(pred, y),)), 1)


def targets(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    """`y` as an array that `pred` can be scored against.

    Raises:
        DataError: see `absolute_error`.
    """
    y = jnp.asarray(y, pred.location.dtype)
    if y.shape != pred.shape:
        raise DataError(
            f"y must have one target for every prediction, shape {pred.shape}; got {y.shape}"
        )
    bad = np.argwhere(~np.isfinite(pred.transform.inverse(y)))
    if bad.size:
        raise DataError(
            f"y cannot be scored at index {bad[0].tolist()} and {len(bad) - 1} more: it is "
            f"not finite or outside the domain of {type(pred.transform).__name__}. Leave "
            "such targets out of y, and their predictions with `pred.take(...)`"
        )
    return y


def require_level(level: float) -> None:
    """Refuse what is no probability.

    Raises:
        ValueError: `level` is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(
            f"level is a probability between 0 and 1, 0.9 for 90 %; got {level}"
        )


def quantile_pair(pred: Predictive, level: Float[Array, ""]):
    """`pred.interval(level)` where the level is an array: no new trace for another."""
    low, high = pred.quantile(0.5 * (1 + jnp.stack([-level, level])))
    return low, high


def _interval(pred, level):
    require_level(level)
    return in_chunks(quantile_pair, pred, (), (jnp.asarray(level),))
