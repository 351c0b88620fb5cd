"""Model selection by the predictive density of held-out rows."""

from typing import Any

import jax

from battprob.evaluate.crossval import cross_validate_each, training_dataset
from battprob.models.base import AbstractModel


class BestOf(AbstractModel):
    """Fit the model with the highest predictive density of held-out training rows.

    The selection is part of `fit`, so `cross_validate(BestOf(models), data)` is nested
    cross-validation, and its scores are not biased by the selection.

    Args:
        models: candidates by name.
        splits: a scikit-learn splitter of the training rows; default as for
            `cross_validate`.

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

    def uses(self, field):
        # Groups keep batches together in the splits, whatever the models use.
        return field == "groups" or any(m.uses(field) for m in self.models.values())

    def fit(self, dataset, *, key):
        key_selection, key_fit = jax.random.split(key)
        results = cross_validate_each(
            self.models, dataset, key=key_selection, splits=self.splits, progress=False
        )
        best = max(results, key=lambda name: results[name].log_densities.mean())
        model = self.models[best]
        return model.fit(training_dataset(model, dataset), key=key_fit)
