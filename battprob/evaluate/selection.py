"""Choosing among models by what they predict."""

from typing import Any

import jax

from battprob.evaluate.crossval import cross_validate
from battprob.models.base import AbstractModel


class BestOf(AbstractModel):
    """The model that predicts held-out rows of the training data with most density.

    As a model it is chosen afresh in every fold: `cross_validate(BestOf(models), data)`
    is nested cross-validation, whose scores the choice has not flattered.

    Args:
        models: candidates by name.
        splits: inner splits; default as for `cross_validate`.

    Example:
        >>> import numpy as np
        >>> from battprob.models import BayesianLinear
        >>> from battprob import Dataset
        >>> x = np.linspace(0, 1, 20)
        >>> best = BestOf({"line": BayesianLinear()})
        >>> best.fit(Dataset(x, 3 * x + np.cos(40 * x)), key=jax.random.key(0)).report
        FitReport(...)
    """

    models: dict[str, AbstractModel]
    splits: Any = None

    def fit(self, dataset, *, key):
        key_choice, key_fit = jax.random.split(key)

        def density(model):
            result = cross_validate(
                model, dataset, self.splits, key=key_choice, progress=False
            )
            scores = result.scores
            return scores["nlpd" if "nlpd" in scores.values else "log_loss"]

        losses = {name: density(model) for name, model in self.models.items()}
        best = min(losses, key=lambda name: losses[name])
        return self.models[best].fit(dataset, key=key_fit)
