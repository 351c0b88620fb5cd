"""Cross-validation: predicts each row by a model that was fitted without it."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from battprob._errors import DataError, LeakageWarning
from battprob._files.text import aligned
from battprob._padding import on_device
from battprob._typing import Array, Float, Int, PRNGKey
from battprob.dataset import EXACT, Dataset
from battprob.evaluate.scores import Scores
from battprob.evaluate.summary import log_predictive_density, row_columns, score_table
from battprob.models.base import AbstractModel, AbstractPosterior

_LEVEL = 0.9
_FOLDS = 5


class Fold(NamedTuple):
    """Rows held out together, and their predictions by the model fitted to the others."""

    indices: Int[np.ndarray, " m"]
    predictive: Any  # Predictive or ClassPredictive


class CrossValidation(eqx.Module):
    """Out-of-fold predictions of a dataset, and their scores.

    Censored rows are predicted but not scored, since their targets are not known exactly.
    `table` prints how many there are.

    Args:
        dataset: the rows that were split.
        folds: the held-out rows of each fold, with their predictions.
    """

    dataset: Dataset
    folds: tuple[Fold, ...]

    @property
    def indices(self) -> Int[np.ndarray, " m"]:
        """Held-out rows, fold after fold; a row may occur several times or not at all."""
        return np.concatenate([fold.indices for fold in self.folds])

    @property
    def y(self) -> Float[Array, " m"]:
        """Targets of the rows in `indices`."""
        return on_device(np.asarray(self.dataset.y)[self.indices])

    @property
    def predictive(self) -> Any:
        """Predictions of the rows in `indices`, each by the model of its own fold.

        A `Predictive`, or for a classifier a `ClassPredictive`.
        """
        return jax.tree.map(
            lambda *fields: jnp.concatenate(fields, axis=-1),
            *(fold.predictive for fold in self.folds),
        )

    @property
    def scores(self) -> Scores:
        """`summary` over the scored rows of all folds together, in dataset order.

        Standard errors are computed over the groups of the dataset, or over rows if there
        are no groups (a row held out twice counts as one). They measure the variation
        between rows, not the variation between training sets: models of different folds
        share training rows, so their errors are correlated.
        """
        return self._table(self.columns, self.scored_rows)

    @property
    def scored_rows(self) -> Int[np.ndarray, " m"]:
        """Indices of the scored rows in the dataset, in increasing order."""
        return np.sort(self._scored_by_fold(), kind="stable")

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Quantities from which the scores are computed, one entry per scored row."""
        order = np.argsort(self._scored_by_fold(), kind="stable")
        columns = [self._columns(fold) for fold in self.folds]
        return jax.tree.map(lambda *parts: np.concatenate(parts)[order], *columns)

    @property
    def log_densities(self) -> Float[np.ndarray, " m"]:
        """Log predictive density (classifiers: log probability) of each scored row.

        Raises:
            DataError: all held-out rows are censored.
        """
        order = np.argsort(self._scored_by_fold(), kind="stable")
        if order.size == 0:
            raise DataError(
                "all held-out targets are censored, so no predictive density can be "
                "computed; add rows with exact targets"
            )
        parts = [log_predictive_density(*self._exact_part(f)) for f in self.folds]
        return np.concatenate(parts)[order]

    @property
    def fold_scores(self) -> tuple[Scores, ...]:
        """`summary` over the scored rows of each fold."""
        return tuple(
            self._table(self._columns(fold), self._scored(fold)) for fold in self.folds
        )

    def table(self) -> str:
        """Scores of each fold and of all folds together, as text."""
        pooled = self.scores
        scored = [len(self._scored(fold)) for fold in self.folds]
        lines = [
            ["fold", "rows", *pooled.values],
            ["", "", *pooled.units.values()],
            *map(_line, range(len(scored)), scored, self.fold_scores),
            _line("all", sum(scored), pooled),
            ["", "±", *(f"{error:.2g}" for error in pooled.errors.values())],
        ]
        text = aligned(lines)
        num_censored = len(self.indices) - sum(scored)
        note = f"{num_censored} censored rows were predicted but not scored."
        return "\n".join([*text, note] if num_censored else text)

    def _is_exact(self, fold):
        return np.asarray(self.dataset.censored)[fold.indices] == EXACT

    def _scored(self, fold):
        return fold.indices[self._is_exact(fold)]

    def _scored_by_fold(self):
        return np.concatenate([self._scored(fold) for fold in self.folds])

    def _exact_part(self, fold):
        """Predictions and targets of the rows of a fold that are not censored."""
        pred = fold.predictive.take(np.flatnonzero(self._is_exact(fold)))
        return pred, np.asarray(self.dataset.y)[self._scored(fold)]

    def _columns(self, fold):
        return row_columns(*self._exact_part(fold), _LEVEL)

    def _table(self, columns, rows):
        groups = self.dataset.groups
        groups = rows if groups is None else np.asarray(groups)[rows]
        return score_table(columns, groups, _LEVEL, self.dataset.target_unit)


def cross_validate(
    model: AbstractModel,
    dataset: Dataset,
    *,
    key: PRNGKey,
    splits: Any = None,
    progress: bool = True,
) -> CrossValidation:
    """Fit `model` to each training part of `dataset` and predict the held-out part.

    Args:
        model: model to fit.
        dataset: rows to split.
        key: PRNG key that shuffles the default split; each fit gets a key derived from it.
        splits: a scikit-learn splitter, any object with `split(x, y, groups)`. Default:
            5 folds (fewer if there are fewer rows or groups), of whole groups if the
            dataset has groups, otherwise of shuffled rows.
        progress: whether to show a progress bar on terminals.

    Returns:
        Out-of-fold predictions: `print(result.table())`, `result.scores["rmse"]`.

    Raises:
        DataError: the dataset is padded, or has a single group and no `splits` is given.
        FitError: a fit failed; a note on the error names the fold.

    Warns:
        LeakageWarning: rows of one group are on both sides of a split.

    Example:
        >>> import numpy as np
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + 1 + 0.1 * np.cos(40 * x), target_unit="%")
        >>> result = cross_validate(BayesianLinear(), data, key=jax.random.key(0))
        >>> len(result.folds), bool(result.scores["rmse"] < 0.1)
        (5, True)
    """
    fitted = fitted_folds(model, dataset, key=key, splits=splits, progress=progress)
    return CrossValidation(dataset, tuple(Fold(rows, pred) for rows, _, pred in fitted))


def cross_validate_each(
    models: Mapping[str, AbstractModel],
    dataset: Dataset,
    *,
    key: PRNGKey,
    splits: Any = None,
    progress: bool = True,
) -> dict[str, CrossValidation]:
    """Cross-validate several models on the same folds; results by name of the model.

    Arguments, errors and warnings are those of `cross_validate`.
    """
    # The same key for all models gives all of them the same default folds.
    return {
        name: cross_validate(model, dataset, key=key, splits=splits, progress=progress)
        for name, model in models.items()
    }


def fitted_folds(
    model: AbstractModel,
    dataset: Dataset,
    *,
    key: PRNGKey,
    splits: Any = None,
    progress: bool = True,
) -> Iterator[tuple[Int[np.ndarray, " m"], AbstractPosterior, Any]]:
    """Yield for each fold the held-out rows, the posterior and its predictions of them.

    Arguments, errors and warnings are those of `cross_validate`.
    """
    if not np.all(dataset.mask):
        raise DataError(
            "cross-validation cannot split a padded dataset; pass the dataset before "
            "`padded()`"
        )
    key_split, key_fit = jax.random.split(key)
    splitter = _default_splits(dataset, key_split) if splits is None else splits
    x, y = np.asarray(dataset.x), np.asarray(dataset.y)
    groups = None if dataset.groups is None else np.asarray(dataset.groups)
    with warnings.catch_warnings():
        # scikit-learn warns whenever a splitter does not use the groups; the warning below
        # is only given if a group really is on both sides of a split.
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        parts = list(splitter.split(x, y, groups))
    _warn_of_leakage(parts, dataset)
    keys = jax.random.split(key_fit, len(parts))
    training = training_dataset(model, dataset)
    bar = tqdm(parts, "folds", disable=None if progress else True)
    for number, (train, test) in enumerate(bar):
        try:
            posterior = model.fit(training.take(train), key=keys[number])
        except Exception as error:
            error.add_note(f"while fitting fold {number} of {len(parts)} (from 0)")
            raise
        held_out = dataset.take(test)
        known: dict[str, Any] = {"noise_variance": held_out.noise_variance}
        if posterior.uses_groups:
            known["groups"] = held_out.group_labels
        pred = posterior.predict(held_out.x, **known)
        yield np.asarray(test), posterior, pred


def training_dataset(model: AbstractModel, dataset: Dataset) -> Dataset:
    """Return the dataset without its groups if the model does not use them.

    A model refuses fields that it does not use, while the splits need the groups of every
    dataset that has them.
    """
    if dataset.groups is None or model.uses("groups"):
        return dataset
    return dataset.without("groups")


def _default_splits(dataset, key):
    from sklearn.model_selection import GroupKFold, KFold

    if dataset.groups is None:
        seed = int(jax.random.bits(key, dtype=jnp.uint32))
        num = min(_FOLDS, dataset.num_rows)
        return KFold(num, shuffle=True, random_state=seed)
    num = min(_FOLDS, len(np.unique(dataset.groups)))
    if num < 2:
        raise DataError(
            "all rows belong to one group, so no group can be held out; pass `splits`, or "
            "a dataset without groups"
        )
    return GroupKFold(num)


def _warn_of_leakage(parts, dataset):
    if dataset.groups is None:
        return
    groups = np.asarray(dataset.groups)
    shared = [np.intersect1d(groups[train], groups[test]) for train, test in parts]
    leaking = [codes for codes in shared if codes.size]
    if leaking:
        warnings.warn(
            f"{len(leaking)} of {len(parts)} splits have rows of one group on both sides "
            f"(first: group {dataset.group_names[leaking[0][0]]!r}), so the scores apply "
            "to new rows of known groups, not to a new group. To score predictions of new "
            "groups, split by group, for example with sklearn.model_selection.GroupKFold",
            LeakageWarning,
            stacklevel=4,
        )


def _line(label, rows, scores):
    return [str(label), str(rows), *(f"{v:.4g}" for v in scores.values.values())]
