"""Coefficients of a linear model as a table."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from battprob._files.text import aligned
from battprob._typing import Float


@dataclass(frozen=True, repr=False)
class Coefficients:
    """Posterior of the intercept and the slopes; printed, it is a table.

    Args:
        names: "intercept", then the features.
        units: of the features; a slope is per this unit.
        mean: posterior means.
        sd: posterior standard deviations.
        low: lower ends of 90 % intervals.
        high: upper ends.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    mean: Float[np.ndarray, " c"]
    sd: Float[np.ndarray, " c"]
    low: Float[np.ndarray, " c"]
    high: Float[np.ndarray, " c"]

    def __repr__(self) -> str:
        numbers = zip(self.mean, self.sd, self.low, self.high, strict=True)
        per = [f"1/{unit}" if unit else "" for unit in self.units]
        lines = [["coefficient", "", "mean", "sd", "5 %", "95 %"]]
        for name, unit, row in zip(self.names, per, numbers, strict=True):
            lines.append([name, unit, *(f"{value:.4g}" for value in row)])
        return "\n".join(aligned(lines))

    def to_dataframe(self) -> Any:
        """A pandas table, one row a coefficient.

        Raises:
            ModuleNotFoundError: pandas is not installed (`pip install 'battprob[data]'`).
        """
        import pandas as pd

        columns = {"mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="coefficient"))
