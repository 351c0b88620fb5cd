"""Adapts a model to new cells whose protocols or features have another distribution."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Float
from battprob.evaluate.two_sample import pooled
from battprob.predictive import Predictive


class ProtocolWeights(NamedTuple):
    """Estimated frequencies of the protocols among new cells.

    Attributes:
        weights: frequency of each protocol.
        error: standard error of each weight, from the curvature of the log likelihood. A
            weight with an error near 0.5 is undetermined.
    """

    weights: Float[np.ndarray, " k"]
    error: Float[np.ndarray, " k"]


def protocol_weights(
    probabilities: ArrayLike, training_weights: ArrayLike
) -> ProtocolWeights:
    r"""Estimate how frequent each protocol is among new cells.

    Assumes that only the frequencies of the protocols have changed since training. Let r_ik
    be the probability of protocol k for cell i under the training model, and π_k the
    frequency in training. The likelihood of new frequencies ω is
    $\prod_i \sum_k r_{ik}\,ω_k/π_k$. It is multiplied by a prior worth one cell of each
    protocol, so that no weight becomes zero because few cells were observed, and maximised
    by EM. Unlabelled cells enter with p(k | x), labelled cells with p(k | x, y); rows of
    both kinds may be concatenated.

    Args:
        probabilities: `posterior.protocol_probabilities(x)` of unlabelled new cells [m k],
            or `posterior.responsibilities(x, y)` of labelled ones.
        training_weights: mean of `posterior.protocol_probabilities` over training cells.

    Returns:
        Weights for `posterior.predict(x, protocol_weights=...)`, with their errors.

    Raises:
        DataError: shapes do not match, or the probabilities of all cells equal those of
            training. The cells then contain no information about the frequencies.

    Example:
        >>> certain = np.repeat([[0.98, 0.02], [0.02, 0.98]], [30, 10], axis=0)
        >>> protocol_weights(certain, [0.5, 0.5]).weights.round(2).tolist()
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
    if np.max(np.ptp(ratio, axis=1)) < _NO_INFORMATION:
        raise DataError(
            "the cells contain no information about the protocol weights: p(protocol | x) "
            "equals the training weights in every row. Use a gate that depends on x, or "
            "label some cells"
        )
    weights = prior / prior.sum()
    for _ in range(_MAX_STEPS):
        joint = ratio * weights
        counts = (joint / joint.sum(1, keepdims=True)).sum(0)
        updated = (counts + 1) / (len(r) + len(prior))
        change = np.max(np.abs(updated - weights))
        weights = updated
        if change < _TOLERANCE:
            break
    return ProtocolWeights(weights, _standard_errors(ratio, weights))


class ImportanceWeights(NamedTuple):
    """Weights with which training rows represent new rows.

    Attributes:
        weights: weight of each training row; their mean is one.
        effective_size: number of equally weighted rows with the same variance of a mean.
    """

    weights: Float[np.ndarray, " n"]
    effective_size: float

    def average(self, scores: ArrayLike) -> tuple[float, float]:
        """Weighted mean of one score per training row, and its standard error."""
        scores = np.asarray(scores, float)
        fraction = self.weights / self.weights.sum()
        mean = float(fraction @ scores)
        return mean, float(np.sqrt(np.sum((fraction * (scores - mean)) ** 2)))


def importance_weights(reference: ArrayLike, new: ArrayLike) -> ImportanceWeights:
    """Weights of training rows for new rows whose features have another distribution.

    The density ratio of the features is estimated by a logistic regression that separates
    new rows from training rows. `average` of held-out scores then estimates the score on
    new rows, provided that the distribution of y given x has not changed.

    Args:
        reference: features of training rows [n d].
        new: features of new rows [m d].

    Raises:
        DataError: shapes do not match, or the effective size is below 10 or below one
            tenth of the training rows. The new rows then lie outside the training rows.

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
    classifier = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(rows, is_new)
    log_ratio = classifier.decision_function(rows[:num])
    weights = np.exp(log_ratio - log_ratio.max())
    weights = weights / weights.mean()
    size = float(num / np.mean(weights**2))
    if size < max(_MIN_SIZE, _MIN_FRACTION * num):
        raise DataError(
            f"the weights of {num} training rows have an effective size of only {size:.1f}: "
            "the new rows lie outside the training rows, and no weights of training rows "
            "can represent them. Label some new cells instead"
        )
    return ImportanceWeights(weights, size)


class DeploymentBias(NamedTuple):
    """Errors of the averaged predictor where all cells have the same protocol.

    Attributes:
        bias: mean of the averaged predictor minus the mean of each protocol [k m].
        coverage: coverage of the averaged predictor's interval for each protocol [k m].
    """

    bias: Float[np.ndarray, "k m"]
    coverage: Float[np.ndarray, "k m"]


def deployment_bias(pred: Predictive, level: float = 0.9) -> DeploymentBias:
    """Bias and coverage of the average over protocols, for each protocol separately.

    Args:
        pred: predictions of a mixture whose components are the protocols. A protocol with
            zero weight in all rows is omitted.
        level: nominal probability of the averaged predictor's interval.

    Raises:
        DataError: there is only one component.

    Example:
        >>> pred = Predictive(
        ...     [[[0.0], [4.0]]], [[[1.0], [1.0]]], [[[0.0], [0.0]]], [[[0.0], [0.0]]]
        ... )
        >>> deployment_bias(pred).bias.tolist()
        [[2.0], [-2.0]]
    """
    batch_axes = tuple(range(2, pred.location.ndim))
    has_weight = np.isfinite(np.asarray(pred.log_weight)).any(axis=(0, *batch_axes))
    present = np.flatnonzero(has_weight)
    if len(present) < 2:
        raise DataError(
            "the predictive has only one component, so there is no average over protocols. "
            "Pass the predictions of a ProtocolMixture with two or more protocols"
        )
    low, high = pred.interval(level)
    bias, coverage = [], []
    for component in present:
        one_protocol = pred.reweight(jnp.eye(pred.location.shape[1])[component])
        bias.append(np.asarray(pred.mean - one_protocol.mean))
        coverage.append(np.asarray(one_protocol.cdf(high) - one_protocol.cdf(low)))
    return DeploymentBias(np.stack(bias), np.stack(coverage))


def _standard_errors(ratio, weights):
    """Standard errors of weights that sum to one, from the observed information."""
    score = ratio / (ratio @ weights)[:, None]
    # The last weight is one minus the others, so the free parameters are the others.
    free_score = score[:, :-1] - score[:, -1:]
    # The prior of one cell per protocol adds 1 / weight² for each protocol.
    information = (
        free_score.T @ free_score + np.diag(weights[:-1] ** -2.0) + weights[-1] ** -2.0
    )
    covariance = np.linalg.pinv(information, hermitian=True)
    last_variance = covariance.sum()
    return np.sqrt(np.append(np.diag(covariance), max(last_variance, 0.0)))


_MAX_STEPS, _TOLERANCE = 10_000, 1e-10
_NO_INFORMATION = 1e-6
# A weak penalty: a stronger one would hide that the samples do not overlap.
_INVERSE_PENALTY = 100.0
_MIN_SIZE, _MIN_FRACTION = 10, 0.1
