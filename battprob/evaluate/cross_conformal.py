"""CV+ and jackknife+: conformal intervals that spend no rows on calibration alone."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from battprob._typing import ArrayLike, Float, Int, PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate import metrics
from battprob.evaluate.conformal import (
    exchangeable_weights,
    on_model_scale,
    stretches,
    weighted_quantile,
)
from battprob.evaluate.crossval import fitted_folds
from battprob.evaluate.scores import group_codes
from battprob.models.base import AbstractModel


@dataclass(frozen=True)
class CrossConformal:
    """The models of all folds, and how far each held-out row was stretched.

    Args:
        level: probability that the interval is to hold.
        posteriors: one a fold.
        fold: fold of each held-out row.
        stretch: factor by which its interval had to be stretched.
        weight: of each row in the quantiles.
        effective_size: exchangeable rows or groups.
    """

    level: float
    posteriors: tuple[Any, ...]
    fold: Int[np.ndarray, " n"]
    stretch: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    effective_size: int

    def interval(
        self, x: ArrayLike
    ) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """(low, high) of the targets of new rows."""
        predicted = [posterior.predict(x) for posterior in self.posteriors]
        ends = np.stack([on_model_scale(pred, self.level) for pred in predicted])
        low, middle, high = np.moveaxis(ends[self.fold], 1, 0)
        stretch = self.stretch[:, None]
        down = -(middle - stretch * (middle - low))
        up = middle + stretch * (high - middle)
        forward = predicted[0].transform.forward
        return (
            np.asarray(forward(-self._quantile(down))),
            np.asarray(forward(self._quantile(up))),
        )

    def _quantile(self, ends):
        each = [weighted_quantile(end, self.weight, self.level) for end in ends.T]
        return jnp.asarray(each, ends.dtype)


def cross_conformal(
    model: AbstractModel,
    dataset: Dataset,
    splits: Any = None,
    *,
    level: float = 0.9,
    key: PRNGKey,
    progress: bool = True,
) -> CrossConformal:
    """Conformal intervals from cross-validation: CV+, or jackknife+ with `LeaveOneOut()`.

    Each end is a quantile, over held-out rows, of what the model without the row's fold
    says of the new row, stretched as the held-out row was. The guarantee is twice the
    miss rate, 1 - 2 (1 - level); the coverage is usually about `level`. Where the dataset
    has groups they are the exchangeable units, and no fold may tear one apart.

    Args:
        model: what to fit.
        dataset: rows to learn from, none censored.
        splits: a scikit-learn splitter that holds out every row once; default as for
            `cross_validate`.
        level: probability that the interval is to hold.
        key: for the splits and fits.
        progress: show a bar on terminals.

    Raises:
        DataError: too few rows (or groups) for the level.
        FitError: a fit failed.

    Example:
        >>> import jax
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 24)
        >>> data = Dataset(x, 3 * x + 0.1 * np.cos(40 * x))
        >>> found = cross_conformal(
        ...     BayesianLinear(), data, level=0.8, key=jax.random.key(0)
        ... )
        >>> low, high = found.interval(np.array([0.5]))
        >>> bool((low < 1.5) & (1.5 < high))
        True

    References:
        Barber, Candès, Ramdas and Tibshirani, Predictive inference with the jackknife+,
        Ann. Stat. 49, 486 (2021), doi:10.1214/20-AOS1965, eqs. 1.6 and 3.1, here with
        residuals in units of the model's own interval.
    """
    metrics.require_level(level)
    rows, fold, stretch, posteriors = [], [], [], []
    fitted = fitted_folds(model, dataset, splits, key=key, progress=progress)
    for number, (test, posterior, pred) in enumerate(fitted):
        y = np.asarray(metrics.targets(pred, dataset.y[test]))
        rows.append(test)
        fold.append(np.full(len(test), number))
        stretch.append(stretches(pred, y, level))
        posteriors.append(posterior)
    rows = np.concatenate(rows)
    groups = dataset.groups
    codes = group_codes(rows if groups is None else np.asarray(groups)[rows], len(rows))
    weight, size = exchangeable_weights(codes, level, groups is not None)
    return CrossConformal(
        level,
        tuple(posteriors),
        np.concatenate(fold),
        np.concatenate(stretch),
        weight,
        size,
    )
