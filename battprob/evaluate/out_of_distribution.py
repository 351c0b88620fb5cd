"""Which new cells lie outside of what a model has learned from, at a stated rate of alarms."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Bool, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate.crossval import fitted_folds
from battprob.evaluate.recalibrate import without_transform
from battprob.models.base import AbstractModel, AbstractPosterior


class Oddity(NamedTuple):
    """How far new cells are from those of training.

    Attributes:
        epistemic: epistemic variance on the model's scale relative to the variance of
            training targets, which is about what a model knows before any data.
        distance: Mahalanobis distance of the features from those of training.
        p_value: how often a cell of training would be as odd, in either way.
        flagged: whether that is as rare as the detector's rate.
    """

    epistemic: Float[np.ndarray, " m"]
    distance: Float[np.ndarray, " m"]
    p_value: Float[np.ndarray, " m"]
    flagged: Bool[np.ndarray, " m"]


@dataclass(frozen=True)
class OutOfDistribution:
    """A detector of cells unlike those of training, calibrated on these themselves.

    Each cell is scored by models that have not seen it (folds); a new cell is compared with
    all of them, by the epistemic variance and by the Mahalanobis distance. Of cells
    exchangeable with those of training no more than `rate` are flagged, on average over
    data sets (cross-conformal p-values; twice that at the very worst).

    Args:
        rate: share of exchangeable cells that may be flagged.
        splits: a scikit-learn splitter; default that of `cross_validate`, whole groups
            where rows have groups (then a new batch is exchangeable with those).

    Example:
        >>> import jax
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + np.cos(40 * x))
        >>> detector = OutOfDistribution().fit(
        ...     BayesianLinear(), data, key=jax.random.key(0)
        ... )
        >>> detector.check([[0.5], [7.0]]).flagged.tolist()
        [False, True]

    References:
        Vovk, Cross-conformal predictors, Ann. Math. Artif. Intell. 74 (2015) 9,
        doi:10.1007/s10472-013-9368-4.
    """

    rate: float = 0.1
    splits: Any = None

    def fit(
        self,
        model: AbstractModel,
        dataset: Dataset,
        *,
        key: PRNGKey,
        progress: bool = True,
    ) -> "Detector":
        """Fit the model without each fold in turn, and score what was left out.

        Raises:
            DataError: there are too few rows for the rate.
            FitError: a fit failed.
        """
        least = int(np.ceil(2 / self.rate)) - 1
        if dataset.num_rows < least:
            raise DataError(
                f"a rate of {self.rate} needs {least} cells or more to calibrate on; got "
                f"{dataset.num_rows}"
            )
        folds = []
        fitted = fitted_folds(model, dataset, self.splits, key=key, progress=progress)
        for rows, posterior, pred in fitted:
            inside = np.setdiff1d(np.arange(dataset.num_rows), rows)
            fold = _fold(posterior, dataset.take(inside))
            scores = fold.scores(np.asarray(dataset.x)[rows], pred)
            folds.append(fold._replace(held_out=scores))
        return Detector(self.rate, tuple(folds))


@dataclass(frozen=True)
class Detector:
    """A calibrated detector; `check` asks it about new cells."""

    rate: float
    folds: tuple["_Fold", ...]

    def check(self, x: ArrayLike, **known: Any) -> Oddity:
        """Score new cells.

        Args:
            x: features [m d].
            known: what else `posterior.predict` is to be told of them: `groups`, ...
        """
        x = np.asarray(x, float)
        x = x[:, None] if x.ndim == 1 else x
        odder, num, scores = np.ones((len(x), 2)), 1, []
        for fold in self.folds:
            own = fold.scores(x, fold.posterior.predict(x, **known))
            as_odd = fold.held_out[:, None] >= own[None] * (1 - _ROUNDING)
            odder, num = odder + as_odd.sum(0), num + len(fold.held_out)
            scores.append(own)
        # The odder of two scores: twice its p-value.
        p_value = np.minimum(1.0, 2 * odder.min(1) / num)
        epistemic, distance = np.mean(scores, axis=0).T
        return Oddity(epistemic, distance, p_value, p_value <= self.rate)


class _Fold(NamedTuple):
    """A model without some cells, where its cells lie, and scores of those left out."""

    posterior: AbstractPosterior
    centre: Float[np.ndarray, " d"]
    whitener: Float[np.ndarray, "d d"]
    level: float
    held_out: Float[np.ndarray, "m 2"]

    def scores(self, x, pred):
        """Epistemic variance and distance of every row [m 2]."""
        epistemic = np.asarray(without_transform(pred).epistemic) / self.level
        distance = np.linalg.norm((x - self.centre) @ self.whitener, axis=1)
        return np.stack([epistemic, distance], axis=1)


def _fold(posterior, training):
    """A fold that has scored nothing yet."""
    from sklearn.covariance import LedoitWolf

    x = np.asarray(training.x)
    spread = np.where(x.std(0) > 0, x.std(0), 1.0)
    covariance = LedoitWolf().fit((x - x.mean(0)) / spread).covariance_
    root = np.linalg.inv(np.linalg.cholesky(covariance)).T / spread[:, None]
    level = np.var(np.asarray(training.transform.inverse(training.y)))
    return _Fold(posterior, x.mean(0), root, float(level) or 1.0, np.zeros((0, 2)))


_ROUNDING = 1e-9
