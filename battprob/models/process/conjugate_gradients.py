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
from battprob.models._noise_level import (
    covariance_of,
    flat_head,
    noise_levels,
    relative_slope,
)
from battprob.models._scaling import Rows
from battprob.models.base import FunctionMoments
from battprob.models.process._draws import draw_functions, root_of_rest, some_rows
from battprob.models.process._kernel_products import (
    Preconditioner,
    conjugate_gradients,
)
from battprob.models.process._lanczos_evidence import (
    Data,
    Evidence,
    estimate,
    log_evidence,
    multiply_by,
)
from battprob.models.process._stochastic_gradient import on_host, replicated, spread
from battprob.models.process.exact import mode_of_rows
from battprob.models.process.solver import (
    AbstractSolution,
    AbstractSolver,
    Prediction,
    refuse_inference,
)
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights


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
            follow; each costs some tens of products with K.
        tolerance: relative residual of each linear system.
        rank: rank of the preconditioner; a larger one helps where the noise is small.
        num_probes: random vectors that estimate a trace.
        block_rows: rows of K in memory at a time.
        mesh: devices that share the rows of each block; the result is that of one device
            up to rounding.

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
        some = some_rows(rows, self.num_pilot, key_pilot)
        with stopwatch() as watch:
            draw = mode_of_rows(
                kernel, noise, rows if some is None else some, key_pilot
            )
            data = _placed(
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
                start = replicated(draw, self.mesh)
                draw, _ = optimiser.run(_log_joint, start, data, key=key_pilot)
                draw = on_host(jax.tree.map(lambda leaf: leaf[0], draw))
            solved = jax.block_until_ready(_solve(draw[0], draw[1], data))
        return _solution(draw, solved, data, key_probes, watch)


class ConjugateGradientsSolution(AbstractSolution):
    """Solution of the training system; each prediction solves further systems."""

    kernel: AbstractKernel
    noise: AbstractNoise
    data: Data
    solved: "Solved"
    key: PRNGKey
    log_evidences: Float[Array, " s"]

    def condition(self, rows, report):
        drawn, num_probes = self.data.probes.shape
        data = _placed(
            rows,
            self.key,
            None,
            tolerance=float(self.data.tolerance),
            rank=drawn - len(self.data.rows.y),
            num_probes=num_probes,
            block_rows=self.data.blocks.shape[1],
        )
        draw = (self.kernel, self.noise)
        with stopwatch() as watch:
            solved = jax.block_until_ready(_solve(*draw, data))
        return _solution(draw, solved, data, self.key, watch)

    def predict(self, x, known):
        return _predict((self.kernel, self.noise, self.solved), self.data, x, known)

    def reference(self, x):
        return _reference((self.kernel, self.solved), self.data, x)

    def moments(self, x, reference):
        return _moments((self.kernel, self.solved), self.data, x, reference)

    def sample_functions(self, x, key, num):
        return _sample_functions((self.kernel, self.solved), self.data, x, key, num)


class Solved(NamedTuple):
    """Preconditioner and A⁻¹y, noise uncertainty, and the evidence with its accuracy."""

    preconditioner: Preconditioner
    alpha: Float[Array, " n"]
    noise_covariance: Float[Array, "q q"]
    evidence: Evidence


def _placed(rows, key, mesh, *, tolerance, rank, num_probes, block_rows):
    """Rows and probes of one padded length, and blocks of rows spread over devices."""
    devices = 1 if mesh is None else mesh.size
    block = -(-min(block_rows, len(rows.y)) // devices) * devices
    length = -(-len(rows.y) // block) * block
    mask = np.arange(length) < int(rows.mask.sum())
    rank = min(rank, int(mask.sum()))
    x, y, known = (np.asarray(pad_rows(a, length)) for a in rows[:3])
    probes = generator(key).normal(size=(rank + length, num_probes)).astype(x.dtype)
    everywhere = (x, y, known, mask, probes, np.asarray(tolerance, x.dtype))
    *rows, probes, tolerance = replicated(
        tuple(jnp.asarray(a) for a in everywhere), mesh
    )
    blocks = spread(x.reshape(-1, block, x.shape[1]), mesh)
    return Data(Rows(*rows), probes, tolerance, blocks)


def _variance(noise, rows):
    least = default_jitter(rows.x.dtype)
    variance = jnp.maximum(noise.variance(rows.x, rows.known), least)
    return jnp.where(rows.mask, variance, 1.0)


def _log_joint(parameters, data):
    kernel, noise = parameters
    evidence = log_evidence(kernel, _variance(noise, data.rows), data)
    return evidence + kernel.log_prior() + noise.log_prior()


@eqx.filter_jit
def _solve(kernel, noise, data):
    variance = _variance(noise, data.rows)
    evidence, conditioner, (_, solution, _) = estimate(kernel, variance, data)
    flat, _, head = flat_head(noise)
    slope = relative_slope(head, flat, data.rows.x, data.rows.known)[1]
    # Rows tell the noise apart from each other, less what each spends on f.
    own = jnp.where(data.rows.mask, variance * conditioner.inverse_diagonal(), 0.0) ** 2
    information = 0.5 * slope.T @ (own[:, None] * slope)
    spread = covariance_of(noise, information, parameters_too=True)
    return Solved(conditioner, solution[:, 0], spread, evidence)


def _solution(draw, solved, data, key, watch):
    evidence = solved.evidence
    report = FitReport(
        converged=bool(evidence.residual <= data.tolerance),
        message=f"residual {float(evidence.residual):.1e} after "
        f"{int(evidence.products)} products; log evidence ± "
        f"{float(evidence.error):.2g} from its probes",
        steps=int(evidence.products),
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
    if not np.isfinite(evidence.value):
        raise FitError("the evidence is not finite", report)
    solution = ConjugateGradientsSolution(
        draw[0], draw[1], data, solved, key, evidence.value[None]
    )
    return solution, report


def _function(kernel, solved, data, x):
    """Mean of f at `x`, its covariance with f at the rows, and K⁻¹ times that (no slope)."""
    cross = jnp.where(data.rows.mask[:, None], kernel.gram(data.rows.x, x), 0.0)
    conditioner, held = jax.lax.stop_gradient((solved.preconditioner, cross))
    multiply = multiply_by(*jax.lax.stop_gradient((kernel, conditioner.noise, data)))
    solution = conjugate_gradients(multiply, conditioner, held, data.tolerance).solution
    return solved.alpha @ cross, cross, jax.lax.stop_gradient(solution)


def _first_order(known, other):
    """A part cᵀK⁻¹c' of a covariance as cᵀs' + sᵀc' - sᵀKs', given cᵀs' and sᵀc'.

    That is stationary in the solutions s and s', which need not move for its slope.
    """
    return known + other - jax.lax.stop_gradient(known)


def _in_chunks(function, x):
    """`some` of all rows, so few at a time that memory grows with the rows of training."""
    size = min(len(x), _AT_ONCE)
    padded = jnp.pad(x, ((0, -len(x) % size), (0, 0)), mode="edge")
    answers = jax.lax.map(function, padded.reshape(-1, size, x.shape[1]))
    return jax.tree.map(
        lambda a: a.reshape(len(padded), *a.shape[2:])[: len(x)], answers
    )


@eqx.filter_jit
def _predict(draw, data, x, known):
    kernel, noise, solved = draw

    def chunk(x):
        mean, cross, solution = _function(kernel, solved, data, x)
        explained = jnp.sum(_first_order(cross * solution, cross * solution), axis=0)
        return mean, jnp.maximum(kernel.diagonal(x) - explained, 0.0)

    mean, variance = _in_chunks(chunk, x)
    noise_variance, weight = noise_levels(noise, solved.noise_covariance, x, known)
    mean, variance = (
        jnp.broadcast_to(a[None], noise_variance.shape) for a in (mean, variance)
    )
    return Prediction(mean, noise_variance, variance, weight)


@eqx.filter_jit
def _reference(draw, data, points):
    """Points, k(r, X) and A⁻¹ times it, one row for each point."""
    _, cross, solution = _function(draw[0], draw[1], data, points)
    return points, cross.T, solution.T


@eqx.filter_jit
def _moments(draw, data, x, reference):
    kernel, solved = draw
    points, cross_at, solution_at = reference

    def chunk(x):
        mean, cross, solution = _function(kernel, solved, data, x)
        explained = jnp.sum(_first_order(cross * solution, cross * solution), axis=0)
        shared = _first_order((solution_at @ cross).T, (cross_at @ solution).T)
        variance = jnp.maximum(kernel.diagonal(x) - explained, 0.0)
        return mean, variance, kernel.gram(x, points) - shared

    mean, variance, covariance = _in_chunks(chunk, x)
    zero = jnp.zeros(1, mean.dtype)
    return FunctionMoments(mean[None], variance[None], covariance[None], zero)


@eqx.filter_jit
def _sample_functions(draw, data, x, key, num):
    kernel, solved = draw
    mean, cross, solution = _function(kernel, solved, data, x)
    rest = kernel.gram(x, x) - cross.T @ solution
    root = root_of_rest(rest, jnp.zeros_like(cross[:1]))
    return draw_functions(mean[None], root[None], key, num)


_AT_ONCE = 64
