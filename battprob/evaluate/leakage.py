"""Do random splits flatter? The same model scored on random and on grouped folds."""

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
    """Scores on random folds (first) and on folds of whole groups (second)."""

    random: CrossValidation
    grouped: CrossValidation
    comparison: Comparison


def leakage(
    model: AbstractModel, dataset: Dataset, *, key: PRNGKey, progress: bool = True
) -> Leakage:
    """Cross-validate on random rows and on whole groups, and warn where they differ.

    Random folds let a model recognise the batch of a held-out cell by its siblings. In
    use the next batch has none: then the grouped scores are those to believe.

    Args:
        model: what to fit.
        dataset: rows with groups.
        key: for the splits and fits.
        progress: show a bar on terminals.

    Returns:
        Both results; `print(leakage(...).comparison)` shows them side by side.

    Raises:
        DataError: the dataset has no groups, or one only.

    Warns:
        LeakageWarning: the random scores are better by more than a standard error.

    Example:
        >>> import numpy as np
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + np.cos(40 * x), groups=np.arange(20) // 4)
        >>> found = leakage(BayesianLinear(), data, key=jax.random.key(0))
        >>> len(found.grouped.folds)
        5
    """
    from sklearn.model_selection import KFold

    if dataset.groups is None:
        raise DataError("a check for leakage needs Dataset(groups=...)")
    key_split, key_fit = jax.random.split(key)
    seed = int(jax.random.bits(key_split, dtype=jnp.uint32))
    folds = KFold(min(_FOLDS, dataset.num_rows), shuffle=True, random_state=seed)
    grouped = cross_validate(model, dataset, key=key_fit, progress=progress)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeakageWarning)  # here it is on purpose
        random = cross_validate(model, dataset, folds, key=key_fit, progress=progress)
    comparison = compare(random.scores, grouped.scores)
    name = "crps" if "crps" in comparison.differences else "log_loss"
    change = comparison.differences[name]
    if change < -comparison.errors[name]:
        warnings.warn(
            f"on random folds the {name} is {random.scores[name]:.3g}, on whole groups "
            f"{grouped.scores[name]:.3g} ({-change:.2g} ± {comparison.errors[name]:.2g} "
            "worse): random folds leak what rows of a group share. Believe the grouped "
            "scores for new groups.",
            LeakageWarning,
            stacklevel=2,
        )
    return Leakage(random, grouped, comparison)
