"""`report`: several models on the same folds, in one table with its standard errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from battprob._errors import DataError
from battprob._files.text import aligned
from battprob._typing import PRNGKey
from battprob.dataset import Dataset
from battprob.evaluate._stacking_weights import stacking_weights
from battprob.evaluate.crossval import CrossValidation, cross_validate
from battprob.evaluate.scores import compare
from battprob.models.base import AbstractModel

_FEW_GROUPS = 10
_SHOWN = {
    "nlpd": ("rmse", "mape", "crps", "nlpd", "coverage", "sharpness"),
    "log_loss": ("log_loss", "brier", "auroc", "auprc", "accuracy", "f1"),
}


@dataclass(frozen=True, repr=False)
class Report:
    """Scores of several models on the same held-out rows; printed, it is a table.

    Args:
        results: out-of-fold predictions by name of the model.
        weights: stacking weight by name.
        notes: what a reader should know before believing the table.
    """

    results: dict[str, CrossValidation]
    weights: dict[str, float]
    notes: tuple[str, ...]

    @property
    def best(self) -> str:
        """The model with the largest share of the stacked predictive density."""
        return max(self.weights, key=lambda name: self.weights[name])

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the scores in the table; `results[name].scores` has the others."""
        return _SHOWN[_density(next(iter(self.results.values())).scores.values)]

    def rows(self) -> list[list[str]]:
        """The table as text: a line of titles, one of units, one a model."""
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
        """Scores, errors and out-of-fold predictions, ready for JSON."""
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
    splits: Any = None,
    key: PRNGKey | None = None,
    *,
    progress: bool = True,
) -> Report:
    """Cross-validate every model on the same folds and compare them.

    Args:
        models: what to fit, by name.
        dataset: rows to split.
        splits: a scikit-learn splitter; default as for `cross_validate`.
        key: for splits and fits, the same for all models. Required.
        progress: show a bar on terminals.

    Returns:
        The table; `battprob.plots.write_report(report, folder)` keeps it as HTML, PNG
        and JSON.

    Raises:
        DataError: there is no model, or no key.
        FitError: a fit failed.

    Example:
        >>> import jax
        >>> from battprob.models import BayesianLinear
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + 0.1 * np.cos(40 * x), target_unit="%")
        >>> found = report({"line": BayesianLinear()}, data, key=jax.random.key(0))
        >>> found.best, found.rows()[0][:2]
        ('line', ['model', 'rmse'])
    """
    if not models or key is None:
        raise DataError("report needs models by name, and key=jax.random.key(...)")
    results = {
        name: cross_validate(model, dataset, splits, key=key, progress=progress)
        for name, model in models.items()
    }
    densities = np.stack([_log_density(result) for result in results.values()], axis=1)
    weights = dict(
        zip(results, np.asarray(stacking_weights(densities)).tolist(), strict=True)
    )
    return Report(results, weights, tuple(_notes(results)))


def _density(columns):
    return "nlpd" if "nlpd" in columns else "log_loss"


def _log_density(result):
    columns = result.columns
    return -columns[_density(columns)]


def _notes(results):
    scores = {name: result.scores for name, result in results.items()}
    first = next(iter(scores.values()))
    name = _density(first.values)
    grouped = next(iter(results.values())).dataset.groups is not None
    num, rows = first.num_groups, len(first.targets)
    yield f"{rows} held-out targets" + (f" in {num} groups" if grouped else "") + "."
    if num < _FEW_GROUPS:
        yield f"Standard errors from {num} groups are themselves uncertain."
    if "majority_rate" in first.values:
        yield from _majority_notes(scores)
    order = sorted(scores, key=lambda model: scores[model][name])
    if len(order) > 1:
        best, next_best = order[:2]
        p = compare(scores[best], scores[next_best]).p_values[name]
        told = "is better than" if p < 0.05 else "is not shown to be better than"
        yield f"By {name}, {best} {told} {next_best} (p = {p:.2g})."


def _majority_notes(scores):
    """Accuracy sounds high where outcomes are nearly all alike."""
    first = next(iter(scores.values()))
    yield f"Always saying the commoner outcome is right {first['majority_rate']:.1%}."
    idle = [
        name
        for name, own in scores.items()
        if own["accuracy"] - own["majority_rate"] <= 2 * own.errors["accuracy"]
    ]
    if idle:
        told = ", ".join(idle)
        yield f"Accuracy is not shown to be better than that: {told}. Look at log_loss."


def _record(result):
    scores, columns = result.scores, result.columns
    predictions = {name: column.tolist() for name, column in columns.items()}
    return {
        "scores": scores.to_dict(),
        "errors": scores.errors,
        "units": scores.units,
        "predictions": predictions | {"row": result.scored_rows.tolist()},
    }
