r"""The population of fading cells: a mixture of neighbourhoods of the cells that were seen.

Cell i has θ_i = (log life, x): where on the cycle axis its fade lies, and its shape. A new
cell is like one of those seen, more or less:

    θ ~ Σ_j w_j N(a θ_j + (1 - a) μ, (1 - a²) Σ / λ),    λ ~ Gamma(ν/2, ν/2)

a = 0 is one Gaussian, or with λ Student's t, with which no cell is out of the question; as
a goes to 1 each cell has its own neighbourhood, as where protocols make clusters. Mean and
covariance are the same for all a. What is not known of the population are draws: weights w
from the Bayesian bootstrap, (μ, Σ) from the normal-inverse-Wishart posterior, and a by how
well the others foretell each cell.

References:
    Rubin, Annals of Statistics 9 (1981) 130, doi:10.1214/aos/1176345338 (bootstrap);
    Gelman et al., Bayesian Data Analysis (3rd ed., 2013), section 3.6 (inverse Wishart);
    West, J. R. Stat. Soc. B 55 (1993) 409 (neighbourhoods drawn in towards the mean).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from jax.scipy.special import logsumexp

from battprob._typing import Array, Float, PRNGKey
from battprob.models._fade_records import Record
from battprob.models._fade_shape import Roughness, Shape, rough_covariance

FREEDOM = 6.0  # ν: of 100 cells one lies beyond three standard deviations, or two
_LIKENESS = np.array([0.0, 0.3, 0.5, 0.65, 0.8, 0.9, 0.95])


class Population(NamedTuple):
    """Draws of what is not known of the population."""

    log_weight: Float[Array, "*s n"]
    centre: Float[Array, "*s n p"]
    covariance: Float[Array, "*s p p"]


class Evidence(NamedTuple):
    """log p(readings | log life, x) = constant + hᵀx - xᵀHx/2."""

    matrix: Float[Array, "*b k k"]
    vector: Float[Array, "*b k"]
    constant: Float[Array, "*b"]


class Seen(NamedTuple):
    """A record, and the root of the covariance of its readings about the smooth curve."""

    record: Record
    root: Float[Array, "*b m m"]


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
def sample(theta: Float[Array, "n p"], key: PRNGKey, *, num: int) -> Population:
    """`num` draws of the population of cells that are like these."""
    keys = jax.random.split(key, num)
    return jax.vmap(lambda key: _draw(theta, key))(keys)


@eqx.filter_jit
def sample_each(
    theta: Float[Array, "n p"], imputed: Float[Array, "s m p"], key: PRNGKey
) -> Population:
    """A draw of the population for every imputation of the cells that are not known."""

    def one(imputed, key):
        return _draw(jnp.concatenate([theta, imputed]), key)

    return jax.vmap(one)(imputed, jax.random.split(key, len(imputed)))


def _draw(theta, key):
    key_like, key_weight, key_mean, key_spread = jax.random.split(key, 4)
    like = jnp.asarray(_LIKENESS)[
        jax.random.categorical(key_like, _log_evidence(theta))
    ]
    num, size = theta.shape
    mean, spread, freedom = _moments(theta)
    covariance, half = _inverse_wishart(spread, freedom, key_spread)
    mean = mean + half @ jax.random.normal(key_mean, (size,)) / np.sqrt(num)
    weight = jax.random.exponential(key_weight, (num,))
    centre = like * theta + (1 - like) * mean[None]
    return Population(
        jnp.log(weight / weight.sum()), centre, (1 - like**2) * covariance
    )


def _moments(theta):
    num, size = theta.shape
    mean = theta.mean(0)
    apart = theta - mean[None]
    scatter = apart.T @ apart
    own = jnp.diag(jnp.diagonal(scatter)) / (num - 1)
    # As if three cells more had told the variances, and nothing of correlations.
    prior = 3.0
    return mean, scatter + prior * own, num + prior + size - 2


def _inverse_wishart(spread, freedom, key):
    key_chi, key_normal = jax.random.split(key)
    size = len(spread)
    chi = 2 * jax.random.gamma(key_chi, 0.5 * (freedom - np.arange(size, dtype=float)))
    normal = jnp.tril(jax.random.normal(key_normal, (size, size)), -1)
    bartlett = normal + jnp.diag(jnp.sqrt(chi))
    root = jnp.linalg.cholesky(spread)
    half = solve_triangular(bartlett, root.T, lower=True).T
    return half @ half.T, half


def _log_evidence(theta):
    """How well the other cells foretell each one, for each likeness."""
    num, size = theta.shape
    mean, spread, freedom = _moments(theta)
    root = jnp.linalg.cholesky(spread / freedom)

    def one(like):
        centre = like * theta + (1 - like) * mean[None]
        apart = (theta[:, None] - centre[None]).reshape(-1, size)
        away = solve_triangular(root, apart.T, lower=True)
        scale = 1 - like**2
        square = jnp.sum(away**2, axis=0).reshape(num, num) / scale
        log_t = -0.5 * (FREEDOM + size) * jnp.log1p(square / FREEDOM)
        log_t = log_t - 0.5 * size * jnp.log(scale)
        log_t = jnp.where(jnp.eye(num, dtype=bool), -jnp.inf, log_t)
        return jnp.sum(logsumexp(log_t, axis=1))

    return jax.vmap(one)(jnp.asarray(_LIKENESS))


def inverse(matrix: Float[Array, "k k"]) -> Float[Array, "k k"]:
    """Inverse of a positive definite matrix."""
    root = jnp.linalg.cholesky(matrix)
    return cho_solve((root, True), jnp.eye(len(matrix)))
