"""Table of the coefficients of a linear model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from battprob._files.text import aligned
from battprob._typing import Float


@dataclass(frozen=True, repr=False)
class Coefficients:
    """Posterior of the intercept and the slopes; `print` shows a table.

    Args:
        names: "intercept", then the names of the features.
        units: units of the features, empty for the intercept; a slope is per unit.
        mean: posterior means.
        sd: posterior standard deviations.
        low: lower ends of the 90 % credible intervals.
        high: upper ends of the 90 % credible intervals.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    mean: Float[np.ndarray, " c"]
    sd: Float[np.ndarray, " c"]
    low: Float[np.ndarray, " c"]
    high: Float[np.ndarray, " c"]

    def __repr__(self) -> str:
        numbers = zip(self.mean, self.sd, self.low, self.high, strict=True)
        inverse_units = [f"1/{unit}" if unit else "" for unit in self.units]
        lines = [["coefficient", "", "mean", "sd", "5 %", "95 %"]]
        for name, unit, row in zip(self.names, inverse_units, numbers, strict=True):
            lines.append([name, unit, *(f"{value:.4g}" for value in row)])
        return "\n".join(aligned(lines))

    def to_dataframe(self) -> Any:
        """A pandas table with one row for each coefficient.

        Raises:
            ModuleNotFoundError: pandas is not installed (`pip install 'battprob[data]'`).
        """
        import pandas as pd

        columns = {"mean": self.mean, "sd": self.sd, "low": self.low, "high": self.high}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="coefficient"))
