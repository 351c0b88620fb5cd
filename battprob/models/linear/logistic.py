"""Bayesian logistic regression with any prior of the weights, and group effects."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._numerics.linear_algebra import safe_sqrt
from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Bool, Float
from battprob.dataset import Dataset
from battprob.inference.base import AbstractInference
from battprob.inference.report import FitReport
from battprob.models._classes import class_rows, log_likelihood, require_outcomes
from battprob.models._effects import GroupEffects, start_effects
from battprob.models._fields import require_used_fields
from battprob.models._scaling import Scaling, standardise
from battprob.models.base import AbstractClassPosterior, AbstractModel
from battprob.models.linear._density import (
    DEFAULT_SAMPLER,
    bound_prior,
    weight_scales,
)
from battprob.models.linear._rows import base_columns, group_codes
from battprob.predictive import ClassPredictive
from battprob.priors import Ridge
from battprob.priors.base import AbstractPrior, standard_normal


class BayesianLogistic(AbstractModel):
    r"""$P(y = 1) = 1 / (1 + e^{-f})$ with the log-odds $f = b + w^\top x + u_g^\top (1, x)$.

    The priors of weights and group effects are those of `BayesianLinear`, for standardised
    features and with twice the standard deviation. b ~ N(0, 5²) allows for rare outcomes.
    Classes are neither reweighted nor resampled: probabilities are those of the population
    from which the rows come, and costs belong to the decision (`evaluate.decide`).

    Args:
        prior: prior of the weights (see `battprob.priors`); default `priors.Ridge()`.
        random_effects: as for `BayesianLinear`. The probability for a new group is an
            average over the distribution of its effects.
        inference: how weights and scales are explored; default `NUTS`. `Laplace()` is
            faster; it is too uncertain if the data contain little information about the
            scales.

    Example:
        >>> import jax, numpy as np
        >>> from battprob import Dataset
        >>> from battprob.inference import Laplace
        >>> x = np.linspace(-1, 1, 40)
        >>> data = Dataset(x, x > 0.2)
        >>> model = BayesianLogistic(inference=Laplace())
        >>> p = model.fit(data, key=jax.random.key(0)).predict([-0.8, 0.9])
        >>> (p.mean > 0.5).tolist()
        [False, True]

    References:
        Gelman et al., A weakly informative default prior for logistic models, Ann. Appl.
        Stat. 2, 1360 (2008), doi:10.1214/08-AOAS191, for standardised features.
    """

    prior: AbstractPrior
    random_effects: bool | tuple[str | int, ...] = eqx.field(static=True)
    inference: AbstractInference

    def __init__(
        self,
        *,
        prior: AbstractPrior | None = None,
        random_effects: bool | Sequence[str | int] = False,
        inference: AbstractInference | None = None,
    ):
        self.prior = Ridge() if prior is None else prior
        is_flag = isinstance(random_effects, bool)
        self.random_effects = random_effects if is_flag else tuple(random_effects)
        self.inference = DEFAULT_SAMPLER if inference is None else inference

    def uses(self, field):
        return field == "groups" and bool(self.random_effects)

    def fit(self, dataset, *, key) -> "BayesianLogisticPosterior":
        require_used_fields(self, dataset)
        scaling, standard = class_rows(dataset)
        effects = None
        if self.random_effects:
            effects = start_effects(dataset, self.random_effects)
        prior = bound_prior(self.prior, dataset, len(standard.y))
        codes = group_codes(dataset, effects, len(standard.y))
        base = _base(standard.x, codes, effects, dataset)
        weights = jnp.zeros_like(base, shape=base.shape[1])
        initial = LogisticParameters(prior, effects, weights)
        rows = LogisticRows(base, standard.y, standard.mask)
        draws, report = self.inference.run(_log_joint, initial, rows, key=key)
        log_likelihoods = _log_likelihoods(draws, rows)
        return BayesianLogisticPosterior(
            parameters=draws,
            log_weight=jnp.zeros_like(log_likelihoods),
            log_evidences=log_likelihoods,
            scaling=scaling,
            dataset=dataset,
            report=report,
        )


class LogisticParameters(eqx.Module):
    """Parameters of the scales, and the weights in units of their scales."""

    prior: AbstractPrior
    effects: GroupEffects | None
    weights: Float[Array, "..."]


class LogisticRows(eqx.Module):
    """Columns without the prior scales of their weights, and outcomes."""

    base: Float[Array, "n r"]
    y: Float[Array, " n"]
    mask: Bool[Array, " n"]


class BayesianLogisticPosterior(AbstractClassPosterior):
    """Posterior of `BayesianLogistic` as draws of the weights.

    `condition` multiplies the weight of each draw by the likelihood of the new rows
    (importance sampling) and refuses rows that leave too few effective draws.

    Attributes:
        log_weight: log importance weight of each draw, not normalised.
    """

    parameters: LogisticParameters
    log_weight: Float[Array, " s"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        require_outcomes(dataset)
        log_likelihoods = _log_likelihoods(self.parameters, self._rows(dataset))
        log_weight = self.log_weight + log_likelihoods
        effective = jnp.exp(2 * logsumexp(log_weight) - logsumexp(2 * log_weight))
        if effective < _MIN_EFFECTIVE_DRAWS:
            raise DataError(
                f"given the new rows, {effective:.0f} of {len(log_weight)} draws remain "
                f"effective and {_MIN_EFFECTIVE_DRAWS} are needed: fit to all rows"
            )
        return BayesianLogisticPosterior(
            parameters=self.parameters,
            log_weight=log_weight,
            log_evidences=self.log_evidences + log_likelihoods,
            scaling=self.scaling,
            dataset=together,
            report=self.report,
        )

    def _rows(self, dataset):
        """Rows of a new dataset, whose groups must be groups of the training data."""
        standard = standardise(dataset, self.scaling)
        labels = dataset.group_labels if self.uses_groups else None
        codes = self._codes(labels, dataset.num_rows, len(standard.y))
        if labels is not None:
            _require_known_groups(labels, np.asarray(codes))
        base = _base(standard.x, codes, self.parameters.effects, self.dataset)
        return LogisticRows(base, standard.y, standard.mask)

    @property
    def uses_groups(self):
        return self.parameters.effects is not None

    def _standardised_predict(self, rows):
        probability = _predict(self.parameters, self.dataset, rows.x, rows.groups)
        return ClassPredictive(probability, self.log_weight)

    def _standardised_functions(self, rows, key, num):
        base = _base(rows.x, rows.groups, self.parameters.effects, self.dataset)
        chosen = jax.random.categorical(key, self.log_weight, shape=(num,))
        draws = jax.tree.map(lambda leaf: leaf[chosen], self.parameters)
        return _log_odds(draws, base)


def _require_known_groups(labels, codes):
    for row, label in enumerate(labels):
        if codes[row] < 0:
            raise DataError(
                f"row {row} is of group {label!r}, which is not in the training data; "
                "its effect is a parameter of the fit: fit to all rows"
            )


def _base(x, codes, effects, dataset):
    slopes = None if effects is None else effects.slopes
    num_groups = 0 if effects is None else len(dataset.group_names)
    return base_columns(x, codes, slopes, num_groups)


def _scaled_weights(parameters):
    num_columns = parameters.weights.size
    scales = weight_scales(parameters.prior, parameters.effects, num_columns)
    scales = (_SCALE_FACTOR * scales).at[0].set(_INTERCEPT_STD)
    return scales * parameters.weights


@eqx.filter_jit
def _log_odds(draws, base):
    return jax.vmap(lambda parameters: base @ _scaled_weights(parameters))(draws)


def _log_likelihood(parameters, rows):
    each = log_likelihood(rows.base @ _scaled_weights(parameters), rows.y)
    return jnp.sum(jnp.where(rows.mask, each, 0.0))


def _log_joint(parameters, rows):
    prior = parameters.prior.log_prior() + standard_normal(parameters.weights)
    if parameters.effects is not None:
        prior = prior + parameters.effects.log_prior()
    return _log_likelihood(parameters, rows) + prior


@eqx.filter_jit
def _log_likelihoods(draws, rows):
    return jax.vmap(lambda parameters: _log_likelihood(parameters, rows))(draws)


@eqx.filter_jit
def _predict(draws, dataset, x, groups):
    """Probability of y = 1 for every draw, averaged over the effects of new groups."""
    log_odds = _log_odds(draws, _base(x, groups, draws.effects, dataset))
    if draws.effects is None:
        return jax.nn.sigmoid(log_odds)
    variance = jax.vmap(lambda effects: effects.new_group_variance(x))(draws.effects)
    std = _SCALE_FACTOR * jnp.where(groups[None] < 0, safe_sqrt(variance), 0.0)
    node, log_weight = (jnp.asarray(a, x.dtype) for a in normal_nodes(_GROUP_NODES))
    deviations = node[:, None, None] * std[None]
    return jnp.tensordot(
        jnp.exp(log_weight), jax.nn.sigmoid(log_odds[None] + deviations), axes=1
    )


# Weights on the log-odds scale: twice as wide as for a target of unit variance.
_SCALE_FACTOR = 2.0
# Probabilities from 1e-6 to 1 - 1e-6 at the mean of the features lie within 3 sd.
_INTERCEPT_STD = 5.0
# Gauss-Hermite nodes of a logistic function of a normal variable: the error is below
# 2e-4 up to a standard deviation of 3, and 1e-3 up to 4.
_GROUP_NODES = 21
# With 20 effective draws the error of a mean is 0.2 posterior standard deviations.
_MIN_EFFECTIVE_DRAWS = 20
