"""Likelihood and posterior of a cell's shape, given its record and its life."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular

from battprob._typing import Array, Float
from battprob.trajectories._population import PopulationDraws
from battprob.trajectories._records import Record
from battprob.trajectories._shape import Roughness, Shape, rough_covariance


class CurveModel(NamedTuple):
    """Model of capacity curves, estimated from a population.

    Attributes:
        shape: mean curve and deviations.
        roughness: hyper-parameters of the rough part.
        reference: fraction of the initial capacity at which a latent life ends.
        typical_life: geometric mean of the known lives, in cycles.
        window: number of first cycles whose median capacity is the unit.
        noise_variance: variance of the noise of one reading, median over cells.
    """

    shape: Shape
    roughness: Roughness
    reference: Float[Array, ""]
    typical_life: Float[Array, ""]
    window: Float[Array, ""]
    noise_variance: Float[Array, ""]

    def with_age(self, record: Record) -> Record:
        """The record with `age` in units of a typical life."""
        record = jax.tree.map(jnp.asarray, record)
        return record._replace(age=record.cycle / self.typical_life)


class ShapeLikelihood(NamedTuple):
    """log p(readings | log life, x) = constant + hᵀx - xᵀHx/2.

    Attributes:
        precision: H.
        information: h.
        constant: what does not depend on x.
    """

    precision: Float[Array, "*b k k"]
    information: Float[Array, "*b k"]
    constant: Float[Array, "*b"]


class FactoredRecord(NamedTuple):
    """A record, and the Cholesky factor of its covariance about the smooth curve."""

    record: Record
    cholesky: Float[Array, "*b m m"]


class ShapePosterior(NamedTuple):
    """Gaussian posterior of a cell's shape x, for several lives in each population draw.

    Attributes:
        log_life: the lives.
        mean: posterior mean of x for each life.
        cholesky_precision: Cholesky factor of the posterior precision of x.
    """

    log_life: Float[Array, "s p"]
    mean: Float[Array, "s p k"]
    cholesky_precision: Float[Array, "s p k k"]


def factor(record: Record, roughness: Roughness) -> FactoredRecord:
    """Factor the covariance of the readings: rough part and noise.

    The rough part is a function of cycles, not of the fraction of this cell's life. If
    its variance depended on the life, a record that is smoother or rougher than most
    would change the estimate of the life.
    """
    both = record.mask[:, None] & record.mask[None, :]
    covariance = rough_covariance(roughness, record.age, record.age)
    covariance = jnp.where(both, covariance, 0.0)
    # Padded rows have unit variance and no covariance: the factor exists.
    covariance = covariance + jnp.diag(jnp.where(record.mask, record.variance, 1.0))
    return FactoredRecord(record, jnp.linalg.cholesky(covariance))


def shape_likelihood(
    factored: FactoredRecord,
    log_life: Float[Array, ""],
    shape: Shape,
    reference: Float[Array, ""],
) -> ShapeLikelihood:
    """Likelihood of x for one record and one life; padded rows contribute nothing."""
    record, cholesky = factored
    tau = record.cycle / jnp.exp(log_life)
    mask = record.mask
    phi = jnp.where(mask[:, None], shape.deviations(tau), 0.0)
    y = jnp.where(mask, record.fraction - reference - shape.mean_curve(tau), 0.0)
    whitened = solve_triangular(
        cholesky, jnp.concatenate([phi, y[:, None]], axis=1), lower=True
    )
    phi, y = whitened[:, :-1], whitened[:, -1]
    half_log_det = jnp.sum(jnp.log(jnp.diagonal(cholesky)))
    return ShapeLikelihood(phi.T @ phi, phi.T @ y, -0.5 * (y @ y) - half_log_det)


@eqx.filter_jit
def shape_posterior(
    curve_model: CurveModel,
    population: PopulationDraws,
    record: Record,
    log_life: Float[Array, "s p"],
) -> ShapePosterior:
    """Posterior of the shape given a record, for each life in each population draw."""
    factored = factor(record, curve_model.roughness)

    def one(mean, slope, precision, log_life):
        likelihood = shape_likelihood(
            factored, log_life, curve_model.shape, curve_model.reference
        )
        cholesky = jnp.linalg.cholesky(precision + likelihood.precision)
        mean = mean + slope * (log_life - population.log_life)
        mean = cho_solve((cholesky, True), precision @ mean + likelihood.information)
        return ShapePosterior(log_life, mean, cholesky)

    precision = jnp.linalg.inv(population.covariance)
    each = jax.vmap(jax.vmap(one, (None, None, None, 0)))
    return each(population.mean, population.slope, precision, log_life)
