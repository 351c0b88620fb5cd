"""Detects cells outside the training distribution, with a stated false-positive rate."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Bool, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate.crossval import fitted_folds
from battprob.evaluate.recalibrate import without_transform
from battprob.models.base import AbstractModel, AbstractPosterior


class OutOfDistributionScore(NamedTuple):
    """Out-of-distribution scores of new cells.

    Attributes:
        epistemic: epistemic variance on the model's scale, divided by the variance of the
            training targets; values near 1 mean that the model has learned nothing there.
        distance: Mahalanobis distance of the features from the training mean.
        p_value: probability of scores at least as large for an exchangeable cell.
        flagged: whether the p-value is at most the rate of the detector.
    """

    epistemic: Float[np.ndarray, " m"]
    distance: Float[np.ndarray, " m"]
    p_value: Float[np.ndarray, " m"]
    flagged: Bool[np.ndarray, " m"]


@dataclass(frozen=True)
class OutOfDistribution:
    """Detector of out-of-distribution cells, calibrated by cross-validation.

    The scores are the epistemic variance and the Mahalanobis distance. Each training cell
    is scored by a model that was fitted without it, and a new cell is compared with all of
    these scores. Of cells exchangeable with the training cells at most a fraction `rate` is
    flagged, on average over data sets (cross-conformal p-values; the guaranteed bound is
    twice that).

    Args:
        rate: false-positive rate.

    Example:
        >>> import jax
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + np.cos(40 * x))
        >>> detector = OutOfDistribution(rate=0.1).fit(
        ...     BayesianLinear(), data, key=jax.random.key(0)
        ... )
        >>> detector.check([[0.5], [7.0]]).flagged.tolist()
        [False, True]

    References:
        Vovk, Cross-conformal predictors, Ann. Math. Artif. Intell. 74 (2015) 9,
        doi:10.1007/s10472-013-9368-4.
    """

    rate: float = 0.1

    def fit(
        self,
        model: AbstractModel,
        dataset: Dataset,
        *,
        key: PRNGKey,
        splits: Any = None,
        progress: bool = True,
    ) -> "Detector":
        """Fit the model without each fold in turn and score the held-out cells.

        Args:
            model: model to fit.
            dataset: training cells.
            key: PRNG key for the splits and fits.
            splits: a scikit-learn splitter; default as for `cross_validate`, which holds
                out whole groups if there are groups (then a new batch is exchangeable with
                the training batches).
            progress: whether to show a progress bar on terminals.

        Raises:
            DataError: there are too few rows for the rate.
            FitError: a fit failed.
        """
        needed = int(np.ceil(2 / self.rate)) - 1
        if dataset.num_rows < needed:
            raise DataError(
                f"a rate of {self.rate} needs {needed} or more cells for calibration; got "
                f"{dataset.num_rows}. Add cells, or use a higher rate"
            )
        folds = []
        fitted = fitted_folds(model, dataset, key=key, splits=splits, progress=progress)
        for rows, posterior, pred in fitted:
            training = np.setdiff1d(np.arange(dataset.num_rows), rows)
            scorer = _scorer(posterior, dataset.take(training))
            scores = scorer.scores(np.asarray(dataset.x)[rows], pred)
            folds.append(scorer._replace(held_out=scores))
        return Detector(self.rate, tuple(folds))


@dataclass(frozen=True)
class Detector:
    """A calibrated detector of out-of-distribution cells."""

    rate: float
    folds: tuple["_FoldScorer", ...]

    def check(self, x: ArrayLike, **known: Any) -> OutOfDistributionScore:
        """Score new cells.

        Args:
            x: features [m d].
            known: further arguments of `posterior.predict`, for example `groups`.
        """
        x = np.asarray(x, float)
        x = x[:, None] if x.ndim == 1 else x
        num_larger, num, scores = np.ones((len(x), 2)), 1, []
        for fold in self.folds:
            new = fold.scores(x, fold.posterior.predict(x, **known))
            is_larger = fold.held_out[:, None] >= new[None] * (1 - _ROUNDING)
            num_larger, num = num_larger + is_larger.sum(0), num + len(fold.held_out)
            scores.append(new)
        # Bonferroni correction for the smaller p-value of two scores.
        p_value = np.minimum(1.0, 2 * num_larger.min(1) / num)
        epistemic, distance = np.mean(scores, axis=0).T
        return OutOfDistributionScore(
            epistemic, distance, p_value, p_value <= self.rate
        )


class _FoldScorer(NamedTuple):
    """Posterior of one fold, moments of its training cells, and scores of held-out cells."""

    posterior: AbstractPosterior
    centre: Float[np.ndarray, " d"]
    whitener: Float[np.ndarray, "d d"]
    target_variance: float
    held_out: Float[np.ndarray, "m 2"]

    def scores(self, x, pred):
        """Relative epistemic variance and Mahalanobis distance of each row [m 2]."""
        epistemic = np.asarray(without_transform(pred).epistemic) / self.target_variance
        distance = np.linalg.norm((x - self.centre) @ self.whitener, axis=1)
        return np.stack([epistemic, distance], axis=1)


def _scorer(posterior, training):
    """A scorer without held-out scores."""
    from sklearn.covariance import LedoitWolf

    x = np.asarray(training.x)
    scale = np.where(x.std(0) > 0, x.std(0), 1.0)
    # Shrinkage keeps the covariance invertible with fewer cells than features.
    covariance = LedoitWolf().fit((x - x.mean(0)) / scale).covariance_
    whitener = np.linalg.inv(np.linalg.cholesky(covariance)).T / scale[:, None]
    variance = np.var(np.asarray(training.transform.inverse(training.y)))
    return _FoldScorer(
        posterior, x.mean(0), whitener, float(variance) or 1.0, np.zeros((0, 2))
    )


# Equal scores must count as ties, whatever the rounding of their computation.
_ROUNDING = 1e-9
