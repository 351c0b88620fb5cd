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
from battprob.models._noise_uncertainty import (
    noise_parameter_covariance,
    noise_variance_nodes,
)
from battprob.models._replicates import DistinctRows, find_distinct
from battprob.models._scaling import Rows, Scaling, prepare
from battprob.models.base import FunctionMoments, bound
from battprob.models.process._draws import (
    draw_functions,
    posterior_root,
    random_subset,
)
from battprob.models.process._joint_density import (
    FINAL_TOLERANCE,
    integrate_noise,
    log_joint,
    warm_started_log_joint,
)
from battprob.models.process.solver import AbstractSolution, AbstractSolver, Prediction
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import choose_inducing_points, has_weights, split

_PILOT_ROWS = 128  # rows on which starting points are compared


class Exact(AbstractSolver):
    """The exact solution, by Cholesky factorisation.

    Rows with the same features are pooled without approximation, so that the cost is the
    cube of the number of distinct rows. Every kernel, noise model and inference is
    supported.
    """

    def require_supported(self, kernel, noise, inference):
        """Every combination is supported."""

    def fit(self, kernel, noise, rows, *, inference, key):
        inference = MAP() if inference is None else inference
        draws, data, report = _explore(inference, kernel, noise, rows, key)
        return _solution(draws, data), report


class ExactSolution(AbstractSolution):
    r"""Cholesky factor L of $A$ and $\alpha = A^{-1}y$ at the distinct rows, by draw."""

    kernel: AbstractKernel
    noise: AbstractNoise
    distinct: DistinctRows
    factor: Float[Array, "s u u"]
    alpha: Float[Array, "s u"]
    noise_covariance: Float[Array, "s q q"]
    log_evidences: Float[Array, " s"]

    def condition(self, rows, report):
        parameters, weights, constants = split(self.noise)
        latent = jax.tree.map(lambda leaf: leaf[0], eqx.combine(weights, constants))
        data = (rows, find_distinct(rows), latent)
        return _solution((self.kernel, parameters), data), report

    def predict(self, x, known):
        draws = (self.kernel, self.noise, self.factor, self.alpha)
        return _predict((*draws, self.noise_covariance), self.distinct, x, known)

    def reference(self, x):
        return x, _half_solves((self.kernel, self.factor), self.distinct, x)

    def moments(self, x, reference):
        draws = (self.kernel, self.factor, self.alpha)
        return _moments(draws, self.distinct, x, reference)

    def sample_functions(self, x, key, num):
        draws = (self.kernel, self.factor, self.alpha)
        return _sample_functions(draws, self.distinct, x, key, num)


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
        raise DataError(
            f"fit_many needs datasets of the same features; got {names}: fit each kind "
            "of dataset by itself"
        )
    prepared = [prepare(dataset, noise) for dataset in datasets]
    kernel, noise = bound((kernel, noise), datasets[0])
    parameters, *rest = split(noise)
    latent = eqx.combine(*rest)
    longest = max(dataset.num_rows for dataset in datasets)
    data = [
        (*jax.tree.map(lambda leaf: _with_length(leaf, longest), columns), latent)
        for columns in ((rows, find_distinct(rows)) for _, rows in prepared)
    ]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *data)
    modes, reports = inference.run_many(
        log_joint, (kernel, parameters), stacked, key=key
    )
    factorised = _factorise_each(modes, stacked)
    # On the host: indexing JAX arrays would compile a program for each dataset.
    modes, factorised = jax.tree.map(np.asarray, (modes, factorised))
    return [
        (
            _assemble(
                jax.tree.map(lambda leaf: jnp.asarray(leaf[i][None]), modes),  # noqa: B023
                jax.tree.map(lambda leaf: jnp.asarray(leaf[i]), factorised),  # noqa: B023
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
    """Kernel and noise at the posterior mode, with the weights of the noise at their mean."""
    draws, data, _ = _explore(MAP(), kernel, noise, rows, key)
    noise = _factorise(draws, data)[0]
    return jax.tree.map(lambda leaf: leaf[0], (draws[0], noise))


def _explore(inference, kernel, noise, rows, key):
    """Draws of the hyper-parameters, the data of their density, and a report."""
    distinct = find_distinct(rows)
    x = np.asarray(distinct.x)[np.asarray(distinct.mask)]
    noise = choose_inducing_points(noise, x)
    parameters, weights, constants = split(noise)
    latent = eqx.combine(weights, constants)
    # Newton's method for the weights is the costly part: only with weights is a warm
    # start of use.
    draws, report = inference.run(
        log_joint,
        (kernel, parameters),
        (rows, distinct, latent),
        key=key,
        pilot=_pilot(rows, latent, key),
        warm_started=warm_started_log_joint if jax.tree.leaves(weights) else None,
    )
    return draws, (rows, distinct, latent), report


def _pilot(rows, latent, key):
    """Data of a random subset of the rows; None for few rows."""
    subset = random_subset(rows, _PILOT_ROWS, key)
    return None if subset is None else (subset, find_distinct(subset), latent)


def _with_length(leaf, length):
    """A padded column, cut or padded further to `length` entries."""
    leaf = np.asarray(leaf)[:length]
    return np.pad(leaf, [(0, length - len(leaf))] + [(0, 0)] * (leaf.ndim - 1))


def _solution(draws, data):
    return _assemble(draws, _factorise(draws, data), data[1])


def _assemble(draws, factorised, distinct):
    noise, factor, alpha, noise_covariance, log_evidences = factorised
    return ExactSolution(
        kernel=draws[0],
        noise=noise,
        distinct=jax.tree.map(jnp.asarray, distinct),
        factor=factor,
        alpha=alpha,
        noise_covariance=noise_covariance,
        log_evidences=log_evidences,
    )


@eqx.filter_jit
def _factorise(draws, data):
    """Noise model, L, α, covariance of the noise parameters, and evidence, by draw."""
    rows, distinct, _ = data
    # The draws themselves represent the uncertainty of the parameters, if there are any.
    at_mode = len(jax.tree.leaves(draws)[0]) == 1

    def one_draw(parameters):
        integrated, pooled, covariance = integrate_noise(
            parameters, data, FINAL_TOLERANCE
        )
        density, (factor, alpha) = solve(pooled.y, covariance)
        evidence = density + pooled.log_factor + integrated.correction
        uncertainty = noise_parameter_covariance(
            integrated.noise,
            rows,
            distinct,
            integrated.variance,
            factor,
            include_parameters=at_mode,
        )
        return integrated.noise, factor, alpha, uncertainty, evidence

    # `map` and not `vmap`: only the temporary matrices of one draw are in memory.
    return jax.lax.map(one_draw, draws)


@eqx.filter_jit
def _factorise_each(modes, data):
    def one_dataset(inputs):
        mode, data = inputs
        return _factorise(jax.tree.map(lambda leaf: leaf[None], mode), data)

    return jax.lax.map(one_dataset, (modes, data))


def _cross(kernel, distinct, x):
    """Covariance of f at the training rows and at `x`."""
    return jnp.where(distinct.mask[:, None], kernel.gram(distinct.x, x), 0.0)


def _function(kernel, distinct, factor, alpha, x):
    """Mean of f at `x`, and V = L⁻¹k(X, x), so that Var f = k(x, x) - VᵀV."""
    cross = _cross(kernel, distinct, x)
    v = jax.scipy.linalg.solve_triangular(factor, cross, lower=True)
    return alpha @ cross, v


@eqx.filter_jit
def _predict(draws, distinct, x, known):
    def one_draw(draw):
        kernel, noise, factor, alpha, covariance = draw
        mean, v = _function(kernel, distinct, factor, alpha, x)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        nodes, weight = noise_variance_nodes(noise, covariance, x, known)
        mean, variance = (jnp.broadcast_to(a, nodes.shape) for a in (mean, variance))
        return mean, nodes, variance, weight

    # The nodes of a draw are predictions with one function and several noise variances.
    return Prediction(*(jnp.concatenate(a) for a in jax.lax.map(one_draw, draws)))


@eqx.filter_jit
def _half_solves(draws, distinct, points):
    """L⁻¹ k(X, r) by reference point [r s u]."""

    def one_draw(draw):
        kernel, factor = draw
        cross = _cross(kernel, distinct, points)
        return jax.scipy.linalg.solve_triangular(factor, cross, lower=True)

    return jnp.moveaxis(jax.lax.map(one_draw, draws), 2, 0)


@eqx.filter_jit
def _moments(draws, distinct, x, reference):
    points, half_solves = reference

    def one_draw(inputs):
        (kernel, factor, alpha), half_solve = inputs
        mean, v = _function(kernel, distinct, factor, alpha, x)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        # Half solves on both sides keep a joint covariance (r = x) symmetric.
        return mean, variance, kernel.gram(x, points) - v.T @ half_solve

    half_solves = jnp.moveaxis(half_solves, 0, 2)
    mean, variance, covariance = jax.lax.map(one_draw, (draws, half_solves))
    return FunctionMoments(mean, variance, covariance, jnp.zeros_like(mean[:, 0]))


@eqx.filter_jit
def _sample_functions(draws, distinct, x, key, num):
    def one_draw(draw):
        kernel, factor, alpha = draw
        mean, v = _function(kernel, distinct, factor, alpha, x)
        return mean, posterior_root(kernel.gram(x, x), v)

    mean, root = jax.lax.map(one_draw, draws)
    return draw_functions(mean, root, key, num)
