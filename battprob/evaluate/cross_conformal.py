"""CV+ and jackknife+: conformal intervals that need no separate calibration rows."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from battprob._typing import ArrayLike, Float, Int, PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate import metrics
from battprob.evaluate.conformal import (
    exchangeable_weights,
    nonconformity_scores,
    on_model_scale,
    weighted_quantile,
)
from battprob.evaluate.crossval import fitted_folds
from battprob.evaluate.scores import group_codes
from battprob.models.base import AbstractModel


@dataclass(frozen=True)
class CrossConformal:
    """Posteriors of all folds, and the nonconformity score of each held-out row.

    Args:
        level: nominal coverage of the interval.
        posteriors: one per fold.
        fold: index of the fold of each held-out row.
        score: nonconformity score of each held-out row.
        weight: weight of each held-out row in the quantiles.
        effective_size: number of exchangeable rows or groups.
    """

    level: float
    posteriors: tuple[Any, ...]
    fold: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    effective_size: int

    def interval(
        self, x: ArrayLike
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Ends (low, high) of the interval of each new row."""
        predicted = [posterior.predict(x) for posterior in self.posteriors]
        ends = np.stack([on_model_scale(pred, self.level) for pred in predicted])
        low, median, high = np.moveaxis(ends[self.fold], 1, 0)
        score = self.score[:, None]
        # As in eq. 1.6 the lower end is the negative upper quantile of the negatives: the
        # rank of the quantile is then rounded outward at both ends.
        negative_low = -(median - score * (median - low))
        upper = median + score * (high - median)
        forward = predicted[0].transform.forward
        return (
            np.asarray(forward(-self._quantile(negative_low))),
            np.asarray(forward(self._quantile(upper))),
        )

    def _quantile(self, ends):
        quantiles = [weighted_quantile(end, self.weight, self.level) for end in ends.T]
        return jnp.asarray(quantiles, ends.dtype)


def cross_conformal(
    model: AbstractModel,
    dataset: Dataset,
    *,
    key: PRNGKey,
    splits: Any = None,
    level: float = 0.9,
    progress: bool = True,
) -> CrossConformal:
    """Conformal intervals from cross-validation: CV+, or jackknife+ with `LeaveOneOut()`.

    Each end of the interval is a quantile over all held-out rows. The value for one
    held-out row is the interval end predicted for the new row by the model that was
    trained without that row's fold, scaled by the nonconformity score of the held-out row.
    The guaranteed coverage is 1 - 2 (1 - level); in practice it is usually near `level`.
    If the dataset has groups, the groups are the exchangeable units, and each must lie
    whole in one fold.

    Args:
        model: model to fit.
        dataset: training rows, none censored.
        key: PRNG key for the splits and fits.
        splits: a scikit-learn splitter that holds out every row once; default as for
            `cross_validate`.
        level: nominal coverage of the interval.
        progress: whether to show a progress bar on terminals.

    Raises:
        DataError: there are too few rows (or groups) for the level.
        FitError: a fit failed.

    Example:
        >>> import jax
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 24)
        >>> data = Dataset(x, 3 * x + 0.1 * np.cos(40 * x))
        >>> calibrated = cross_conformal(
        ...     BayesianLinear(), data, level=0.8, key=jax.random.key(0)
        ... )
        >>> low, high = calibrated.interval(np.array([0.5]))
        >>> bool((low < 1.5) & (1.5 < high))
        True

    References:
        Barber, Candès, Ramdas and Tibshirani, Predictive inference with the jackknife+,
        Ann. Stat. 49, 486 (2021), doi:10.1214/20-AOS1965, eqs. 1.6 and 3.1, with
        residuals in units of the model's interval.
    """
    metrics.require_level(level)
    rows, fold, scores, posteriors = [], [], [], []
    fitted = fitted_folds(model, dataset, key=key, splits=splits, progress=progress)
    for number, (test, posterior, pred) in enumerate(fitted):
        y = np.asarray(metrics.checked_targets(pred, dataset.y[test]))
        rows.append(test)
        fold.append(np.full(len(test), number))
        scores.append(nonconformity_scores(pred, y, level))
        posteriors.append(posterior)
    rows = np.concatenate(rows)
    groups = dataset.groups
    codes = group_codes(rows if groups is None else np.asarray(groups)[rows], len(rows))
    weight, size = exchangeable_weights(
        codes, level, unit="rows" if groups is None else "groups"
    )
    return CrossConformal(
        level,
        tuple(posteriors),
        np.concatenate(fold),
        np.concatenate(scores),
        weight,
        size,
    )
