"""`ParameterTable`: fitted parameters with standard deviations and units."""

import dataclasses

import numpy as np

from battprob._typing import Array, Bool, Float


@dataclasses.dataclass(frozen=True)
class ParameterTable:
    """Parameters of one spectrum, or of each of a batch (a leading axis on arrays).

    Attributes:
        names: names, in the order of the circuit.
        units: units of `value` and `sd`.
        value: posterior medians.
        sd: half the width of the central 68.3 % interval.
        correlation: correlation of the unconstrained parameters (logarithms, logits).
        identified: whether the data, and not the prior, determine each parameter.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    value: Float[Array, "*n p"]
    sd: Float[Array, "*n p"]
    correlation: Float[Array, "*n p p"]
    identified: Bool[Array, "*n p"]

    def __getitem__(self, name: str) -> Float[Array, "*n"]:
        """The value of one parameter."""
        return self.value[..., self.names.index(name)]

    def to_dict(self) -> dict[str, np.ndarray]:
        """Columns `R0`, `R0_sd`, `R0_identified`, ..., one entry for each spectrum."""
        columns = {}
        for i, name in enumerate(self.names):
            columns[name] = np.asarray(self.value[..., i])
            columns[f"{name}_sd"] = np.asarray(self.sd[..., i])
            columns[f"{name}_identified"] = np.asarray(self.identified[..., i])
        return columns

    def __str__(self):
        if self.value.ndim > 1:
            return f"{len(self.value)} spectra, parameters {', '.join(self.names)}"
        width = max(map(len, self.names))
        return "\n".join(
            f"{name:{width}}  {value:11.5g} ± {sd:<9.2g} {unit}".rstrip()
            if identified
            else f"{name:{width}}  not identified ({unit})".replace(" ()", "")
            for name, unit, value, sd, identified in zip(
                self.names,
                self.units,
                np.asarray(self.value),
                np.asarray(self.sd),
                np.asarray(self.identified),
                strict=True,
            )
        )
