"""`Suggestions`: tests to run, and why."""

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
    """Tests that a campaign asks for, or the point that it recommends.

    Attributes:
        ids: number of each test in its campaign.
        points: what to test.
        target, unit: what is measured, and in which unit.
        mean: what is expected of each; None for tests spread over the space.
        aleatoric, epistemic: variance of a test's own noise, and of what is not known of
            the target's mean there.
        value: of the acquisition; in a batch, given the tests before.
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

    def take(self, places: Any) -> "Suggestions":
        """Those at `reference_points`, in that order: of tests that end one by one."""
        chosen = np.arange(len(self))[places]
        chosen = np.atleast_1d(chosen)
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
        """One dictionary a test, of plain numbers."""
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
        """A table to fill in: the column of the target is empty."""
        header = ["id", *self.points[0], _title(self.target, self.unit)]
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for number, point in zip(self.ids, self.points, strict=True):
                writer.writerow([number, *point.values(), ""])

    def __str__(self) -> str:
        """A table: the points, and where they come from a model, why."""
        names = list(self.points[0])
        numbered = ["test"] if any(self.ids) else []  # a recommendation is no test
        why = []
        if self.mean is not None:
            why = [_title("mean", self.unit), "± aleatoric", "± epistemic", "value"]
        lines = [[*numbered, *names, *why]]
        for record in self.records():
            line = [str(record["id"])] if numbered else []
            line += [_short(record["point"][name]) for name in names]
            if why:
                spread = [record["aleatoric_sd"], record["epistemic_sd"]]
                line.append(_short(record["mean"]))
                line += [_short(sd, digits=3) for sd in spread]
                line.append(_short(record["value"]))
            lines.append(line)
        return "\n".join(aligned(lines))


def explained(
    suggestions: Suggestions, pred: Predictive, values: Sequence[float]
) -> Suggestions:
    """Suggestions with what is expected of each, and its value."""
    return dataclasses.replace(
        suggestions,
        mean=np.asarray(pred.mean),
        aleatoric=np.asarray(pred.aleatoric),
        epistemic=np.asarray(pred.epistemic),
        value=np.asarray(values, float),
    )


def _title(target, unit):
    return f"{target} ({unit})" if unit else target


def _number(column, place):
    """A number that JSON knows."""
    if column is None or not math.isfinite(column[place]):
        return None
    return float(column[place])


def _short(value, digits=5):
    if value is None:
        return ""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
