"""Scores of single predictions: one number per target.

Each function takes a `Predictive` and the observed targets, and returns an array of their
shape. The score of a model is the mean, for example `crps(pred, y).mean()`; the array shows
which rows have a large score. `battprob.evaluate.summary` computes the means of all scores.

The first three scores depend on the mean only. `nlpd`, `crps`, `pinball` and
`interval_score` are *proper*: the expected score is best if the predicted distribution is
the true one. `covered`, `pit` and `interval_width` are checks of calibration and sharpness,
not scores. Predictions are processed in slices, so that memory stays bounded for a million
of them.
"""

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Bool, Float
from battprob.evaluate._chunks import in_chunks
from battprob.predictive import Predictive


def absolute_error(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Absolute error of the mean, $|y - \mu|$, in units of y.

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform. All functions of this module raise it.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(absolute_error(pred, 530.0))
        30.0
    """
    return jnp.abs(checked_targets(pred, y) - pred.mean)


def squared_error(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Squared error of the mean, $(y - \mu)^2$, in units of y².

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(squared_error(pred, 530.0))
        900.0
    """
    return (checked_targets(pred, y) - pred.mean) ** 2


def percentage_error(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Absolute error in per cent of the target, $100\,|y - \mu| / |y|$.

    Undefined where y = 0: the result is infinite, or NaN if the mean is 0 as well.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(percentage_error(pred, 400.0))
        25.0
    """
    y = checked_targets(pred, y)
    return 100 * jnp.abs(y - pred.mean) / jnp.abs(y)


def nlpd(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Negative log predictive density, $-\log p(y)$, in nats; smaller is better.

    The density has the unit 1 / y. Compare values only between models of the same target
    in the same unit.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(nlpd(pred, 530.0)), 3)
        5.011
    """
    return -in_chunks(Predictive.log_prob, pred, (checked_targets(pred, y),))


def crps(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    r"""Continuous ranked probability score, in units of y; smaller is better.

    $$\int (F(t) - 1\{t \ge y\})^2\,dt = E|Y - y| - \tfrac12 E|Y - Y'|$$

    For a prediction without uncertainty it equals the absolute error. It penalises a target
    far in the tail less than `nlpd` does.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(crps(pred, 530.0)), 2)
        18.66

    References:
        Gneiting and Raftery, Strictly proper scoring rules, prediction, and estimation,
        J. Am. Stat. Assoc. 102, 359 (2007), doi:10.1198/016214506000001437, eq. 21
        (with the opposite sign).
    """
    return in_chunks(Predictive.crps, pred, (checked_targets(pred, y),))


def interval_score(
    pred: Predictive, y: ArrayLike, level: float = 0.9
) -> Float[Array, "*b"]:
    r"""Width of the central interval plus a penalty if y lies outside, in units of y.

    $$(u - l) + \frac{2}{\alpha}(l - y)_+ + \frac{2}{\alpha}(y - u)_+,
    \qquad \alpha = 1 - \mathrm{level}$$

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        level: nominal coverage of the interval, between 0 and 1.

    Raises:
        DataError: see `absolute_error`.
        ValueError: `level` is not between 0 and 1.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> round(float(interval_score(pred, 530.0, level=0.9)), 1)
        164.5

    References:
        Gneiting and Raftery (2007), doi:10.1198/016214506000001437, eq. 43.
    """
    y = checked_targets(pred, y)
    low, high = _interval(pred, level)
    outside = jnp.maximum(low - y, 0) + jnp.maximum(y - high, 0)
    return (high - low) + 2 / (1 - level) * outside


def pinball(pred: Predictive, y: ArrayLike, p: float) -> Float[Array, "*b"]:
    r"""Pinball loss of the predicted quantile q of probability p, in units of y.

    $$p\,(y - q)_+ + (1 - p)\,(q - y)_+$$

    `interval_score` is $2/\alpha$ times the sum of the losses of its two ends, and `crps`
    is twice the integral of the loss over p.

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        p: probability below the quantile, between 0 and 1.

    Raises:
        DataError: see `absolute_error`.
        ValueError: `p` is not between 0 and 1.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(pinball(pred, 530.0, 0.5))
        15.0

    References:
        Gneiting and Raftery (2007), doi:10.1198/016214506000001437, eq. 40 (for s(x) = x
        and with the opposite sign, up to a term that does not depend on the quantile).
    """
    require_level(p)
    y = checked_targets(pred, y)
    excess = y - in_chunks(Predictive.quantile, pred, (), (jnp.asarray(p),))
    return jnp.maximum(p * excess, (p - 1) * excess)


def covered(pred: Predictive, y: ArrayLike, level: float = 0.9) -> Bool[Array, "*b"]:
    """Whether the target lies in the central interval of probability `level`.

    For calibrated predictions the mean over many targets is near `level`. A smaller mean
    indicates overconfident predictions, a larger one underconfident predictions.

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> bool(covered(pred, 530.0, level=0.9)), bool(covered(pred, 530.0, level=0.4))
        (True, False)
    """
    y = checked_targets(pred, y)
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

    For calibrated predictions its values are uniformly distributed on [0, 1].

    Example:
        >>> pred = Predictive.gaussian(mean=500.0, aleatoric=900.0, epistemic=1600.0)
        >>> float(pit(pred, 500.0))
        0.5

    References:
        Gneiting, Balabdaoui and Raftery, Probabilistic forecasts, calibration and
        sharpness, J. R. Stat. Soc. B 69, 243 (2007),
        doi:10.1111/j.1467-9868.2007.00587.x.
    """
    # The weights of a mixture add up to one only up to rounding.
    return jnp.minimum(in_chunks(Predictive.cdf, pred, (checked_targets(pred, y),)), 1)


def checked_targets(pred: Predictive, y: ArrayLike) -> Float[Array, "*b"]:
    """Return `y` as an array of the shape of `pred`, within the transform's domain.

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
            f"not finite or outside the domain of {type(pred.transform).__name__}. Remove "
            "such targets from y, and their predictions with `pred.take(...)`"
        )
    return y


def require_level(level: float) -> None:
    """Check that a level is a probability strictly between 0 and 1.

    Raises:
        ValueError: `level` is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(
            f"level must be a probability between 0 and 1, 0.9 for 90 %; got {level}"
        )


def quantile_pair(pred: Predictive, level: Float[Array, ""]):
    """`pred.interval(level)` with the level as an array: a new level needs no retrace."""
    low, high = pred.quantile(0.5 * (1 + jnp.stack([-level, level])))
    return low, high


def _interval(pred, level):
    require_level(level)
    return in_chunks(quantile_pair, pred, (), (jnp.asarray(level),))
