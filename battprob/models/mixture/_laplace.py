"""Laplace's approximation of the hyper-parameters of a mixture, around the mode of EM."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from battprob._numerics.linear_algebra import cholesky_solve
from battprob._parameters import ravel_parameters
from battprob._typing import Array, Float, PRNGKey
from battprob.inference.laplace import gaussian_draws
from battprob.models.mixture._bound import elbo
from battprob.models.mixture._parameters import MixtureData, MixtureParameters

# Each draw of a process costs a factorisation of all rows.
_NUM_DRAWS, _NUM_DRAWS_OF_PROCESSES = 32, 8


def standard_normals(
    parameters: MixtureParameters, num_features: int, key: PRNGKey
) -> Float[Array, "h p"]:
    """Standard normal numbers for half of the draws, one row for each.

    A row has one number for each hyper-parameter, then one for each common slope of linear
    experts. Fits with different numbers of protocols, and `condition`, use the same numbers,
    so that their results do not differ by the random numbers.
    """
    num = _NUM_DRAWS_OF_PROCESSES if parameters.is_process else _NUM_DRAWS
    flat, _ = ravel_parameters(parameters)
    return jax.random.normal(key, (num // 2, flat.size + num_features), flat.dtype)


def laplace_draws(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
    normals: Float[Array, "h p"],
) -> tuple[MixtureParameters, Float[Array, ""]]:
    """Draws of the hyper-parameters given responsibilities, and the log evidence.

    The evidence is that of one order of the protocols. In all draws kernels are at their
    mode, as in a `GaussianProcess`.

    Args:
        parameters: the mode.
        data: rows and known protocols.
        responsibilities: of the protocols for these rows.
        normals: from `standard_normals`.
    """
    mode = jax.tree.map(lambda leaf: leaf[None], parameters)
    half = normals[:, : ravel_parameters(parameters)[0].size]
    density_data = (data, responsibilities)
    draws, log_evidence = gaussian_draws(_unrolled_elbo, mode, density_data, half)
    if parameters.is_process:
        draws = _with_kernels(draws, parameters)
    else:
        draws = _with_common_slopes(draws, density_data, normals)
    return draws, log_evidence


def _unrolled_elbo(parameters, data):
    return elbo(parameters, data, unrolled=True)


@eqx.filter_jit
def _with_common_slopes(draws, data, normals):
    """Draws with common slopes drawn given the other hyper-parameters of each draw.

    The bound is quadratic in the common slopes z, so that their distribution is
    N(H⁻¹g, H⁻¹) with the gradient g and the Hessian -H at z = 0. The draws of the Gaussian
    approximation would have slopes that fit the scales of the mode only.
    """

    def slopes(parameters):
        return parameters.expert.hierarchy.z_slopes

    def one_draw(arguments):
        draw, normal = arguments

        def density(z):
            return elbo(eqx.tree_at(slopes, draw, z), data)

        origin = jnp.zeros_like(normal)
        precision = -jax.hessian(density)(origin)
        factor = jnp.linalg.cholesky(precision)
        mean = cholesky_solve(factor, jax.grad(density)(origin))
        step = solve_triangular(factor, normal, lower=True, trans=1)
        return eqx.tree_at(slopes, draw, mean + step)

    half = normals[:, -slopes(draws).shape[1] :]
    return jax.lax.map(one_draw, (draws, jnp.concatenate([half, -half])))


def _with_kernels(draws, mode):
    """Draws with the kernels of the mode."""

    def kernels(parameters):
        trees = [parameters.expert.kernel]
        if parameters.deviations is not None:
            trees.append(parameters.deviations.kernel)
        return trees

    fixed = jax.tree.map(
        lambda leaf, drawn: jnp.broadcast_to(leaf, drawn.shape),
        kernels(mode),
        kernels(draws),
    )
    return eqx.tree_at(kernels, draws, fixed)
