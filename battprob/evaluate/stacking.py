"""Several models as one: the mixture that predicts held-out rows best."""

import warnings
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.dataset import EXACT, Dataset
from battprob.evaluate._stacking_weights import stacking_weights
from battprob.models.base import AbstractModel
from battprob.predictive import Predictive


class Stack(AbstractModel):
    """A mixture of models, weighted by the density each gives to held-out rows.

    As a model it is weighted afresh on every training set: its scores in
    `cross_validate` are those of the whole procedure.

    Args:
        models: what to mix, by name.
        splits: a scikit-learn splitter, any object with `split(x, y, groups)`; one that
            holds out whole groups if new groups are to be predicted.

    References:
        Yao, Vehtari, Simpson and Gelman, Bayesian Anal. 13 (2018) 917, section 3.1,
        doi:10.1214/17-BA1091.
    """

    models: dict[str, AbstractModel]
    splits: Any

    def fit(self, dataset, *, key) -> Any:
        key_folds, key_fit = jax.random.split(key)
        densities = _held_out_densities(self.models, dataset, self.splits, key_folds)
        weights = stacking_weights(densities)
        keys = jax.random.split(key_fit, len(self.models))
        posteriors = [
            model.fit(dataset, key=own)
            for model, own in zip(self.models.values(), keys, strict=True)
        ]
        names = zip(self.models, posteriors, strict=True)
        return StackedPosterior(dict(names), weights)


class StackedPosterior(eqx.Module):
    """Posteriors by name, and the weight of each in the mixture.

    What the models disagree on counts as epistemic.
    """

    posteriors: dict[str, Any]
    weights: Float[Array, " k"]

    @property
    def uses_groups(self) -> bool:
        """Whether any of the models takes the groups of new rows."""
        return any(posterior.uses_groups for posterior in self.posteriors.values())

    def predict(
        self,
        x: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Predictive:
        """The mixture of all predictive distributions; arguments as for one model."""
        if groups is not None and not self.uses_groups:
            raise DataError(
                "no model of the stack has random effects: leave groups out"
            )
        preds = [
            posterior.predict(
                x,
                noise_variance=noise_variance,
                groups=groups if posterior.uses_groups else None,
            )
            for posterior in self.posteriors.values()
        ]
        # A draw of no weight at all would have no weights inside it.
        return _mixed(preds, jnp.log(jnp.maximum(self.weights, _LEAST)))


def stack(
    models: Mapping[str, AbstractModel], dataset: Dataset, splits: Any, *, key: PRNGKey
) -> StackedPosterior:
    """Mix models by stacking, and fit each to all rows: `Stack(models, splits).fit`.

    Args:
        models: what to mix, by name.
        dataset: rows and targets.
        splits: a scikit-learn splitter, any object with `split(x, y, groups)`.
        key: PRNG key.

    Raises:
        DataError: no held-out row has an exact label.

    Example:
        >>> from sklearn.model_selection import KFold
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + np.cos(40 * x))
        >>> models = {"line": BayesianLinear()}
        >>> stack(models, data, KFold(4), key=jax.random.key(0)).weights.tolist()
        [1.0]
    """
    return Stack(dict(models), splits).fit(dataset, key=key)


_LEAST = 1e-12


def _held_out_densities(models, dataset, splits, key) -> np.ndarray:
    """Log density of every held-out exact label under every model [row model]."""
    groups = None if dataset.groups is None else np.asarray(dataset.groups)
    rows = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        x, y = np.asarray(dataset.x), np.asarray(dataset.y)
        parts = list(splits.split(x, y, groups))
    for number, (train, test) in enumerate(parts):
        exact = np.asarray(test)[np.asarray(dataset.censored)[test] == EXACT]
        if len(exact) == 0:
            continue
        held_out = dataset.take(exact)
        columns = []
        for own, model in enumerate(models.values()):
            fold_key = jax.random.fold_in(jax.random.fold_in(key, number), own)
            posterior = model.fit(dataset.take(train), key=fold_key)
            labels = held_out.group_labels if posterior.uses_groups else None
            pred = posterior.predict(
                held_out.x, noise_variance=held_out.noise_variance, groups=labels
            )
            columns.append(np.asarray(pred.log_prob(held_out.y)))
        rows.append(np.stack(columns, axis=1))
    if not rows:
        raise DataError("no held-out row has an exact label to weigh the models by")
    return np.concatenate(rows)


def _mixed(preds, log_weights):
    """One predictive of several, a model's draws beside another's."""
    most = max(pred.location.shape[1] for pred in preds)

    def together(fields, **how):
        # Models of fewer components get more of no weight.
        widths = [
            [(0, 0), (0, most - field.shape[1])] + [(0, 0)] * (field.ndim - 2)
            for field in fields
        ]
        pairs = zip(fields, widths, strict=True)
        return jnp.concatenate([jnp.pad(field, width, **how) for field, width in pairs])

    return Predictive(
        together([pred.location for pred in preds], mode="edge"),
        together([pred.noise_variance for pred in preds], mode="edge"),
        together([pred.function_variance for pred in preds], mode="edge"),
        together(
            [
                pred.log_weight + own
                for pred, own in zip(preds, log_weights, strict=True)
            ],
            constant_values=-jnp.inf,
        ),
        preds[0].transform,
        shared_function=any(pred.shared_function for pred in preds),
    )
