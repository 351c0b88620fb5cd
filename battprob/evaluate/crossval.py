"""Cross-validation: every row predicted by a model that has not seen it."""

import warnings
from collections.abc import Iterator
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
from battprob.evaluate.summary import row_columns, score_table
from battprob.models.base import AbstractModel, AbstractPosterior

_LEVEL = 0.9
_FOLDS = 5


class Fold(NamedTuple):
    """Rows held out together, and what the model fitted to the others says of them."""

    indices: Int[np.ndarray, " m"]
    predictive: Any  # a Predictive, or of a classifier a ClassPredictive


class CrossValidation(eqx.Module):
    """Out-of-fold predictions of a dataset, and their scores.

    Censored rows are predicted but not scored: what would be compared with them is not
    known. `table` says how many there are.

    Args:
        dataset: the rows that were split.
        folds: the held-out rows of each fold, with their predictions.
    """

    dataset: Dataset
    folds: tuple[Fold, ...]

    @property
    def indices(self) -> Int[np.ndarray, " m"]:
        """Rows held out, fold after fold; a row may come twice, or not at all."""
        return np.concatenate([fold.indices for fold in self.folds])

    @property
    def y(self) -> Float[Array, " m"]:
        """Targets of the rows at `indices`."""
        return on_device(np.asarray(self.dataset.y)[self.indices])

    @property
    def predictive(self) -> Any:
        """Predictions of the rows at `indices`, each by the model of its own fold.

        A `Predictive`, or of a classifier a `ClassPredictive`.
        """
        return jax.tree.map(
            lambda *fields: jnp.concatenate(fields, axis=-1),
            *(fold.predictive for fold in self.folds),
        )

    @property
    def scores(self) -> Scores:
        """`summary` over the scored rows of all folds together, in their first order.

        Standard errors are over the groups of the dataset; without groups, over rows (a
        row held out twice counts as one). Of the rows' own scatter they tell, not of
        another training set: fits that share rows err together.
        """
        return self._table(self.columns, self.scored_rows)

    @property
    def scored_rows(self) -> Int[np.ndarray, " m"]:
        """Rows of the dataset that are scored, in increasing order."""
        rows = np.concatenate([self._scored(fold) for fold in self.folds])
        return np.sort(rows, kind="stable")

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """What the scores are made of, one entry for each of `scored_rows`."""
        rows = np.concatenate([self._scored(fold) for fold in self.folds])
        order = np.argsort(rows, kind="stable")
        columns = [self._columns(fold) for fold in self.folds]
        return jax.tree.map(lambda *parts: np.concatenate(parts)[order], *columns)

    @property
    def fold_scores(self) -> tuple[Scores, ...]:
        """`summary` over the scored rows of each fold."""
        return tuple(
            self._table(self._columns(fold), self._scored(fold)) for fold in self.folds
        )

    def table(self) -> str:
        """Scores of every fold and of all together, as text."""
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
        left_out = len(self.indices) - sum(scored)
        note = f"{left_out} censored rows were predicted and are not scored."
        return "\n".join([*text, note] if left_out else text)

    def _exact(self, fold):
        return np.asarray(self.dataset.censored)[fold.indices] == EXACT

    def _scored(self, fold):
        return fold.indices[self._exact(fold)]

    def _columns(self, fold):
        pred = fold.predictive.take(np.flatnonzero(self._exact(fold)))
        y = np.asarray(self.dataset.y)[self._scored(fold)]
        return row_columns(pred, y, _LEVEL)

    def _table(self, columns, rows):
        groups = self.dataset.groups
        groups = rows if groups is None else np.asarray(groups)[rows]
        return score_table(columns, groups, _LEVEL, self.dataset.target_unit)


def cross_validate(
    model: AbstractModel,
    dataset: Dataset,
    splits: Any = None,
    *,
    key: PRNGKey,
    progress: bool = True,
) -> CrossValidation:
    """Fit `model` to each training part of `dataset` and predict the part held out.

    Args:
        model: what to fit.
        dataset: rows to split.
        splits: a scikit-learn splitter, any object with `split(x, y, groups)`. Default:
            5 folds (fewer if there are fewer to be had) of whole groups where the rows
            have groups, else of shuffled rows.
        key: shuffles the default split; every fold's fit gets a key of its own.
        progress: show a bar on terminals.

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
    fitted = fitted_folds(model, dataset, splits, key=key, progress=progress)
    return CrossValidation(dataset, tuple(Fold(rows, pred) for rows, _, pred in fitted))


def fitted_folds(
    model: AbstractModel,
    dataset: Dataset,
    splits: Any = None,
    *,
    key: PRNGKey,
    progress: bool = True,
) -> Iterator[tuple[Int[np.ndarray, " m"], AbstractPosterior, Any]]:
    """The rows held out by each fold, the posterior without them and what it predicts.

    Arguments, errors and warnings are those of `cross_validate`.
    """
    if not np.all(dataset.mask):
        raise DataError("cross_validate splits plain rows; pass the dataset not padded")
    key_split, key_fit = jax.random.split(key)
    splitter = _default_splits(dataset, key_split) if splits is None else splits
    x, y = np.asarray(dataset.x), np.asarray(dataset.y)
    groups = None if dataset.groups is None else np.asarray(dataset.groups)
    with warnings.catch_warnings():
        # `LeakageWarning` says it better, and only where a group really is torn apart.
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        parts = list(splitter.split(x, y, groups))
    _warn_of_leakage(parts, dataset)
    keys = jax.random.split(key_fit, len(parts))
    bar = tqdm(parts, "folds", disable=None if progress else True)
    for number, (train, test) in enumerate(bar):
        try:
            posterior = model.fit(dataset.take(train), key=keys[number])
        except Exception as error:
            error.add_note(f"while fitting fold {number} of {len(parts)} (from 0)")
            raise
        held_out = dataset.take(test)
        known: dict[str, Any] = {"noise_variance": held_out.noise_variance}
        if posterior.uses_groups:
            known["groups"] = held_out.group_labels
        pred = posterior.predict(held_out.x, **known)
        yield np.asarray(test), posterior, pred


def _default_splits(dataset, key):
    from sklearn.model_selection import GroupKFold, KFold

    if dataset.groups is None:
        seed = int(jax.random.bits(key, dtype=jnp.uint32))
        num = min(_FOLDS, dataset.num_rows)
        return KFold(num, shuffle=True, random_state=seed)
    num = min(_FOLDS, len(np.unique(dataset.groups)))
    if num < 2:
        raise DataError(
            "all rows are of one group, so none can be held out whole; give `splits`"
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
            f"(first: group {dataset.group_names[leaking[0][0]]!r}), so the scores are "
            "those of new rows in known groups, not of a new group. Split by groups, "
            "with sklearn.model_selection.GroupKFold say, for the latter.",
            LeakageWarning,
            stacklevel=4,
        )


def _line(label, rows, scores):
    return [str(label), str(rows), *(f"{v:.4g}" for v in scores.values.values())]
