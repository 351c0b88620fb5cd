"""What a changed population of cells changes: protocol weights, weights of rows, bias."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Float
from battprob.evaluate.two_sample import pooled
from battprob.predictive import Predictive


class ProtocolWeights(NamedTuple):
    """How often each protocol is met where new cells come from.

    `error` is the standard error of each weight, from the curvature of the likelihood; a
    weight whose error is as large as a half is not known.
    """

    weights: Float[np.ndarray, " k"]
    error: Float[np.ndarray, " k"]


def protocol_weights(
    probabilities: ArrayLike, training_weights: ArrayLike
) -> ProtocolWeights:
    r"""Protocol weights of new cells, where the mix of protocols changed and nothing else.

    With r_ik the training model's probability of protocol k for cell i, and π those of its
    training cells, the likelihood of new weights ω is $\prod_i \sum_k r_{ik}\,ω_k/π_k$. Its
    maximum, under a prior worth one cell of each protocol, which keeps few cells from ruling
    a protocol out, is found by expectation-maximisation. Unlabelled cells tell of the mix by
    p(k | x), labelled ones by p(k | x, y) too; both may be stacked.

    Args:
        probabilities: `posterior.protocol_probabilities(x)` of unlabelled new cells [m k],
            or `posterior.responsibilities(x, y)` of labelled ones.
        training_weights: mean of `posterior.protocol_probabilities` over training cells.

    Returns:
        Weights for `posterior.predict(x, protocol_weights=...)`, with their errors.

    Raises:
        DataError: shapes do not fit, or every cell is as likely on each protocol as those
            of training, so that they say nothing: with a constant gate, label some.

    Example:
        >>> sure = np.repeat([[0.98, 0.02], [0.02, 0.98]], [30, 10], axis=0)
        >>> protocol_weights(sure, [0.5, 0.5]).weights.round(2).tolist()
        [0.75, 0.25]

    References:
        Saerens, Latinne and Decaestecker, Neural Comput. 14 (2002) 21,
        doi:10.1162/089976602753284446.
    """
    r, prior = np.asarray(probabilities, float), np.asarray(training_weights, float)
    if r.ndim != 2 or prior.shape != r.shape[1:] or len(r) == 0:
        raise DataError(
            "probabilities must be [cells, protocols], with a training weight for each "
            f"protocol; got {r.shape} and {prior.shape}"
        )
    ratio = r / prior
    if np.max(np.ptp(ratio, axis=1)) < _NOTHING:
        raise DataError(
            "the cells say nothing of the protocols: p(protocol | x) is that of training for "
            "all of them. Use a gate that depends on x, or label some cells"
        )
    weights = prior / prior.sum()
    for _ in range(_STEPS):
        share = ratio * weights
        rows = (share / share.sum(1, keepdims=True)).sum(0)
        new = (rows + 1) / (len(r) + len(prior))
        change = np.max(np.abs(new - weights))
        weights = new
        if change < _STILL:
            break
    return ProtocolWeights(weights, _errors(ratio, weights))


class ImportanceWeights(NamedTuple):
    """Weights of training rows that make them stand for new ones, of mean one.

    `effective_size` is how many rows of equal weight are worth as much.
    """

    weights: Float[np.ndarray, " n"]
    effective_size: float

    def average(self, scores: ArrayLike) -> tuple[float, float]:
        """Weighted mean of one score a row, and its standard error."""
        scores = np.asarray(scores, float)
        share = self.weights / self.weights.sum()
        mean = float(share @ scores)
        return mean, float(np.sqrt(np.sum((share * (scores - mean)) ** 2)))


def importance_weights(reference: ArrayLike, new: ArrayLike) -> ImportanceWeights:
    """Weights of training rows for features that are met in other proportions now.

    The density ratio of a logistic regression that tells new rows from old ones. Use them
    for what a score of held-out training rows would be on new ones (`average`); only where
    y given x has not changed.

    Args:
        reference: features of training rows [n d].
        new: features of new rows [m d].

    Raises:
        DataError: shapes do not fit; or a handful of rows would bear all the weight (fewer
            effective rows than ten, or than one in ten): new rows lie outside.

    Example:
        >>> rows = np.linspace(0, 1, 40)[:, None]
        >>> importance_weights(rows, rows[::2] + 0.01).effective_size > 39
        True

    References:
        Sugiyama, Suzuki and Kanamori, Density Ratio Estimation in Machine Learning (2012),
        chapter 4; effective size: Kong, Technical Report 348, University of Chicago (1992).
    """
    from sklearn.linear_model import LogisticRegression

    rows, num = pooled(reference, new)
    is_new = np.arange(len(rows)) >= num
    classifier = LogisticRegression(C=_LITTLE_SHRINKAGE, max_iter=1000).fit(
        rows, is_new
    )
    log_ratio = classifier.decision_function(rows[:num])
    weights = np.exp(log_ratio - log_ratio.max())
    weights = weights / weights.mean()
    size = float(num / np.mean(weights**2))
    if size < max(_LEAST_SIZE, _LEAST_SHARE * num):
        raise DataError(
            f"of {num} training rows {size:.1f} would bear all the weight: new rows lie "
            "outside of them, where no weighting of training rows can speak for them"
        )
    return ImportanceWeights(weights, size)


class DeploymentBias(NamedTuple):
    """What the averaged predictor gets wrong where all cells are on one protocol.

    Attributes:
        bias: mean of the averaged predictor minus that of the protocol [k m].
        coverage: probability that the averaged predictor's interval holds there [k m].
    """

    bias: Float[np.ndarray, "k m"]
    coverage: Float[np.ndarray, "k m"]


def deployment_bias(pred: Predictive, level: float = 0.9) -> DeploymentBias:
    """How wrong the average over protocols is on each of them.

    Args:
        pred: answer of a mixture, its components the protocols; one that has no weight in
            any row is left out.
        level: probability that the averaged predictor's interval states.

    Raises:
        DataError: there is one component only.

    Example:
        >>> pred = Predictive(
        ...     [[[0.0], [4.0]]], [[[1.0], [1.0]]], [[[0.0], [0.0]]], [[[0.0], [0.0]]]
        ... )
        >>> deployment_bias(pred).bias.tolist()
        [[2.0], [-2.0]]
    """
    present = np.flatnonzero(
        np.isfinite(np.asarray(pred.log_weight)).any(axis=(0, *_batch(pred)))
    )
    if len(present) < 2:
        raise DataError("the predictive has one component: there is nothing to average")
    low, high = pred.interval(level)
    bias, coverage = [], []
    for place in present:
        alone = pred.reweight(jnp.eye(pred.location.shape[1])[place])
        bias.append(np.asarray(pred.mean - alone.mean))
        coverage.append(np.asarray(alone.cdf(high) - alone.cdf(low)))
    return DeploymentBias(np.stack(bias), np.stack(coverage))


def _batch(pred):
    return tuple(range(2, pred.location.ndim))


def _errors(ratio, weights):
    """Standard errors from the information of the likelihood, on weights that sum to one."""
    score = ratio / (ratio @ weights)[:, None]
    others = score[:, :-1] - score[:, -1:]
    # One cell of each protocol a priori.
    information = (
        others.T @ others + np.diag(weights[:-1] ** -2.0) + weights[-1] ** -2.0
    )
    covariance = np.linalg.pinv(information, hermitian=True)
    last = covariance.sum()
    return np.sqrt(np.append(np.diag(covariance), max(last, 0.0)))


_STEPS, _STILL = 10_000, 1e-10
_NOTHING = 1e-6
_LITTLE_SHRINKAGE = 100.0  # more would hide that samples lie apart
_LEAST_SIZE, _LEAST_SHARE = 10, 0.1
