"""Stacking: a mixture of models with weights that maximise held-out density."""

import os
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._errors import DataError
from battprob._files.serialise import save
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate._stacking_weights import cross_validated_weights
from battprob.evaluate.crossval import cross_validate_each, training_dataset
from battprob.models.base import AbstractModel
from battprob.predictive import ClassPredictive, Predictive

# A draw with weight zero would have no normalised weights of its components.
_MIN_WEIGHT = 1e-12


class Stack(AbstractModel):
    """A mixture of models, with weights that maximise the density of held-out rows.

    The weights are computed in `fit`, so the scores of a stack in `cross_validate` include
    their estimation.

    Args:
        models: models to mix, by name.
        splits: a scikit-learn splitter of the training rows; default as for
            `cross_validate`. Hold out whole groups if predictions are for new groups.

    References:
        Yao, Vehtari, Simpson and Gelman, Bayesian Anal. 13 (2018) 917, section 3.1,
        doi:10.1214/17-BA1091.
    """

    models: dict[str, AbstractModel]
    splits: Any = None

    def uses(self, field):
        # Groups keep batches together in the splits, whatever the models use.
        return field == "groups" or any(m.uses(field) for m in self.models.values())

    def fit(self, dataset, *, key) -> Any:
        key_folds, key_fit = jax.random.split(key)
        results = cross_validate_each(
            self.models, dataset, key=key_folds, splits=self.splits, progress=False
        )
        weights = cross_validated_weights(results)
        keys = jax.random.split(key_fit, len(self.models))
        posteriors = {
            name: model.fit(training_dataset(model, dataset), key=model_key)
            for (name, model), model_key in zip(self.models.items(), keys, strict=True)
        }
        return StackedPosterior(posteriors, weights)


class StackedPosterior(eqx.Module):
    """A mixture of the posteriors of several models.

    Disagreement between the models is part of the epistemic variance.

    Args:
        posteriors: posterior of each model, by name.
        weights: weight of each model.
    """

    posteriors: dict[str, Any]
    weights: Float[Array, " k"]

    @property
    def uses_groups(self) -> bool:
        """Whether any of the models uses the groups of new rows."""
        return any(posterior.uses_groups for posterior in self.posteriors.values())

    def condition(self, dataset: Dataset) -> "StackedPosterior":
        """Add new rows to every posterior; hyper-parameters and weights do not change."""
        conditioned = {
            name: posterior.condition(
                dataset if posterior.uses_groups else dataset.without("groups")
            )
            for name, posterior in self.posteriors.items()
        }
        return StackedPosterior(conditioned, self.weights)

    def predict(
        self,
        x: ArrayLike,
        *,
        noise_variance: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Predictive | ClassPredictive:
        """Mixture of the predictive distributions of all models.

        Args:
            x: features [m d].
            noise_variance: measured variance of each new target, see
                `AbstractPosterior.predict`.
            groups: group of each new row, passed to the models with random effects.

        Raises:
            DataError: see `AbstractPosterior.predict`.
        """
        preds = [
            posterior.predict(x, noise_variance=noise_variance, **arguments)
            for posterior, arguments in self._with_groups(groups)
        ]
        return _mixture(preds, jnp.log(jnp.maximum(self.weights, _MIN_WEIGHT)))

    def sample_functions(
        self,
        x: ArrayLike,
        *,
        key: PRNGKey,
        num: int = 1,
        groups: ArrayLike | None = None,
    ) -> Float[Array, "num m"]:
        """Draw `num` noise-free functions; each is of one model, chosen by its weight."""
        key_model, key_draws = jax.random.split(key)
        chosen = jax.random.categorical(
            key_model, jnp.log(jnp.maximum(self.weights, _MIN_WEIGHT)), shape=(num,)
        )
        keys = jax.random.split(key_draws, len(self.posteriors))
        # Every model draws `num` functions: fixed shapes need no retrace, while the number
        # of draws chosen from a model changes with the key.
        draws = [
            posterior.sample_functions(x, key=model_key, num=num, **arguments)
            for (posterior, arguments), model_key in zip(
                self._with_groups(groups), keys, strict=True
            )
        ]
        return jnp.stack(draws)[chosen, jnp.arange(num)]

    def save(self, path: str | os.PathLike) -> None:
        """Write the posterior to one file; `battprob.load(path)` reads it."""
        save(self, path)

    def _with_groups(self, groups) -> list[tuple[Any, dict[str, Any]]]:
        """Each posterior, with the groups as a keyword argument if it uses them."""
        if groups is not None and not self.uses_groups:
            raise DataError(
                "no model of the stack has random effects, so groups would not be used; "
                "omit groups, or add BayesianLinear(random_effects=True)"
            )
        return [
            (posterior, {"groups": groups} if posterior.uses_groups else {})
            for posterior in self.posteriors.values()
        ]


def stack(
    models: Mapping[str, AbstractModel],
    dataset: Dataset,
    *,
    key: PRNGKey,
    splits: Any = None,
) -> StackedPosterior:
    """Compute stacking weights and fit each model: `Stack(models, splits).fit(...)`.

    Args:
        models: models to mix, by name.
        dataset: rows and targets.
        key: PRNG key for the splits and fits.
        splits: a scikit-learn splitter; default as for `cross_validate`.

    Raises:
        DataError: all held-out rows are censored.
        FitError: a fit failed.

    Example:
        >>> import numpy as np
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + np.cos(40 * x))
        >>> models = {"linear": BayesianLinear()}
        >>> stack(models, data, key=jax.random.key(0)).weights.tolist()
        [1.0]
    """
    return Stack(dict(models), splits).fit(dataset, key=key)


def _mixture(preds, log_weights):
    """One predictive with the draws of all models."""
    weighted = [
        pred.log_weight + log_weight
        for pred, log_weight in zip(preds, log_weights, strict=True)
    ]
    if isinstance(preds[0], ClassPredictive):
        probability = jnp.concatenate([pred.probability for pred in preds])
        return ClassPredictive(probability, jnp.concatenate(weighted))
    return Predictive(
        _concatenated([pred.location for pred in preds], mode="edge"),
        _concatenated([pred.noise_variance for pred in preds], mode="edge"),
        _concatenated([pred.function_variance for pred in preds], mode="edge"),
        _concatenated(weighted, constant_values=-jnp.inf),
        preds[0].transform,
        shared_function=any(pred.shared_function for pred in preds),
    )


def _concatenated(fields, **padding):
    """Concatenate along the draws, with the components padded to the largest number."""
    num = max(field.shape[1] for field in fields)
    widths = [
        [(0, 0), (0, num - field.shape[1])] + [(0, 0)] * (field.ndim - 2)
        for field in fields
    ]
    pairs = zip(fields, widths, strict=True)
    return jnp.concatenate([jnp.pad(field, width, **padding) for field, width in pairs])
