"""Steps between features and a model that learn from training rows alone.

A step is a specification; `fit` makes it a fitted step, which treats any table the same
way, row by row, so that nothing of a test row can reach another. Steps chain, carry the
variances of the features to first order, and go back by `inverse`.

Models standardise by themselves: these are for what else is wanted, such as a few
components in place of a thousand voltages.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._columns import resolve_columns
from battprob._errors import DataError
from battprob._typing import Array, Float
from battprob.features.propagation import derive
from battprob.features.table import FeatureTable


class Header(NamedTuple):
    """Names and units of the columns of a table."""

    names: tuple[str, ...]
    units: tuple[str, ...]


class AbstractFitted(eqx.Module):
    """A step that has seen its training rows.

    To write your own: hold the fields below and define `forward` and `backward`.
    """

    before: eqx.AbstractVar[Header]
    after: eqx.AbstractVar[Header]

    @abstractmethod
    def forward(self, row: Float[Array, " d"]) -> Float[Array, " k"]:
        """One row of features as the model sees it."""

    @abstractmethod
    def backward(self, row: Float[Array, " k"]) -> Float[Array, " d"]:
        """The features of a row that the model sees, or the nearest there are."""

    def apply(self, table: FeatureTable) -> FeatureTable:
        """The table as the model sees it, variances to first order.

        Raises:
            DataError: the columns are not those of the training table.
        """
        return _derived(table, self.before, self.forward, self.after)

    def inverse(self, table: FeatureTable) -> FeatureTable:
        """The features of a table that `apply` made.

        Raises:
            DataError: the columns are not those that `apply` makes.
        """
        return _derived(table, self.after, self.backward, self.before)


class AbstractStep(eqx.Module):
    """What is to be learned from training rows."""

    @abstractmethod
    def fit(self, table: FeatureTable) -> AbstractFitted:
        """Learn from the rows of `table`.

        Raises:
            DataError: a feature is missing, or the step does not fit the columns.
        """


class Standardise(AbstractStep):
    """Each column less its mean, over its standard deviation.

    A column that does not vary is only centred.

    Example:
        >>> table = FeatureTable(
        ...     [[1.0], [3.0]], names=["a"], units=["V"], rows=["u", "v"]
        ... )
        >>> Standardise().fit(table).apply(table).x[:, 0].tolist()
        [-1.0, 1.0]
    """

    def fit(self, table):
        mean, scale = _mean_and_scale(_complete(table))
        after = Header(table.names, ("",) * len(table.names))
        return FittedScaling(_header(table), after, mean, scale)


class Log10(AbstractStep):
    """Decimal logarithm of the named columns; the others stay as they are.

    Where a value is not above zero the answer is NaN or infinite, which
    `FeatureTable.to_dataset` refuses by name.
    """

    names: tuple[str, ...] = eqx.field(static=True, converter=tuple)

    def fit(self, table):
        columns = resolve_columns(self.names, table.names)
        names = [f"log10_{n}" if i in columns else n for i, n in enumerate(table.names)]
        units = [
            f"log10 {u}".strip() if i in columns else u
            for i, u in enumerate(table.units)
        ]
        return FittedLog10(_header(table), Header(tuple(names), tuple(units)), columns)


class PrincipalComponents(AbstractStep):
    """The directions in which standardised columns vary most, unit variance each.

    `inverse` gives the nearest features in the plane of the components. Errors of the
    columns are taken as independent, those of the components then are not quite.

    Args:
        num: how many components.
    """

    num: int = eqx.field(static=True)

    def fit(self, table):
        x = _complete(table)
        most = min(len(table.rows) - 1, len(table.names))
        if not 1 <= self.num <= most:
            raise DataError(
                f"{len(table.rows)} rows of {len(table.names)} columns have 1 to {most} "
                f"components; got num={self.num}"
            )
        mean, scale = _mean_and_scale(x)
        _, values, axes = jnp.linalg.svd(
            (x - mean[None]) / scale[None], full_matrices=False
        )
        spread = values[: self.num] / len(table.rows) ** 0.5
        if not bool(spread[-1] > 0):
            raise DataError(
                f"the rows vary in fewer than {self.num} directions; lower num"
            )
        names = tuple(f"component_{i + 1}" for i in range(self.num))
        after = Header(names, ("",) * self.num)
        return FittedComponents(
            _header(table), after, mean, scale, axes[: self.num], spread
        )


class Chain(AbstractStep):
    """Steps one after the other, each fitted to what the ones before it make.

    Example:
        >>> table = FeatureTable(
        ...     [[1.0, 10.0], [2.0, 100.0], [4.0, 1000.0]],
        ...     names=["a", "b"],
        ...     units=["V", "Hz"],
        ...     rows=["u", "v", "w"],
        ... )
        >>> chain = Chain([Log10(["b"]), Standardise()]).fit(table)
        >>> again = chain.inverse(chain.apply(table))
        >>> bool(jnp.allclose(again.x, table.x)), again.units
        (True, ('V', 'Hz'))
    """

    steps: tuple[AbstractStep, ...]

    def __init__(self, steps: Sequence[AbstractStep]):
        if not steps:
            raise DataError("a chain needs at least one step")
        self.steps = tuple(steps)

    def fit(self, table):
        fitted, seen = [], table
        for step in self.steps:
            fitted.append(step.fit(seen))
            seen = fitted[-1].apply(seen)
        return FittedChain(_header(table), _header(seen), tuple(fitted))


class FittedScaling(AbstractFitted):
    """Columns less a mean, over a scale."""

    before: Header = eqx.field(static=True)
    after: Header = eqx.field(static=True)
    mean: Float[Array, " d"]
    scale: Float[Array, " d"]

    def forward(self, row):
        return (row - self.mean) / self.scale

    def backward(self, row):
        return row * self.scale + self.mean


class FittedLog10(AbstractFitted):
    """Decimal logarithm of some columns."""

    before: Header = eqx.field(static=True)
    after: Header = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)

    def forward(self, row):
        columns = np.array(self.columns, int)
        return row.at[columns].set(jnp.log10(row[columns]))

    def backward(self, row):
        columns = np.array(self.columns, int)
        return row.at[columns].set(10.0 ** row[columns])


class FittedComponents(AbstractFitted):
    """Coordinates along a few axes of the standardised columns."""

    before: Header = eqx.field(static=True)
    after: Header = eqx.field(static=True)
    mean: Float[Array, " d"]
    scale: Float[Array, " d"]
    axes: Float[Array, "k d"]
    spread: Float[Array, " k"]

    def forward(self, row):
        return self.axes @ ((row - self.mean) / self.scale) / self.spread

    def backward(self, row):
        return (row * self.spread) @ self.axes * self.scale + self.mean


class FittedChain(AbstractFitted):
    """Fitted steps one after the other."""

    before: Header = eqx.field(static=True)
    after: Header = eqx.field(static=True)
    steps: tuple[AbstractFitted, ...]

    def forward(self, row):
        for step in self.steps:
            row = step.forward(row)
        return row

    def backward(self, row):
        for step in reversed(self.steps):
            row = step.backward(row)
        return row


def _complete(table):
    """The features, none of them missing."""
    bad = np.argwhere(~np.isfinite(np.asarray(table.x)))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            f"column {table.names[column]!r} is missing or infinite in row "
            f"{table.rows[row]!r}: leave it out before fitting"
        )
    return table.x


def _mean_and_scale(x):
    mean, scale = x.mean(axis=0), x.std(axis=0)
    still = scale <= 8 * jnp.finfo(x.dtype).eps * jnp.abs(mean)
    return mean, jnp.where(still, 1.0, scale)


def _header(table):
    return Header(table.names, table.units)


def _derived(table, expected, function, made):
    if table.names != expected.names:
        raise DataError(
            f"expected columns {list(expected.names)} in this order, got "
            f"{list(table.names)}"
        )
    return derive(table, function, names=made.names, units=made.units)
