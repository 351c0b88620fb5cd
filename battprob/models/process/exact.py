"""Exact solution of a Gaussian process by one Cholesky factorisation per posterior draw."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.inference import MAP
from battprob.inference.base import AbstractInference
from battprob.inference.report import FitReport
from battprob.kernels.base import AbstractKernel
from battprob.models._gaussian import solve
from battprob.models._noise_level import head_covariance, noise_levels
from battprob.models._replicates import Sites, find_sites
from battprob.models._scaling import Rows, Scaling, prepare
from battprob.models.base import FunctionMoments, bound
from battprob.models.process._draws import draw_functions, root_of_rest, some_rows
from battprob.models.process._joint_density import (
    FINAL_TOLERANCE,
    integrated,
    log_joint,
    searched,
)
from battprob.models.process.solver import AbstractSolution, AbstractSolver, Prediction
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import choose_inducing_points, has_weights, split

_PILOT_ROWS = 128


class Exact(AbstractSolver):
    """The exact solution, by Cholesky factorisation.

    Rows with the same features are pooled, which changes nothing: the cost is the cube of
    the number of distinct rows. Takes every kernel, noise model and inference.
    """

    def require_supported(self, kernel, noise, inference):
        """Nothing is refused."""

    def fit(self, kernel, noise, rows, *, inference, key):
        inference = MAP() if inference is None else inference
        draws, data, report = _explore(inference, kernel, noise, rows, key)
        return _solution(draws, data), report


class ExactSolution(AbstractSolution):
    r"""Cholesky factor L of $A$ and $\alpha = A^{-1}y$ at the distinct rows, by draw."""

    kernel: AbstractKernel
    noise: AbstractNoise
    sites: Sites
    factor: Float[Array, "s u u"]
    alpha: Float[Array, "s u"]
    noise_covariance: Float[Array, "s q q"]
    log_evidences: Float[Array, " s"]

    def condition(self, rows, report):
        parameters, weights, constants = split(self.noise)
        latent = jax.tree.map(lambda leaf: leaf[0], eqx.combine(weights, constants))
        data = (rows, find_sites(rows), latent)
        return _solution((self.kernel, parameters), data), report

    def predict(self, x, known):
        draws = (self.kernel, self.noise, self.factor, self.alpha)
        return _predict((*draws, self.noise_covariance), self.sites, x, known)

    def reference(self, x):
        return x, _half_solves((self.kernel, self.factor), self.sites, x)

    def moments(self, x, reference):
        draws = (self.kernel, self.factor, self.alpha)
        return _moments(draws, self.sites, x, reference)

    def sample_functions(self, x, key, num):
        draws = (self.kernel, self.factor, self.alpha)
        return _sample_functions(draws, self.sites, x, key, num)


def fit_many(
    kernel: AbstractKernel,
    noise: AbstractNoise,
    inference: AbstractInference | None,
    datasets: Sequence[Dataset],
    *,
    key: PRNGKey,
) -> list[tuple[ExactSolution, Scaling, FitReport]]:
    """Solution, scaling and report of each dataset; see `GaussianProcess.fit_many`."""
    inference = MAP() if inference is None else inference
    if not isinstance(inference, MAP) or has_weights(noise):
        raise DataError(
            "fit_many takes models with inference=MAP() and without LatentGP noise: "
            "fit the datasets one by one"
        )
    names = sorted({data.feature_names for data in datasets})
    if len(names) != 1:
        raise DataError(f"fit_many needs datasets of the same features; got {names}")
    prepared = [prepare(dataset, noise) for dataset in datasets]
    kernel, noise = bound((kernel, noise), datasets[0])
    parameters, *rest = split(noise)
    latent = eqx.combine(*rest)
    longest = max(dataset.num_rows for dataset in datasets)
    data = [
        (*jax.tree.map(lambda leaf: _fitted_to(leaf, longest), columns), latent)
        for columns in ((rows, find_sites(rows)) for _, rows in prepared)
    ]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *data)
    modes, reports = inference.run_many(
        log_joint, (kernel, parameters), stacked, key=key
    )
    solved = _factorise_each(modes, stacked)
    # On the host: in JAX, each index of a dataset would be one more program.
    modes, solved = jax.tree.map(np.asarray, (modes, solved))
    return [
        (
            _assembled(
                jax.tree.map(lambda leaf: jnp.asarray(leaf[i][None]), modes),  # noqa: B023
                jax.tree.map(lambda leaf: jnp.asarray(leaf[i]), solved),  # noqa: B023
                data[i][1],
            ),
            scaling,
            reports[i],
        )
        for i, (scaling, _) in enumerate(prepared)
    ]


def mode_of_rows(
    kernel: AbstractKernel, noise: AbstractNoise, rows: Rows, key: PRNGKey
) -> tuple[AbstractKernel, AbstractNoise]:
    """Kernel and noise head at the mode for these rows, weights of the head at their mean."""
    draws, data, _ = _explore(MAP(), kernel, noise, rows, key)
    noise = _factorise(draws, data)[0]
    return jax.tree.map(lambda leaf: leaf[0], (draws[0], noise))


def _explore(inference, kernel, noise, rows, key):
    """Draws of the hyper-parameters, the data they are of, and a report."""
    sites = find_sites(rows)
    noise = choose_inducing_points(noise, np.asarray(sites.x)[np.asarray(sites.mask)])
    parameters, weights, constants = split(noise)
    latent = eqx.combine(weights, constants)
    draws, report = inference.run(
        log_joint,
        (kernel, parameters),
        (rows, sites, latent),
        key=key,
        pilot=_pilot(rows, latent, key),
        warm_started=searched if jax.tree.leaves(weights) else None,
    )
    return draws, (rows, sites, latent), report


def _pilot(rows, latent, key):
    """A random subset of the rows, to compare starting points; None for few rows."""
    some = some_rows(rows, _PILOT_ROWS, key)
    return None if some is None else (some, find_sites(some), latent)


def _fitted_to(leaf, length):
    """A padded column cut or padded to `length` entries."""
    leaf = np.asarray(leaf)[:length]
    return np.pad(leaf, [(0, length - len(leaf))] + [(0, 0)] * (leaf.ndim - 1))


def _solution(draws, data):
    return _assembled(draws, _factorise(draws, data), data[1])


def _assembled(draws, solved, sites):
    noise, factor, alpha, noise_covariance, log_evidences = solved
    return ExactSolution(
        kernel=draws[0],
        noise=noise,
        sites=jax.tree.map(jnp.asarray, sites),
        factor=factor,
        alpha=alpha,
        noise_covariance=noise_covariance,
        log_evidences=log_evidences,
    )


@eqx.filter_jit
def _factorise(draws, data):
    rows, sites, _ = data
    at_mode = len(jax.tree.leaves(draws)[0]) == 1

    def one(parameters):
        found, pooled, covariance = integrated(parameters, data, FINAL_TOLERANCE)
        density, (factor, alpha) = solve(pooled.y, covariance)
        evidence = density + pooled.log_rest + found.correction
        noise_covariance = head_covariance(
            found.noise,
            rows,
            sites,
            found.variance,
            factor,
            parameters_too=at_mode,
        )
        return found.noise, factor, alpha, noise_covariance, evidence

    # One draw at a time: the temporary matrices of one draw are in memory.
    return jax.lax.map(one, draws)


@eqx.filter_jit
def _factorise_each(modes, data):
    def one(own):
        mode, data = own
        return _factorise(jax.tree.map(lambda leaf: leaf[None], mode), data)

    return jax.lax.map(one, (modes, data))


def _cross(kernel, sites, x):
    """Covariance of training rows and `x`."""
    return jnp.where(sites.mask[:, None], kernel.gram(sites.x, x), 0.0)


def _function(kernel, sites, factor, alpha, x):
    """Mean of f at `x`, and V with Var f = k(x, x) - VᵀV."""
    cross = _cross(kernel, sites, x)
    v = jax.scipy.linalg.solve_triangular(factor, cross, lower=True)
    return alpha @ cross, v


@eqx.filter_jit
def _predict(draws, sites, x, known):
    def one(draw):
        kernel, noise, factor, alpha, covariance = draw
        mean, v = _function(kernel, sites, factor, alpha, x)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        noise_variance, weight = noise_levels(noise, covariance, x, known)
        mean, variance = (
            jnp.broadcast_to(a, noise_variance.shape) for a in (mean, variance)
        )
        return mean, noise_variance, variance, weight

    # Each draw is one function with several values of the noise variance.
    return Prediction(*(jnp.concatenate(a) for a in jax.lax.map(one, draws)))


@eqx.filter_jit
def _half_solves(draws, sites, points):
    """L⁻¹ k(X, r) by reference point [r s u]."""

    def one(draw):
        kernel, factor = draw
        cross = _cross(kernel, sites, points)
        return jax.scipy.linalg.solve_triangular(factor, cross, lower=True)

    return jnp.moveaxis(jax.lax.map(one, draws), 2, 0)


@eqx.filter_jit
def _moments(draws, sites, x, reference):
    points, solves = reference

    def one(draw):
        (kernel, factor, alpha), solve = draw
        mean, v = _function(kernel, sites, factor, alpha, x)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        # Half solves on both sides keep a joint covariance (r = x) symmetric.
        return mean, variance, kernel.gram(x, points) - v.T @ solve

    solves = jnp.moveaxis(solves, 0, 2)
    mean, variance, covariance = jax.lax.map(one, (draws, solves))
    return FunctionMoments(mean, variance, covariance, jnp.zeros_like(mean[:, 0]))


@eqx.filter_jit
def _sample_functions(draws, sites, x, key, num):
    def one(draw):
        kernel, factor, alpha = draw
        mean, v = _function(kernel, sites, factor, alpha, x)
        return mean, root_of_rest(kernel.gram(x, x), v)

    mean, root = jax.lax.map(one, draws)
    return draw_functions(mean, root, key, num)
