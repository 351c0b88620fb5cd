"""Natural-gradient updates over all rows, with one batch in memory at a time."""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._typing import Array, Float
from battprob.models._noise_uncertainty import (
    covariance_from_information,
    flatten_noise,
    variance_and_log_gradient,
)
from battprob.models._scaling import Rows
from battprob.models.process._variational_bound import (
    Hyperparameters,
    NaturalParameters,
    VariationalPosterior,
    batch_bound,
    likelihood_parameters,
)
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights, split

_INITIAL_BATCHES = 16
_FIXED_PRECISION = 1e8  # of weights that are treated as known


class OptimalPosterior(NamedTuple):
    """The optimal q given the hyper-parameters, its bound, and the noise's uncertainty."""

    posterior: VariationalPosterior
    bound: Float[Array, ""]
    noise_covariance: Float[Array, "q q"]


def initial_posterior(
    hyper: Hyperparameters, fixed: AbstractNoise, batches: Rows
) -> VariationalPosterior:
    """q(v) from the first batches, with the weights of the noise at those of `fixed`."""
    size, dtype = len(hyper.inducing_points), hyper.inducing_points.dtype
    # Without weights the vector is float32 in any precision.
    weights = ravel_pytree(split(fixed)[1])[0].astype(dtype)
    known = NaturalParameters(
        _FIXED_PRECISION * jnp.eye(len(weights), dtype=dtype),
        _FIXED_PRECISION * weights,
    )
    start = VariationalPosterior(NaturalParameters.standard(size, dtype), known)
    first = jax.tree.map(lambda column: column[:_INITIAL_BATCHES], batches)
    scale = len(batches.y) / len(first.y)
    return optimal_posterior(hyper, fixed, start, first, 1, scale).posterior


@eqx.filter_jit
def optimal_posterior(
    hyper: Hyperparameters,
    fixed: AbstractNoise,
    start: VariationalPosterior,
    batches: Rows,
    num_passes: int,
    scale: float = 1.0,
) -> OptimalPosterior:
    """The optimal q by full updates of q(v) and q(u) in alternation.

    Args:
        hyper: kernel, parameters of the noise, inducing points.
        fixed: weights of the noise model (only their shapes matter) and its constants.
        start: initial q.
        batches: `[batches batch_size ...]`.
        num_passes: number of updates of each; without weights, one update of q(v) is
            exact.
        scale: weight of each row.
    """
    noise = eqx.combine(hyper.noise, fixed)

    def sum_over_batches(of_batch, moments):
        """Sum of `of_batch(moments, rows)`, one batch in memory at a time."""

        def add(sums, rows):
            return jax.tree.map(jnp.add, sums, of_batch(moments, rows)), None

        first = jax.tree.map(lambda column: column[0], batches)
        shapes = jax.eval_shape(of_batch, moments, first)
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return jax.lax.scan(add, zero, batches)[0]

    def likelihood(moments, rows):
        terms = batch_bound(hyper, fixed, moments, rows)[1]
        mean = moments[1].mean
        return likelihood_parameters(terms, rows, mean, scale, exact_curvature=True)

    def update(count, posterior):
        rows = sum_over_batches(likelihood, posterior.moments())
        updated = posterior.update(rows, 1.0)
        # q(v) first and last: it is optimal for the final noise. A single loop over both
        # kinds of updates compiles the pass over the batches once.
        of_function = partial(jnp.where, count % 2 == 0)
        return VariationalPosterior(
            jax.tree.map(of_function, updated.function, posterior.function),
            jax.tree.map(of_function, posterior.weights, updated.weights),
        )

    num_updates = 2 * num_passes + 1 if has_weights(noise) else 1
    posterior = jax.lax.fori_loop(0, num_updates, update, start)
    moments = posterior.moments()

    def bound_and_information(moments, rows):
        bound, terms = batch_bound(hyper, fixed, moments, rows)
        return bound, _noise_information(noise, terms, rows)

    bound, information = sum_over_batches(bound_and_information, moments)
    bound = bound - moments[0].divergence() - moments[1].divergence()
    covariance = covariance_from_information(
        noise, information, include_parameters=True
    )
    return OptimalPosterior(posterior, bound, covariance)


def _noise_information(noise, terms, rows):
    """Information of the rows about parameters and weights; see `_noise_uncertainty`.

    It neglects correlations between rows. Each row counts with the fraction of its
    information that is not used for f.
    """
    flat, _, to_noise = flatten_noise(noise)
    gradient = variance_and_log_gradient(to_noise, flat, rows.x, rows.known)[1]
    fraction = 1 - terms.precision * terms.function_variance
    weight = jnp.where(rows.mask, fraction, 0.0) ** 2
    return 0.5 * gradient.T @ (weight[:, None] * gradient)
