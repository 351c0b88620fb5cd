"""`summary`: every score of a set of predictions at once, with its unit."""

from dataclasses import dataclass

import jax.numpy as jnp

from battprob._typing import Array, ArrayLike
from battprob.evaluate import metrics
from battprob.predictive import Predictive


@dataclass(frozen=True, repr=False)
class Scores:
    """Named scores with their units; printed, it is a table.

    Args:
        values: score by name.
        units: unit by name.

    Example:
        >>> Scores({"mae": 31.0, "r2": 0.5}, {"mae": "cycles", "r2": ""})["mae"]
        31.0
    """

    values: dict[str, float]
    units: dict[str, str]

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __repr__(self) -> str:
        return "\n".join(
            f"{name:<15}{value:>10.4g}  {self.units[name]}".rstrip()
            for name, value in self.values.items()
        )

    def to_dict(self) -> dict[str, float]:
        """Score by name, for a row of a table or a JSON file."""
        return dict(self.values)


def summary(
    pred: Predictive, y: ArrayLike, *, level: float = 0.9, unit: str = ""
) -> Scores:
    r"""Average the metrics of `battprob.evaluate` over all targets.

    | name | meaning |
    |---|---|
    | `mae`, `rmse`, `mape` | error of the mean: absolute, root mean square, per cent |
    | `r2` | $1 - \sum (y-\mu)^2 / \sum (y-\bar y)^2$; NaN if all y are equal |
    | `nlpd`, `crps`, `interval_score` | proper scores of the distribution |
    | `coverage`, `sharpness` | share of y inside the interval, and its mean width |

    Args:
        pred: predictions of the targets.
        y: targets, in their own unit.
        level: probability of the interval behind the last three, between 0 and 1.
        unit: unit of y, for the table.

    Raises:
        DataError: `y` has another shape than `pred`, or is not finite, or lies outside
            the domain of its transform.
        ValueError: `level` is not a probability.

    Example:
        >>> import numpy as np
        >>> mean = np.array([500.0, 800.0, 900.0])
        >>> pred = Predictive.gaussian(mean, aleatoric=900.0, epistemic=1600.0)
        >>> summary(pred, np.array([530.0, 810.0, 850.0]), unit="cycles")["mae"]
        30.0
    """
    return averaged(per_target(pred, y, level), level, unit)


def per_target(pred: Predictive, y: ArrayLike, level: float) -> dict[str, Array]:
    """The columns that `averaged` averages, one entry a target."""
    return {
        "target": metrics.targets(pred, y),
        "absolute_error": metrics.absolute_error(pred, y),
        "squared_error": metrics.squared_error(pred, y),
        "percentage_error": metrics.percentage_error(pred, y),
        "nlpd": metrics.nlpd(pred, y),
        "crps": metrics.crps(pred, y),
        "interval_score": metrics.interval_score(pred, y, level),
        "covered": metrics.covered(pred, y, level),
        "interval_width": metrics.interval_width(pred, level),
    }


def averaged(columns: dict[str, Array], level: float, unit: str) -> Scores:
    """Scores of the targets in `columns`, which may come from several predictions."""
    mean = {name: column.mean() for name, column in columns.items()}
    spread = columns["target"].var()
    explained = 1 - mean["squared_error"] / spread
    table = {
        "mae": (mean["absolute_error"], unit),
        "rmse": (jnp.sqrt(mean["squared_error"]), unit),
        "mape": (mean["percentage_error"], "%"),
        "r2": (jnp.where(spread > 0, explained, jnp.nan), ""),
        "nlpd": (mean["nlpd"], "nats"),
        "crps": (mean["crps"], unit),
        "interval_score": (mean["interval_score"], unit),
        "coverage": (mean["covered"], f"of {level:g} intended"),
        "sharpness": (mean["interval_width"], unit),
    }
    values = {name: float(value) for name, (value, _) in table.items()}
    return Scores(values, {name: text for name, (_, text) in table.items()})
