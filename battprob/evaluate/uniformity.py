"""Tests whether the PIT is uniform, with groups; and coverage at many levels."""

from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Float
from battprob.evaluate.metrics import pit
from battprob.evaluate.scores import group_codes, mean_of, tabulated
from battprob.predictive import Predictive

_MIN_GROUPS = 10


class Uniformity(NamedTuple):
    """Deviation of the PIT from the uniform distribution.

    Attributes:
        bias: positive if targets are larger than predicted; at most √3 in absolute value.
        dispersion: positive if the predictions are overconfident, negative if they are
            underconfident; at most √5.
        p_value: p-value of the test that both are zero.
    """

    bias: float
    dispersion: float
    p_value: float


def pit_uniformity(
    pred: Predictive, y: ArrayLike, groups: ArrayLike | None = None
) -> Uniformity:
    r"""Neyman's smooth test of calibration, with correlated rows within groups.

    If the PIT u is uniform, the means of the Legendre polynomials
    $\sqrt 3\,(2u - 1)$ and $\sqrt 5\,(6u^2 - 6u + 1)$ are zero. Hotelling's T² of their
    sums over groups tests this. The p-value is approximate: of calibrated predictions, 6 %
    have p < 0.05 with 60 groups, 9 % with 20 and 13 % with 10.

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        groups: batch of each target; cells of one batch are not independent.

    Raises:
        DataError: `y` cannot be scored (see `absolute_error`), or there are fewer than
            ten groups (or rows, if there are no groups).

    Example:
        >>> from scipy.stats import norm
        >>> y = norm.ppf((np.arange(50) + 0.5) / 50)
        >>> calibrated = pit_uniformity(Predictive.gaussian(0 * y, 1.0), y)
        >>> overconfident = pit_uniformity(Predictive.gaussian(0 * y, 0.2), y)
        >>> calibrated.p_value > 0.5, overconfident.p_value < 0.01
        (True, True)

    References:
        Neyman, Smooth test for goodness of fit, Skand. Aktuarietidskr. 20, 149 (1937).
    """
    from scipy.special import fdtrc

    u = np.asarray(pit(pred, y)).ravel()
    moments = legendre_polynomials(u)
    codes = group_codes(groups, len(u))
    num = int(codes.max()) + 1
    if num < _MIN_GROUPS:
        raise DataError(
            f"a test of uniformity needs {_MIN_GROUPS} or more independent groups; got "
            f"{num}. For few cells use pit_test"
        )
    sums = np.stack([np.bincount(codes, m) for m in moments], axis=1)
    mean = sums.mean(0)
    t_squared = num * mean @ np.linalg.solve(np.cov(sums.T), mean)
    ratio = (num - 2) / (2 * (num - 1)) * t_squared
    bias, dispersion = moments.mean(1)
    return Uniformity(float(bias), float(dispersion), float(fdtrc(2, num - 2, ratio)))


def legendre_polynomials(u: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "2 *b"]:
    """First two orthonormal Legendre polynomials on [0, 1]."""
    return np.stack([np.sqrt(3) * (2 * u - 1), np.sqrt(5) * (6 * u**2 - 6 * u + 1)])


class CoverageCurve(NamedTuple):
    """Fraction of targets inside the central interval of each level, with its error."""

    level: np.ndarray
    coverage: np.ndarray
    error: np.ndarray


def coverage_curve(
    pred: Predictive, y: ArrayLike, groups: ArrayLike | None = None
) -> CoverageCurve:
    """Coverage at levels 0.05, ..., 0.95, with standard errors over groups.

    Args:
        pred, y, groups: see `pit_uniformity`.

    Raises:
        DataError: `y` cannot be scored; see `absolute_error`.

    Example:
        >>> pred = Predictive.gaussian(np.zeros(2), 1.0)
        >>> coverage_curve(pred, np.array([0.1, 0.5])).coverage[[0, 1, 18]].tolist()
        [0.0, 0.5, 1.0]
    """
    central = np.abs(2 * np.asarray(pit(pred, y)).ravel() - 1)
    level = np.linspace(0.05, 0.95, 19)
    scores = {str(index): mean_of(central <= one) for index, one in enumerate(level)}
    table = tabulated(scores, central, groups)
    return CoverageCurve(
        level,
        np.array(list(table.values.values())),
        np.array(list(table.errors.values())),
    )
