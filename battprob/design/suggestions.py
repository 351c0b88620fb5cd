"""`Suggestions`: points to test, with their predictions."""

import csv
import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from battprob._files.text import aligned
from battprob.predictive import Predictive


@dataclasses.dataclass(frozen=True, eq=False)
class Suggestions:
    """Tests that a campaign suggests, or the point that it recommends.

    Attributes:
        ids: number of each test in its campaign; 0 for a recommendation.
        points: points to test.
        target, unit: name and unit of the result.
        mean: predicted mean of each result; None for initial tests.
        aleatoric, epistemic: variance of the noise of one test, and variance of the
            predicted mean.
        value: value of the acquisition; in a batch, with the tests before it as pending.
    """

    ids: tuple[int, ...]
    points: tuple[dict[str, Any], ...]
    target: str = "target"
    unit: str = ""
    mean: np.ndarray | None = None
    aleatoric: np.ndarray | None = None
    epistemic: np.ndarray | None = None
    value: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Any) -> "Suggestions":
        """The tests at `index` (an integer, a slice or an array), in this order."""
        chosen = np.atleast_1d(np.arange(len(self))[index])
        columns = {
            name: None if (column := getattr(self, name)) is None else column[chosen]
            for name in ("mean", "aleatoric", "epistemic", "value")
        }
        return dataclasses.replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            points=tuple(self.points[i] for i in chosen),
            **columns,
        )

    def records(self) -> list[dict[str, Any]]:
        """One dictionary for each test; standard deviations in place of variances."""
        columns = {
            "mean": self.mean,
            "aleatoric_sd": None if self.aleatoric is None else self.aleatoric**0.5,
            "epistemic_sd": None if self.epistemic is None else self.epistemic**0.5,
            "value": self.value,
        }
        return [
            {"id": number, "point": dict(point)}
            | {name: _number(column, i) for name, column in columns.items()}
            for i, (number, point) in enumerate(zip(self.ids, self.points, strict=True))
        ]

    def write_csv(self, path: str | os.PathLike) -> None:
        """Write a table whose last column, for the results, is empty."""
        header = ["id", *self.points[0], _title(self.target, self.unit)]
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for number, point in zip(self.ids, self.points, strict=True):
                writer.writerow([number, *point.values(), ""])

    def __str__(self) -> str:
        """Table of the points and, if they come from a model, their predictions."""
        names = list(self.points[0])
        is_test = any(self.ids)
        header = ["test", *names] if is_test else names
        lines = [
            ([str(record["id"])] if is_test else [])
            + [_short(record["point"][name]) for name in names]
            for record in self.records()
        ]
        if self.mean is not None:
            header = [*header, _title(f"mean {self.target}", self.unit)]
            header += ["aleatoric sd", "epistemic sd"]
            # The value of a recommendation is its mean, with the sign of the search.
            header += ["acquisition"] if is_test else []
            for line, record in zip(lines, self.records(), strict=True):
                line.append(_short(record["mean"]))
                line.append(_short(record["aleatoric_sd"], digits=3))
                line.append(_short(record["epistemic_sd"], digits=3))
                if is_test:
                    line.append(_short(record["value"]))
        return "\n".join(aligned([header, *lines]))


def with_prediction(
    suggestions: Suggestions, pred: Predictive, values: Sequence[float]
) -> Suggestions:
    """Suggestions with the prediction and the acquisition value of each."""
    return dataclasses.replace(
        suggestions,
        mean=np.asarray(pred.mean),
        aleatoric=np.asarray(pred.aleatoric),
        epistemic=np.asarray(pred.epistemic),
        value=np.asarray(values, float),
    )


def _title(name, unit):
    return f"{name} ({unit})" if unit else name


def _number(column, index):
    """A number that JSON can hold; None for what is not finite."""
    if column is None or not math.isfinite(column[index]):
        return None
    return float(column[index])


def _short(value, digits=5):
    if value is None:
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
