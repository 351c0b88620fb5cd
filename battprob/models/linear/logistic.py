"""Bayesian logistic regression: any prior of weights, and group effects."""

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
from battprob.models._scaling import Scaling, standardise
from battprob.models.base import AbstractModel, AbstractPosterior
from battprob.models.linear import _rows as parts
from battprob.predictive import ClassPredictive
from battprob.priors import Ridge
from battprob.priors.base import AbstractPrior, standard_normal


class BayesianLogistic(AbstractModel):
    r"""$P(y = 1) = 1 / (1 + e^{-f})$ with the log-odds $f = b + w^\top x + u_g^\top (1, x)$.

    Weights and group effects have the priors of `BayesianLinear`, on standardised
    features and twice as wide; b ~ N(0, 5²) leaves room for rare outcomes, which are
    neither weighted up nor sampled down: probabilities stay those of the population that
    the rows came from, and costs belong to the decision (`evaluate.decide`).

    Args:
        prior: what is believed of the weights; see `battprob.priors`.
        random_effects: as of `BayesianLinear`. The probability for a new group is
            averaged over where it may lie.
        inference: how weights and scales are explored; default drawn by `NUTS`.
            `Laplace()` is quick, and too wide where the scales are hardly known.

    Example:
        >>> import jax, numpy as np
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
        named = not isinstance(random_effects, bool)
        self.random_effects = tuple(random_effects) if named else random_effects
        self.inference = parts.DRAWS if inference is None else inference

    def fit(self, dataset, *, key):
        scaling, standard = class_rows(dataset)
        effects = start_effects(dataset, random_effects=self.random_effects)
        prior = parts.bound_prior(self.prior, dataset, len(standard.y))
        codes = parts.group_codes(dataset, effects, len(standard.y))
        base = _base(standard.x, codes, effects, dataset)
        start = jnp.zeros_like(base, shape=base.shape[1])
        initial = LogisticParameters(prior, effects, start)
        rows = LogisticRows(base, standard.y, standard.mask)
        draws, report = self.inference.run(_log_joint, initial, rows, key=key)
        evidences = _log_likelihoods(draws, rows)
        return BayesianLogisticPosterior(
            parameters=draws,
            log_weight=jnp.zeros_like(evidences),
            log_evidences=evidences,
            scaling=scaling,
            dataset=dataset,
            report=report,
        )


class LogisticParameters(eqx.Module):
    """Scales of weights and effects, and the weights in units of these."""

    prior: AbstractPrior
    effects: GroupEffects | None
    weights: Float[Array, "..."]


class LogisticRows(eqx.Module):
    """Columns of the weights without their prior's scale, and outcomes."""

    base: Float[Array, "n r"]
    y: Float[Array, " n"]
    mask: Bool[Array, " n"]


class BayesianLogisticPosterior(AbstractPosterior[ClassPredictive]):
    """Draws of the weights; `log_weight` is what rows taken in later say of each."""

    parameters: LogisticParameters
    log_weight: Float[Array, " s"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        require_outcomes(dataset)
        standard = standardise(dataset, self.scaling)
        labels = dataset.group_labels if self.uses_groups else None
        codes = self._codes(labels, dataset.num_rows, len(standard.y))
        if self.uses_groups and np.any(np.asarray(codes)[: dataset.num_rows] < 0):
            raise DataError(
                "rows of a group not seen before cannot be taken in without a new fit, "
                "which draws its effect: fit to all rows"
            )
        effects = self.parameters.effects
        base = _base(standard.x, codes, effects, self.dataset)
        rows = LogisticRows(base, standard.y, standard.mask)
        gained = _log_likelihoods(self.parameters, rows)
        log_weight = self.log_weight + gained
        effective = jnp.exp(2 * logsumexp(log_weight) - logsumexp(2 * log_weight))
        if effective < _LEAST_EFFECTIVE:
            raise DataError(
                f"the new rows leave {effective:.0f} effective draws of "
                f"{len(log_weight)}, too few to answer: fit to all rows"
            )
        return BayesianLogisticPosterior(
            parameters=self.parameters,
            log_weight=log_weight,
            log_evidences=self.log_evidences + gained,
            scaling=self.scaling,
            dataset=together,
            report=self.report,
        )

    @property
    def uses_groups(self):
        return self.parameters.effects is not None

    def _standardised_predict(self, x, known, groups):
        del known
        probability = _predict(self.parameters, self.dataset, x, groups)
        return ClassPredictive(probability, self.log_weight)

    def _standardised_functions(self, x, groups, key, num):
        base = _base(x, groups, self.parameters.effects, self.dataset)
        chosen = jax.random.categorical(key, self.log_weight, shape=(num,))
        draws = jax.tree.map(lambda leaf: leaf[chosen], self.parameters)
        return _log_odds(draws, base)


def _base(x, codes, effects, dataset):
    slopes = None if effects is None else effects.slopes
    num_groups = 0 if effects is None else len(dataset.group_names)
    return parts.base_columns(x, codes, slopes, num_groups)


def _scaled_weights(parameters):
    size = parameters.weights.size
    scales = _WIDTH * parts.scales(parameters.prior, parameters.effects, size)
    return scales.at[0].set(_INTERCEPT_SD) * parameters.weights


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
    log_odds = _log_odds(draws, _base(x, groups, draws.effects, dataset))
    if draws.effects is None:
        return jax.nn.sigmoid(log_odds)
    spread = jax.vmap(lambda own: safe_sqrt(own.new_group_variance(x)))(draws.effects)
    spread = _WIDTH * jnp.where(groups[None] < 0, spread, 0.0)
    # Over the groups that a new one may be: of one row, where p varies no more.
    node, log_weight = (jnp.asarray(a, x.dtype) for a in normal_nodes(_GROUP_NODES))
    nodes = node[:, None, None] * spread[None]
    return jnp.tensordot(
        jnp.exp(log_weight), jax.nn.sigmoid(log_odds[None] + nodes), axes=1
    )


_INTERCEPT_SD = 5.0
_WIDTH = 2.0
_GROUP_NODES = 21
_LEAST_EFFECTIVE = 20
