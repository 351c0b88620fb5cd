"""Compares the scores of one model on random folds and on folds of whole groups."""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp

from battprob._errors import DataError, LeakageWarning
from battprob._typing import PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate.crossval import CrossValidation, cross_validate
from battprob.evaluate.scores import Comparison, compare
from battprob.models.base import AbstractModel

_FOLDS = 5


class Leakage(NamedTuple):
    """Results on random folds and on folds of whole groups, and their comparison."""

    random: CrossValidation
    grouped: CrossValidation
    comparison: Comparison


def leakage(
    model: AbstractModel, dataset: Dataset, *, key: PRNGKey, progress: bool = True
) -> Leakage:
    """Cross-validate on random rows and on whole groups, and warn if they differ.

    On random folds a model has trained on other cells of the batch of a held-out cell, so
    it can recognise the batch. The next batch is new, so its predictions are as good as the
    scores on whole groups.

    Args:
        model: model to fit.
        dataset: rows with groups.
        key: PRNG key for the splits and fits.
        progress: whether to show a progress bar on terminals.

    Returns:
        Both results; `print(leakage(...).comparison)` prints their scores in one table.

    Raises:
        DataError: the dataset has no groups, or only one.

    Warns:
        LeakageWarning: the random scores are better by more than one standard error.

    Example:
        >>> import numpy as np
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + np.cos(40 * x), groups=np.arange(20) // 4)
        >>> result = leakage(BayesianLinear(), data, key=jax.random.key(0))
        >>> len(result.grouped.folds)
        5
    """
    from sklearn.model_selection import KFold

    if dataset.groups is None:
        raise DataError("leakage needs a dataset with groups: Dataset(groups=...)")
    key_split, key_fit = jax.random.split(key)
    seed = int(jax.random.bits(key_split, dtype=jnp.uint32))
    folds = KFold(min(_FOLDS, dataset.num_rows), shuffle=True, random_state=seed)
    grouped = cross_validate(model, dataset, key=key_fit, progress=progress)
    with warnings.catch_warnings():
        # These folds divide groups on purpose.
        warnings.simplefilter("ignore", LeakageWarning)
        random = cross_validate(
            model, dataset, key=key_fit, splits=folds, progress=progress
        )
    comparison = compare(random.scores, grouped.scores)
    name = "crps" if "crps" in comparison.differences else "log_loss"
    change = comparison.differences[name]
    if change < -comparison.errors[name]:
        warnings.warn(
            f"the {name} is {random.scores[name]:.3g} on random folds and "
            f"{grouped.scores[name]:.3g} on folds of whole groups ({-change:.2g} ± "
            f"{comparison.errors[name]:.2g} worse): rows of one group share information, "
            "which random folds leak into training. Use the grouped scores for new groups.",
            LeakageWarning,
            stacklevel=2,
        )
    return Leakage(random, grouped, comparison)
