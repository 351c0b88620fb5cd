"""`report`: cross-validates several models on the same folds and prints one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob._files.text import aligned
from battprob._typing import PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate._stacking_weights import cross_validated_weights
from battprob.evaluate.crossval import CrossValidation, cross_validate_each
from battprob.evaluate.scores import compare
from battprob.models.base import AbstractModel

_FEW_GROUPS = 10
_SHOWN = {
    "nlpd": ("rmse", "mape", "crps", "nlpd", "coverage", "sharpness"),
    "log_loss": ("log_loss", "brier", "auroc", "auprc", "accuracy", "f1"),
}


@dataclass(frozen=True, repr=False)
class Report:
    """Scores of several models on the same held-out rows; its `repr` is a table.

    Args:
        results: out-of-fold predictions by name of the model.
        weights: stacking weight by name of the model.
        notes: remarks on how reliable the scores and their differences are.
    """

    results: dict[str, CrossValidation]
    weights: dict[str, float]
    notes: tuple[str, ...]

    @property
    def best(self) -> str:
        """Name of the model with the largest stacking weight."""
        return max(self.weights, key=lambda name: self.weights[name])

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the scores in the table; `results[name].scores` has all scores."""
        return _SHOWN[_main_score(next(iter(self.results.values())).scores)]

    def rows(self) -> list[list[str]]:
        """The table as text: a line of titles, one of units, and one per model."""
        all_scores = {name: result.scores for name, result in self.results.items()}
        first, shown = next(iter(all_scores.values())), self.shown
        lines = [["model", *shown, "stacking"]]
        lines += [["", *(first.units[column] for column in shown), "weight"]]
        for name, scores in all_scores.items():
            numbers = [
                f"{scores[column]:.4g} ± {scores.errors[column]:.2g}"
                for column in shown
            ]
            lines += [[name, *numbers, f"{self.weights[name]:.2f}"]]
        return lines

    def __repr__(self) -> str:
        return "\n".join([*aligned(self.rows()), *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Scores, standard errors and out-of-fold predictions as types of JSON."""
        return {
            "best": self.best,
            "notes": list(self.notes),
            "models": {
                name: _record(result) | {"stacking_weight": self.weights[name]}
                for name, result in self.results.items()
            },
        }


def report(
    models: Mapping[str, AbstractModel],
    dataset: Dataset,
    *,
    key: PRNGKey,
    splits: Any = None,
    progress: bool = True,
) -> Report:
    """Cross-validate all models on the same folds and compare them.

    Args:
        models: models to fit, by name.
        dataset: rows to split.
        key: PRNG key for the splits and fits, the same for all models.
        splits: a scikit-learn splitter; default as for `cross_validate`.
        progress: whether to show a progress bar on terminals.

    Returns:
        The results; `print` shows their table, and
        `battprob.plots.write_report(report, folder)` writes it as HTML, PNG and JSON.

    Raises:
        DataError: `models` is empty.
        FitError: a fit failed.

    Example:
        >>> import jax
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + 0.1 * np.cos(40 * x), target_unit="%")
        >>> result = report({"linear": BayesianLinear()}, data, key=jax.random.key(0))
        >>> result.best, result.rows()[0][:2]
        ('linear', ['model', 'rmse'])
    """
    if not models:
        raise DataError('report needs one or more models, {"name": model}; got none')
    results = cross_validate_each(
        models, dataset, key=key, splits=splits, progress=progress
    )
    weights = np.asarray(cross_validated_weights(results)).tolist()
    by_name = dict(zip(results, weights, strict=True))
    return Report(results, by_name, tuple(_notes(results)))


def _main_score(scores):
    return "nlpd" if "nlpd" in scores.values else "log_loss"


def _notes(results):
    scores = {name: result.scores for name, result in results.items()}
    first = next(iter(scores.values()))
    name = _main_score(first)
    grouped = next(iter(results.values())).dataset.groups is not None
    num, rows = first.num_groups, len(first.targets)
    yield f"{rows} held-out targets" + (f" in {num} groups" if grouped else "") + "."
    if num < _FEW_GROUPS:
        yield f"Standard errors from only {num} groups are themselves uncertain."
    if "majority_rate" in first.values:
        yield from _majority_notes(scores)
    order = sorted(scores, key=lambda model: scores[model][name])
    if len(order) > 1:
        best, next_best = order[:2]
        p = compare(scores[best], scores[next_best]).p_values[name]
        if p < 0.05:
            yield f"The {name} of {best} is better than that of {next_best} (p = {p:.2g})."
        else:
            yield (
                f"The {name} of {best} is not significantly better than that of "
                f"{next_best} (p = {p:.2g})."
            )


def _majority_notes(scores):
    """Notes on accuracy, which is high for any model if one outcome is rare."""
    rate = next(iter(scores.values()))["majority_rate"]
    yield f"Always predicting the more frequent outcome has an accuracy of {rate:.1%}."
    not_better = [
        name
        for name, table in scores.items()
        if table["accuracy"] - table["majority_rate"] <= 2 * table.errors["accuracy"]
    ]
    if not_better:
        names = ", ".join(not_better)
        yield f"Accuracy not significantly better than that: {names}. Use log_loss."


def _record(result):
    scores, columns = result.scores, result.columns
    predictions = {name: column.tolist() for name, column in columns.items()}
    return {
        "scores": scores.to_dict(),
        "errors": scores.errors,
        "units": scores.units,
        "predictions": predictions | {"row": result.scored_rows.tolist()},
    }
