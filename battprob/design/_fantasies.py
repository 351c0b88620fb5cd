"""Fantasies: joint draws at some rows, and the posterior conditioned on them.

Let r be the function at rows P (or the noisy outcomes there), drawn from the posterior:
r = m(P) + L z, with C = L Lᵀ the covariance of r and z standard normal. Given the draw,

    E[f(x) | r] = m(x) + c(x, P) α,   Var[f(x) | r] = v(x) - c(x, P) C⁻¹ c(P, x)

with α = L⁻ᵀ z. The variance depends on the rows only, not on the values drawn. The
hyper-parameters stay as they are: nothing is fitted.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular

from battprob._padding import bucket, pad_rows
from battprob._random import generator
from battprob._typing import Array, ArrayLike, Bool, Float, Int, PRNGKey
from battprob.design._posterior_view import (
    AbstractPosteriorView,
    as_rows,
    expected_noise_variance,
    for_prediction,
    require_function_moments,
)
from battprob.models.base import FunctionMoments, ReferencePoints
from battprob.predictive import Predictive


class Fantasies(NamedTuple):
    """Joint draws at rows: z draws for each draw s of the posterior.

    Attributes:
        points: reference points of the rows, padded.
        mask: which of the points are rows, not padding.
        factor: Cholesky factor L of the covariance of what is drawn.
        alpha: L⁻ᵀ z.
        function: mean of the function at the points given each draw; without noise, the
            draw itself.
    """

    points: "ReferencePoints | ConditionedPoints"
    mask: Bool[Array, " r"]
    factor: Float[Array, "s r r"]
    alpha: Float[Array, "s z r"]
    function: Float[Array, "s z r"]

    def best(self) -> Float[Array, "s z"]:
        """Largest value of the function at the points, in each draw."""
        return jnp.where(self.mask[None, None], self.function, -jnp.inf).max(-1)


class ConditionedPoints(NamedTuple):
    """Reference points of a conditioned posterior.

    Attributes:
        unconditioned: reference points of the posterior before conditioning.
        weights: C⁻¹ c(P, a) for each of the points a.
    """

    unconditioned: Any
    weights: Float[Array, "s r a"]

    @property
    def rows(self) -> Float[Array, "a d"]:
        """Reference points in the units of the data set."""
        return self.unconditioned.rows

    def joined(self, other: "ConditionedPoints") -> "ConditionedPoints":
        """These reference points, then those of `other`."""
        return ConditionedPoints(
            self.unconditioned.joined(other.unconditioned),
            jnp.concatenate([self.weights, other.weights], axis=2),
        )


class ConditionedPosterior(AbstractPosteriorView):
    """A posterior conditioned on fantasies: a mixture over all of their draws.

    Its draws are the pairs (posterior draw s, fantasy z), s in the outer loop.
    """

    posterior: Any
    fantasies: Fantasies

    @property
    def dataset(self):
        return self.posterior.dataset

    @property
    def scaling(self):
        return self.posterior.scaling

    @property
    def function_draws(self):
        num_draws, num_fantasies, _ = self.fantasies.alpha.shape
        return jnp.arange(num_draws * num_fantasies)

    def reference_points(self, rows):
        points, fantasies = self.posterior.reference_points(rows), self.fantasies
        if len(rows) == 0:
            return ConditionedPoints(points, fantasies.factor[:, :, :0])
        cross = self.posterior.function_moments(rows, fantasies.points).covariance
        masked = jnp.where(fantasies.mask[None, None], cross, 0.0)
        inverse = jax.vmap(lambda factor, c: cho_solve((factor, True), c.T))
        return ConditionedPoints(points, inverse(fantasies.factor, masked))

    def function_moments(self, x, reference):
        fantasies = self.fantasies
        if not isinstance(reference, ConditionedPoints):
            reference = self.reference_points(reference)
        points = fantasies.points.joined(reference.unconditioned)
        prior = self.posterior.function_moments(x, points)
        cross, covariance = jnp.split(prior.covariance, [len(fantasies.mask)], axis=2)
        cross = jnp.where(fantasies.mask[None, None], cross, 0.0)
        mean = prior.mean[:, None] + jnp.einsum("smr,szr->szm", cross, fantasies.alpha)
        explained = jnp.sum(_solve(fantasies.factor, cross) ** 2, axis=1)
        # Rounding may take the difference below zero where the explained part is all.
        variance = jnp.maximum(prior.variance - explained, 0.0)
        covariance = covariance - jnp.einsum("smr,sra->sma", cross, reference.weights)
        num = fantasies.alpha.shape[1]
        return FunctionMoments(
            mean.reshape(-1, len(x)),
            jnp.repeat(variance, num, axis=0),
            jnp.repeat(covariance, num, axis=0),
            jnp.repeat(prior.log_weight, num) - np.log(num),
        )

    def predict(self, x):
        moments = self.function_moments(x, x[:0])
        noise = jnp.broadcast_to(
            expected_noise_variance(self.posterior, x)[None, None],
            moments.mean[:, None].shape,
        )
        weight = moments.log_weight[:, None, None]
        return Predictive(
            moments.mean[:, None], noise, moments.variance[:, None], weight
        )


def condition_on(posterior: Any, fantasies: Fantasies | None) -> Any:
    """The posterior conditioned on fantasies; the posterior itself if there are none.

    Args:
        posterior: posterior with joint moments of its function.
        fantasies: of `draw_fantasies` or `mean_fantasies`.
    """
    return (
        posterior if fantasies is None else ConditionedPosterior(posterior, fantasies)
    )


def draw_fantasies(
    posterior: Any,
    pending: ArrayLike | None,
    *,
    key: PRNGKey,
    num: int,
    noisy: bool = True,
) -> Fantasies | None:
    """`num` quasi-random joint draws at pending tests; None if no test is pending.

    Args:
        posterior: posterior with joint moments of its function.
        pending: rows [p d] of tests without a result, in the units of the data set.
        key: PRNG key.
        num: number of draws for each posterior draw; best a power of two.
        noisy: draw outcomes of the tests. If False, draw the noise-free function.

    Raises:
        DataError: the posterior has no joint moments.
    """
    if pending is None or np.size(pending) == 0:
        return None
    return _draws(posterior, pending, lambda size: sobol(key, num, size), noisy=noisy)


def mean_fantasies(posterior: Any, pending: ArrayLike | None) -> Fantasies | None:
    """Pending tests whose outcomes equal their expected values; None if there are none.

    Conditioning on them reduces the variance of the posterior as the tests will, and
    leaves its mean unchanged. Use them where only variances matter.

    Args:
        posterior: posterior with joint moments of its function.
        pending: rows [p d] of tests without a result, in the units of the data set.

    Raises:
        DataError: the posterior has no joint moments.
    """
    if pending is None or np.size(pending) == 0:
        return None
    return _draws(posterior, pending, lambda size: np.zeros((1, size)), noisy=True)


def sample_function(
    posterior: Any, rows: ArrayLike, *, key: PRNGKey, num: int
) -> Fantasies:
    """`num` quasi-random joint draws of the noise-free function at `rows`."""
    return _draws(posterior, rows, lambda size: sobol(key, num, size), noisy=False)


def sample_draw_index(
    posterior: Any, fantasies: Fantasies, *, key: PRNGKey, shape: tuple[int, ...] = ()
) -> Int[Array, "..."]:
    """Random indices of posterior draws, with the probability of each its weight."""
    row = fantasies.points.rows[:1]
    log_weight = for_prediction(posterior).function_moments(row, row).log_weight
    return jax.random.categorical(key, log_weight, shape=shape)


def prepare_points(
    posterior: Any, rows: ArrayLike, fantasies: Fantasies | None
) -> tuple[Any, Float[Array, "s r"]]:
    """Reference points of the conditioned posterior, and its mean there by draw."""
    dtype = posterior.scaling.x_mean.dtype
    rows = jnp.asarray(as_rows(rows), dtype)
    return _prepare_points(for_prediction(posterior), rows, fantasies)


@eqx.filter_jit
def _prepare_points(posterior, rows, fantasies):
    conditioned = condition_on(posterior, fantasies)
    moments = conditioned.function_moments(rows, rows[:0])
    return conditioned.reference_points(rows), moments.mean


def _draws(posterior, rows, base_samples, *, noisy):
    """Fantasies at padded rows; `base_samples(size)` are standard normal [num size]."""
    require_function_moments(posterior, "conditioning on pending tests")
    rows = jnp.asarray(as_rows(rows), posterior.scaling.x_mean.dtype)
    mask = jnp.asarray(np.arange(bucket(len(rows))) < len(rows))
    padded = pad_rows(rows, len(mask))
    normals = jnp.asarray(base_samples(len(mask)), padded.dtype)
    return _fantasies(for_prediction(posterior), padded, mask, normals, noisy)


@eqx.filter_jit
def _fantasies(posterior, rows, mask, normals, noisy):
    moments = posterior.function_moments(rows, rows)
    noise = (
        expected_noise_variance(posterior, rows)
        if noisy
        else jnp.zeros_like(rows[:, 0])
    )
    # A posterior covariance is a difference: its rounding errors are those of the prior
    # variance, which is of the order of the squared scale of the target.
    rounding = 8 * len(mask) * jnp.finfo(rows.dtype).eps * posterior.scaling.y_scale**2
    both = mask[:, None] & mask[None, :]

    def condition(mean, covariance):
        covariance = jnp.where(both, covariance, 0.0)
        # Padding rows get any positive variance: they are independent and masked.
        diagonal = jnp.where(mask, noise + rounding, posterior.scaling.y_scale**2)
        factor = jnp.linalg.cholesky(covariance + jnp.diag(diagonal))
        alpha = solve_triangular(factor, normals.T, lower=True, trans=1).T
        alpha = jnp.where(mask[None], alpha, 0.0)
        return factor, alpha, mean[None] + alpha @ covariance

    # One posterior draw at a time: all at once would need their memory together.
    moments_by_draw = (moments.mean, moments.covariance)
    drawn = jax.lax.map(lambda draw: condition(*draw), moments_by_draw)
    return Fantasies(posterior.reference_points(rows), mask, *drawn)


def _solve(factor, cross):
    """L⁻¹ cᵀ for each posterior draw."""
    return jax.vmap(lambda f, c: solve_triangular(f, c.T, lower=True))(factor, cross)


def sobol(key: PRNGKey, num: int, size: int) -> Float[np.ndarray, "num size"]:
    """Scrambled Sobol points, mapped to standard normal numbers."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    rng = generator(key)
    # Only a power of two of Sobol points is balanced.
    points = qmc.Sobol(size, rng=rng).random(1 << max(num - 1, 0).bit_length())
    # Two sequences with other scrambles are correlated point by point; a random order
    # makes them independent.
    uniform = rng.permutation(points)[:num]
    return ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
