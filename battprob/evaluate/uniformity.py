"""Is the PIT uniform? A test that says in which way it is not, and counts groups."""

from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike
from battprob.evaluate.metrics import pit
from battprob.evaluate.scores import group_codes, mean_of, tabulated
from battprob.predictive import Predictive

_LEAST = 10


class Uniformity(NamedTuple):
    """Departure of the PIT from uniform, in two directions.

    `bias` > 0: targets lie above what was predicted. `dispersion` > 0: they lie further
    out than was predicted (overconfident), < 0: further in (timid). Both are 0 if calibrated, and
    at most √3 and √5.
    """

    bias: float
    dispersion: float
    p_value: float


def pit_uniformity(
    pred: Predictive, y: ArrayLike, groups: ArrayLike | None = None
) -> Uniformity:
    r"""Neyman's smooth test of calibration, with groups kept whole.

    The means of the first two Legendre polynomials of the PIT u,
    $\sqrt 3\,(2u - 1)$ and $\sqrt 5\,(6u^2 - 6u + 1)$, are both zero if u is uniform;
    Hotelling's T² of their sums over groups tells how surely they are not. The p-value
    is approximate: of calibrated predictions, 6 % have p < 0.05 with 60 groups, 9 % with
    20 and 13 % with 10.

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        groups: batch of each target; cells of one batch are not independent.

    Raises:
        DataError: `y` cannot be scored (see `absolute_error`), or there are fewer than
            ten groups (rows, without groups).

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
    moments = np.stack(
        [np.sqrt(3) * (2 * u - 1), np.sqrt(5) * (6 * u**2 - 6 * u + 1)], axis=1
    )
    codes = group_codes(groups, len(u))
    num = int(codes.max()) + 1
    if num < _LEAST:
        raise DataError(
            f"a test of uniformity needs {_LEAST} or more independent groups; got {num}"
        )
    sums = np.stack([np.bincount(codes, m) for m in moments.T], axis=1)
    mean = sums.mean(0)
    t_squared = num * mean @ np.linalg.solve(np.cov(sums.T), mean)
    ratio = (num - 2) / (2 * (num - 1)) * t_squared
    bias, dispersion = moments.mean(0)
    return Uniformity(float(bias), float(dispersion), float(fdtrc(2, num - 2, ratio)))


class CoverageCurve(NamedTuple):
    """Share of targets inside the central interval of each level, ± standard error."""

    level: np.ndarray
    coverage: np.ndarray
    error: np.ndarray


def coverage_curve(
    pred: Predictive, y: ArrayLike, groups: ArrayLike | None = None
) -> CoverageCurve:
    """Coverage at levels 0.05, ..., 0.95, each with its standard error over groups.

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
