"""Solution of a Gaussian process by conjugate gradients, without storing its covariance."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from battprob._errors import DataError, FitError
from battprob._numerics.linear_algebra import default_jitter
from battprob._padding import pad_rows
from battprob._random import generator
from battprob._typing import Array, Float, PRNGKey
from battprob.inference import MAP
from battprob.inference.report import FitReport, stopwatch
from battprob.kernels.base import AbstractKernel
from battprob.models._noise_uncertainty import (
    covariance_from_information,
    flatten_noise,
    noise_variance_nodes,
    variance_and_log_gradient,
)
from battprob.models._scaling import Rows
from battprob.models.base import FunctionMoments
from battprob.models.process._draws import (
    draw_functions,
    posterior_root,
    random_subset,
)
from battprob.models.process._kernel_products import (
    Preconditioner,
    conjugate_gradients,
)
from battprob.models.process._lanczos_evidence import (
    Evidence,
    TrainingData,
    covariance_product,
    estimate_evidence,
    log_evidence,
)
from battprob.models.process._stochastic_gradient import (
    on_one_device,
    replicate,
    shard_rows,
)
from battprob.models.process.exact import mode_of_rows
from battprob.models.process.solver import (
    AbstractSolution,
    AbstractSolver,
    Prediction,
    refuse_inference,
)
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights

_CHUNK_ROWS = 64  # new rows at a time, each a right side of one linear system


class ConjugateGradients(AbstractSolver):
    r"""The exact solution for tens of thousands of rows, from products with K alone.

    Linear systems are solved by preconditioned conjugate gradients over blocks of rows.
    Memory grows with the number of rows and time with its square. The evidence is
    estimated (its log-determinant by Lanczos iterations with random probe vectors);
    `report.message` gives its standard error and the residual of the linear systems.

    The hyper-parameters are those of the exact process of `num_pilot` random rows,
    optionally improved on all rows. Every noise model except `LatentGP` is supported.

    Args:
        num_pilot: random rows whose exact process finds the hyper-parameters.
        max_steps: maximum number of optimiser steps on the evidence of all rows that
            follow; each costs tens of products with K.
        tolerance: relative residual of each linear system.
        rank: rank of the preconditioner; a larger one helps where the noise is small.
        num_probes: random vectors that estimate a trace.
        block_rows: rows of K in memory at a time.
        mesh: devices among which the rows of each block are divided; the result is that
            of one device up to rounding.

    Example:
        >>> import jax, numpy as np
        >>> from battprob import Dataset
        >>> from battprob.models import GaussianProcess
        >>> x = np.linspace(0, 1, 40)
        >>> data = Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
        >>> model = GaussianProcess(solver=ConjugateGradients(rank=8))
        >>> posterior = model.fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([0.5]).mean[0] - np.sin(3)) < 0.01)
        True

    References:
        Wang, Pleiss, Gardner, Tyree, Weinberger and Wilson, Exact Gaussian processes on a
        million data points, NeurIPS 32 (2019) 14648.
    """

    num_pilot: int = eqx.field(default=1024, static=True)
    max_steps: int = eqx.field(default=0, static=True)
    tolerance: float = eqx.field(default=1e-7, static=True)
    rank: int = eqx.field(default=128, static=True)
    num_probes: int = eqx.field(default=8, static=True)
    block_rows: int = eqx.field(default=512, static=True)
    mesh: Mesh | None = eqx.field(default=None, static=True)

    def require_supported(self, kernel, noise, inference):
        refuse_inference(self, inference)
        if has_weights(noise):
            raise DataError(
                "ConjugateGradients cannot integrate LatentGP noise out: use "
                "solver=InducingPoints(), solver=Exact(), or another noise model"
            )

    def fit(self, kernel, noise, rows, *, inference, key):
        key_pilot, key_probes = jax.random.split(key)
        pilot = random_subset(rows, self.num_pilot, key_pilot)
        with stopwatch() as watch:
            mode = mode_of_rows(
                kernel, noise, rows if pilot is None else pilot, key_pilot
            )
            data = _training_data(
                rows,
                key_probes,
                self.mesh,
                tolerance=self.tolerance,
                rank=self.rank,
                num_probes=self.num_probes,
                block_rows=self.block_rows,
            )
            if self.max_steps:
                optimiser = MAP(num_starts=1, max_steps=self.max_steps)
                start = replicate(mode, self.mesh)
                draws, _ = optimiser.run(_log_joint, start, data, key=key_pilot)
                mode = on_one_device(jax.tree.map(lambda leaf: leaf[0], draws))
            solved = jax.block_until_ready(_solve(mode[0], mode[1], data))
        return _solution(mode, solved, data, key_probes, watch)


class ConjugateGradientsSolution(AbstractSolution):
    """Solution of the training system; each prediction solves further systems."""

    kernel: AbstractKernel
    noise: AbstractNoise
    data: TrainingData
    solved: "SolvedSystem"
    key: PRNGKey
    log_evidences: Float[Array, " s"]

    def condition(self, rows, report):
        length, num_probes = self.data.probes.shape
        data = _training_data(
            rows,
            self.key,
            None,
            tolerance=float(self.data.tolerance),
            rank=length - len(self.data.rows.y),
            num_probes=num_probes,
            block_rows=self.data.blocks.shape[1],
        )
        mode = (self.kernel, self.noise)
        with stopwatch() as watch:
            solved = jax.block_until_ready(_solve(*mode, data))
        return _solution(mode, solved, data, self.key, watch)

    def predict(self, x, known):
        return _predict((self.kernel, self.noise, self.solved), self.data, x, known)

    def reference(self, x):
        return _reference((self.kernel, self.solved), self.data, x)

    def moments(self, x, reference):
        return _moments((self.kernel, self.solved), self.data, x, reference)

    def sample_functions(self, x, key, num):
        return _sample_functions((self.kernel, self.solved), self.data, x, key, num)


class SolvedSystem(NamedTuple):
    """Preconditioner, α = A⁻¹y, covariance of the noise parameters, and the evidence."""

    preconditioner: Preconditioner
    alpha: Float[Array, " n"]
    noise_covariance: Float[Array, "q q"]
    evidence: Evidence


def _training_data(rows, key, mesh, *, tolerance, rank, num_probes, block_rows):
    """Rows padded to whole blocks, probes, and blocks divided among devices."""
    devices = 1 if mesh is None else mesh.size
    block = -(-min(block_rows, len(rows.y)) // devices) * devices
    length = -(-len(rows.y) // block) * block
    mask = np.arange(length) < int(rows.mask.sum())
    rank = min(rank, int(mask.sum()))
    x, y, known = (np.asarray(pad_rows(a, length)) for a in rows[:3])
    # The probes stay the same during a fit: the estimated evidence is then a smooth
    # function of the hyper-parameters, which line searches need.
    probes = generator(key).normal(size=(rank + length, num_probes)).astype(x.dtype)
    arrays = (x, y, known, mask, probes, np.asarray(tolerance, x.dtype))
    *rows, probes, tolerance = replicate(tuple(jnp.asarray(a) for a in arrays), mesh)
    blocks = shard_rows(x.reshape(-1, block, x.shape[1]), mesh)
    return TrainingData(Rows(*rows), probes, tolerance, blocks)


def _variance(noise, rows):
    """Noise variance of each row; 1 for padding."""
    # The floor is the jitter of a dense factorisation: below it, the number of iterations
    # grows and the results of `Exact` do not change.
    smallest = default_jitter(rows.x.dtype)
    variance = jnp.maximum(noise.variance(rows.x, rows.known), smallest)
    return jnp.where(rows.mask, variance, 1.0)


def _log_joint(parameters, data):
    kernel, noise = parameters
    evidence = log_evidence(kernel, _variance(noise, data.rows), data)
    return evidence + kernel.log_prior() + noise.log_prior()


@eqx.filter_jit
def _solve(kernel, noise, data):
    variance = _variance(noise, data.rows)
    estimate = estimate_evidence(kernel, variance, data)
    evidence, preconditioner, (_, solution, _) = estimate
    flat, _, to_noise = flatten_noise(noise)
    gradient = variance_and_log_gradient(to_noise, flat, data.rows.x, data.rows.known)[
        1
    ]
    # The information about the noise neglects correlations between rows. The diagonal of
    # A⁻¹ would need as many linear systems as rows; that of P⁻¹ replaces it.
    fraction = variance * preconditioner.inverse_diagonal()
    weight = jnp.where(data.rows.mask, fraction, 0.0) ** 2
    information = 0.5 * gradient.T @ (weight[:, None] * gradient)
    covariance = covariance_from_information(
        noise, information, include_parameters=True
    )
    return SolvedSystem(preconditioner, solution[:, 0], covariance, evidence)


def _solution(mode, solved, data, key, watch):
    evidence = solved.evidence
    report = FitReport(
        converged=bool(evidence.residual <= data.tolerance),
        message=f"residual {float(evidence.residual):.1e} after "
        f"{int(evidence.num_products)} products; standard error of the log evidence "
        f"{float(evidence.error):.2g}",
        steps=int(evidence.num_products),
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
    if not np.isfinite(evidence.value):
        raise FitError(
            "the evidence is not finite: check the data for extreme values, or use "
            "solver=InducingPoints()",
            report,
        )
    solution = ConjugateGradientsSolution(
        mode[0], mode[1], data, solved, key, evidence.value[None]
    )
    return solution, report


def _function(kernel, solved, data, x):
    """Mean of f at `x`, C = k(X, x), and A⁻¹C without its gradient."""
    cross = jnp.where(data.rows.mask[:, None], kernel.gram(data.rows.x, x), 0.0)
    # `while_loop` has no reverse-mode derivative; `_symmetric_form` restores it.
    preconditioner, right = jax.lax.stop_gradient((solved.preconditioner, cross))
    constants = jax.lax.stop_gradient((kernel, preconditioner.noise, data))
    multiply = covariance_product(*constants)
    solved_cross = conjugate_gradients(multiply, preconditioner, right, data.tolerance)
    return solved.alpha @ cross, cross, jax.lax.stop_gradient(solved_cross.solution)


def _symmetric_form(one, other):
    """cᵀA⁻¹c' as cᵀs' + sᵀc' - sᵀAs', from `one` = cᵀs' and `other` = sᵀc'.

    The form is stationary in the solutions s = A⁻¹c and s' = A⁻¹c'. Its gradient is
    therefore correct with the solutions as constants.
    """
    return one + other - jax.lax.stop_gradient(one)


def _in_chunks(function, x):
    """`function` of all rows, a few at a time: memory is that of the training rows."""
    size = min(len(x), _CHUNK_ROWS)
    padded = jnp.pad(x, ((0, -len(x) % size), (0, 0)), mode="edge")
    results = jax.lax.map(function, padded.reshape(-1, size, x.shape[1]))
    return jax.tree.map(
        lambda a: a.reshape(len(padded), *a.shape[2:])[: len(x)], results
    )


@eqx.filter_jit
def _predict(draw, data, x, known):
    kernel, noise, solved = draw

    def chunk(x):
        mean, cross, solution = _function(kernel, solved, data, x)
        product = cross * solution
        explained = jnp.sum(_symmetric_form(product, product), axis=0)
        return mean, jnp.maximum(kernel.diagonal(x) - explained, 0.0)

    mean, variance = _in_chunks(chunk, x)
    nodes, weight = noise_variance_nodes(noise, solved.noise_covariance, x, known)
    mean, variance = (jnp.broadcast_to(a[None], nodes.shape) for a in (mean, variance))
    return Prediction(mean, nodes, variance, weight)


@eqx.filter_jit
def _reference(draw, data, points):
    """Reference points r, k(r, X) and k(r, X) A⁻¹, one row for each point."""
    _, cross, solution = _function(draw[0], draw[1], data, points)
    return points, cross.T, solution.T


@eqx.filter_jit
def _moments(draw, data, x, reference):
    kernel, solved = draw
    points, cross_points, solution_points = reference

    def chunk(x):
        mean, cross, solution = _function(kernel, solved, data, x)
        product = cross * solution
        explained = jnp.sum(_symmetric_form(product, product), axis=0)
        shared = _symmetric_form(
            (solution_points @ cross).T, (cross_points @ solution).T
        )
        variance = jnp.maximum(kernel.diagonal(x) - explained, 0.0)
        return mean, variance, kernel.gram(x, points) - shared

    mean, variance, covariance = _in_chunks(chunk, x)
    zero = jnp.zeros(1, mean.dtype)
    return FunctionMoments(mean[None], variance[None], covariance[None], zero)


@eqx.filter_jit
def _sample_functions(draw, data, x, key, num):
    kernel, solved = draw
    mean, cross, solution = _function(kernel, solved, data, x)
    covariance = kernel.gram(x, x) - cross.T @ solution
    root = posterior_root(covariance, jnp.zeros_like(cross[:1]))
    return draw_functions(mean[None], root[None], key, num)
