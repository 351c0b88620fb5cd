"""What a record says of a cell's life and shape, and where that leaves them."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular

from battprob._typing import Array, Float
from battprob.trajectories._population import Population
from battprob.trajectories._records import Record
from battprob.trajectories._shape import Roughness, Shape, rough_covariance


class Setting(NamedTuple):
    """What was learned of curves: their shape, roughness, and the reference of life."""

    shape: Shape
    roughness: Roughness
    level: Float[Array, ""]
    typical: Float[Array, ""]
    window: Float[Array, ""]  # cycles at the start whose capacity is the unit
    white: Float[Array, ""]  # variance that the noise of a reading usually has

    def aged(self, record: Record) -> Record:
        """The record with its cycles in units of a typical life."""
        record = jax.tree.map(jnp.asarray, record)
        return record._replace(age=record.cycle / self.typical)


class Evidence(NamedTuple):
    """log p(readings | log life, x) = constant + hᵀx - xᵀHx/2."""

    matrix: Float[Array, "*b k k"]
    vector: Float[Array, "*b k"]
    constant: Float[Array, "*b"]


class Seen(NamedTuple):
    """A record, and the root of the covariance of its readings about the smooth curve."""

    record: Record
    root: Float[Array, "*b m m"]


class Nodes(NamedTuple):
    """Lives and shapes that a cell may have: several in each draw of the population."""

    log_life: Float[Array, "s p"]
    location: Float[Array, "s p k"]
    root: Float[Array, "s p k k"]  # of the precision


def seen(record: Record, roughness: Roughness) -> Seen:
    """The rough part runs on cycles, not on fractions of this cell's life.

    Were its variance to depend on the life, a record that is smoother or rougher than most
    would be taken for one of another life.
    """
    both = record.mask[:, None] & record.mask[None, :]
    age = record.age
    covariance = jnp.where(both, rough_covariance(roughness, age, age), 0.0)
    covariance = covariance + jnp.diag(jnp.where(record.mask, record.variance, 1.0))
    return Seen(record, jnp.linalg.cholesky(covariance))


def evidence(
    known: Seen, log_life: Float[Array, ""], shape: Shape, level: Float[Array, ""]
) -> Evidence:
    """What a record says of x if its life were this one."""
    record, root = known
    fraction = record.cycle / jnp.exp(log_life)
    mask = record.mask
    phi = jnp.where(mask[:, None], shape.departures(fraction), 0.0)
    y = jnp.where(mask, record.capacity - level - shape.middle(fraction), 0.0)
    whitened = solve_triangular(
        root, jnp.concatenate([phi, y[:, None]], axis=1), lower=True
    )
    phi, y = whitened[:, :-1], whitened[:, -1]
    size = jnp.sum(jnp.log(jnp.diagonal(root)))
    return Evidence(phi.T @ phi, phi.T @ y, -0.5 * (y @ y) - size)


@eqx.filter_jit
def nodes(
    setting: Setting,
    population: Population,
    record: Record,
    log_life: Float[Array, "s p"],
) -> Nodes:
    """The shape given a record, for each life in each draw of the population."""
    known = seen(record, setting.roughness)

    def one(mean, slope, precision, log_life):
        said = evidence(known, log_life, setting.shape, setting.level)
        root = jnp.linalg.cholesky(precision + said.matrix)
        mean = mean + slope * (log_life - population.log_life)
        location = cho_solve((root, True), precision @ mean + said.vector)
        return Nodes(log_life, location, root)

    precision = jnp.linalg.inv(population.covariance)
    each = jax.vmap(jax.vmap(one, (None, None, None, 0)))
    return each(population.mean, population.slope, precision, log_life)
