"""Tests still running, and joint draws of the function: conditioning without a refit.

Given the function at places P (or noisy outcomes there), drawn from the posterior itself,

    E[f(x) | draw] = m(x) + c(x, P) α,   Var[f(x) | draw] = v(x) - c(x, P) C⁻¹ c(P, x)

with C the covariance of what is drawn, C = LLᵀ, draw = m(P) + L z and α = L⁻ᵀ z. The
variance depends on where is tested only, not on what comes out.
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
    AbstractBelief,
    as_rows,
    lean,
    noise_variance,
    require_gaussian,
)
from battprob.models.base import FunctionMoments, ReferencePoints
from battprob.predictive import Predictive


class Given(NamedTuple):
    """Draws, for every draw s of the posterior z common ones, at padded places."""

    places: ReferencePoints
    mask: Bool[Array, " r"]
    factor: Float[Array, "s r r"]
    alpha: Float[Array, "s z r"]
    function: Float[Array, "s z r"]

    def best(self) -> Float[Array, "s z"]:
        """Largest value of the function at the places, in every draw."""
        return jnp.where(self.mask[None, None], self.function, -jnp.inf).max(-1)


class AfterPlaces(NamedTuple):
    """ReferencePoints of a posterior, and C⁻¹ c(P, r): how far what is drawn speaks there."""

    own: Any
    weights: Float[Array, "s r a"]


class AfterTests(AbstractBelief):
    """A posterior given draws: a mixture over all of them, draws of s outermost."""

    posterior: Any
    given: Given

    @property
    def dataset(self):
        return self.posterior.dataset

    @property
    def scaling(self):
        return self.posterior.scaling

    def reference_points(self, rows):
        own, given = self.posterior.reference_points(rows), self.given
        if len(rows) == 0:
            return AfterPlaces(own, given.factor[:, :, :0])
        cross = self.posterior.function_moments(rows, given.places).covariance
        masked = jnp.where(given.mask[None, None], cross, 0.0)
        inverse = jax.vmap(lambda factor, c: cho_solve((factor, True), c.T))
        return AfterPlaces(own, inverse(given.factor, masked))

    def function_moments(self, x, at):
        given = self.given
        own, weights = at if isinstance(at, AfterPlaces) else self.reference_points(at)
        prior = self.posterior.function_moments(x, given.places.joined(own))
        cross, covariance = jnp.split(prior.covariance, [len(given.mask)], axis=2)
        cross = jnp.where(given.mask[None, None], cross, 0.0)
        mean = prior.mean[:, None] + jnp.einsum("smr,szr->szm", cross, given.alpha)
        taken = jnp.sum(_solve(given.factor, cross) ** 2, axis=1)
        variance = jnp.maximum(prior.variance - taken, 0.0)
        covariance = covariance - jnp.einsum("smr,sra->sma", cross, weights)
        num = given.alpha.shape[1]
        return FunctionMoments(
            mean.reshape(-1, len(x)),
            jnp.repeat(variance, num, axis=0),
            jnp.repeat(covariance, num, axis=0),
            jnp.repeat(prior.log_weight, num) - np.log(num),
        )

    def predict(self, x):
        moments = self.function_moments(x, x[:0])
        noise = jnp.broadcast_to(
            noise_variance(self.posterior, x)[None, None], moments.mean[:, None].shape
        )
        weight = moments.log_weight[:, None, None]
        return Predictive(
            moments.mean[:, None], noise, moments.variance[:, None], weight
        )


def after(posterior: Any, given: Given | None) -> Any:
    """The posterior given draws, or as it is."""
    return posterior if given is None else AfterTests(posterior, given)


def ready(
    posterior: Any, rows: ArrayLike, given: Given | None
) -> tuple[Any, Float[Array, "s r"]]:
    """Rows made ready to be compared with many others, and the means there by draw."""
    dtype = posterior.scaling.x_mean.dtype
    return _ready(lean(posterior), jnp.asarray(as_rows(rows), dtype), given)


@eqx.filter_jit
def _ready(posterior, rows, given):
    belief = after(posterior, given)
    return belief.reference_points(rows), belief.function_moments(rows, rows[:0]).mean


def draw_function(
    posterior: Any, places: ArrayLike, *, key: PRNGKey, num: int
) -> Given:
    """`num` quasi-random joint draws of the noise-free function."""
    return _drawn(posterior, places, lambda size: sobol(key, num, size), noisy=False)


def choose_draws(
    posterior: Any, given: Given, *, key: PRNGKey, shape: tuple[int, ...] = ()
) -> Int[Array, "..."]:
    """Draws of the posterior, as often as their weights say."""
    row = given.places.rows[:1]
    log_weight = lean(posterior).function_moments(row, row).log_weight
    return jax.random.categorical(key, log_weight, shape=shape)


def draw_running(
    posterior: Any, pending: ArrayLike | None, *, key: PRNGKey, num: int
) -> Given | None:
    """Joint draws of the function at tests still running; None where none are."""
    if pending is None or np.size(pending) == 0:
        return None
    return draw_function(posterior, pending, key=key, num=num)


def draw_tests(
    posterior: Any, pending: ArrayLike | None, *, key: PRNGKey, num: int
) -> Given | None:
    """Joint draws of what tests still running may come out at; None where none are."""
    if pending is None or np.size(pending) == 0:
        return None
    return _drawn(posterior, pending, lambda size: sobol(key, num, size), noisy=True)


def run_tests(posterior: Any, pending: ArrayLike | None) -> Given | None:
    """Tests still running, as if they had come out as expected; None where none are.

    Of use where variances alone matter, which depend on no outcome.
    """
    if pending is None or np.size(pending) == 0:
        return None
    return _drawn(posterior, pending, lambda size: np.zeros((1, size)), noisy=True)


def _drawn(posterior, places, normals, *, noisy):
    """Draws at padded places, made of as many normal numbers."""
    require_gaussian(posterior, "conditioning on tests that are still running")
    rows = jnp.asarray(as_rows(places), posterior.scaling.x_mean.dtype)
    mask = jnp.asarray(np.arange(bucket(len(rows))) < len(rows))
    padded = pad_rows(rows, len(mask))
    numbers = jnp.asarray(normals(len(mask)), padded.dtype)
    return _given(lean(posterior), padded, mask, numbers, noisy)


@eqx.filter_jit
def _given(posterior, places, mask, normals, noisy):
    moments = posterior.function_moments(places, places)
    noise = noise_variance(posterior, places) if noisy else jnp.zeros_like(places[:, 0])
    size, dtype = len(mask), places.dtype
    # A difference: it has the rounding errors of the variance before the data.
    rounding = 8 * size * jnp.finfo(dtype).eps * posterior.scaling.y_scale**2
    both = mask[:, None] & mask[None, :]

    def one(mean, covariance):
        covariance = jnp.where(both, covariance, 0.0)
        diagonal = jnp.where(mask, noise + rounding, posterior.scaling.y_scale**2)
        factor = jnp.linalg.cholesky(covariance + jnp.diag(diagonal))
        alpha = solve_triangular(factor, normals.T, lower=True, trans=1).T
        alpha = jnp.where(mask[None], alpha, 0.0)
        return factor, alpha, mean[None] + alpha @ covariance

    drawn = jax.lax.map(lambda own: one(*own), (moments.mean, moments.covariance))
    return Given(posterior.reference_points(places), mask, *drawn)


def _solve(factor, cross):
    """L⁻¹ cᵀ by draw."""
    return jax.vmap(lambda f, c: solve_triangular(f, c.T, lower=True))(factor, cross)


def sobol(key: PRNGKey, num: int, size: int) -> Float[np.ndarray, "num size"]:
    """Scrambled Sobol points as standard normal numbers [num size]; num a power of two."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    rng = generator(key)
    # In an order of their own: point by point, two sequences depend on each other.
    uniform = rng.permutation(qmc.Sobol(size, rng=rng).random(num))
    return ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
