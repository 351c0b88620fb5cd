"""Exact Gaussian process regression that never holds its covariance."""

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
from battprob.dataset import Dataset
from battprob.inference import MAP
from battprob.inference.report import FitReport, stopwatch
from battprob.kernels import Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models._noise_level import (
    covariance_of,
    flat_head,
    noise_levels,
    relative_slope,
)
from battprob.models._scaling import Rows, Scaling, prepare, standardise
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    FunctionMoments,
    bound,
    mixture,
)
from battprob.models.process._draws import draw_functions, root_of_rest, some_rows
from battprob.models.process._kernel_products import Preconditioner, conjugate_gradients
from battprob.models.process._lanczos_evidence import (
    Data,
    Evidence,
    estimate,
    log_evidence,
    multiply_by,
)
from battprob.models.process._stochastic_gradient import on_host, replicated, spread
from battprob.models.process.exact import mode_of_rows
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights, split


class IterativeGaussianProcess(AbstractModel):
    r"""`GaussianProcess` for tens of thousands of rows: exact, by products with K alone.

    Systems are solved by preconditioned conjugate gradients over blocks of rows; memory
    grows with the rows, not their square, and time with their square. The evidence is
    estimated (its log-determinant by Lanczos) and told with its standard error; how far
    the solutions are from exact stands in `report.message`.

    Args:
        kernel: covariance of f.
        noise: any head but `LatentGP`.
        num_pilot: rows, drawn at random, whose exact process finds the hyper-parameters.
        max_steps: most steps that these then climb the evidence of all rows; each costs
            some tens of products with K.
        tolerance: size of the residual of every system against its right side.
        rank: of the preconditioner; more helps where noise is small.
        num_probes: random vectors that stand for a trace.
        block_rows: rows of K held at a time.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(0, 1, 40)
        >>> data = Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
        >>> posterior = IterativeGaussianProcess(rank=8).fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([0.5]).mean[0] - np.sin(3)) < 0.01)
        True

    References:
        Wang, Pleiss, Gardner, Tyree, Weinberger and Wilson, Exact Gaussian processes on a
        million data points, NeurIPS 32 (2019) 14648.
    """

    kernel: AbstractKernel = eqx.field(default_factory=Matern52)
    noise: AbstractNoise = eqx.field(default_factory=Constant)
    num_pilot: int = eqx.field(default=1024, static=True)
    max_steps: int = eqx.field(default=0, static=True)
    tolerance: float = eqx.field(default=1e-7, static=True)
    rank: int = eqx.field(default=128, static=True)
    num_probes: int = eqx.field(default=8, static=True)
    block_rows: int = eqx.field(default=512, static=True)

    def __check_init__(self):
        if has_weights(self.noise):
            raise DataError(
                "products with K alone cannot integrate out LatentGP noise: use "
                "SparseGaussianProcess, or another head"
            )

    def fit(
        self, dataset: Dataset, *, key: PRNGKey, mesh: Mesh | None = None
    ) -> "IterativeGaussianProcessPosterior":
        """Learn from `dataset`, the rows of K spread over the devices of `mesh`.

        Raises:
            DataError: labels are censored, or noise is Student-t.
            FitError: the pilot found no finite density.
        """
        key_pilot, key_probes = jax.random.split(key)
        scaling, rows = prepare(dataset, self.noise)
        kernel, noise = bound((self.kernel, self.noise), dataset)
        some = some_rows(rows, self.num_pilot, key_pilot)
        with stopwatch() as watch:
            draw = mode_of_rows(
                kernel, noise, rows if some is None else some, key_pilot
            )
            data = _placed(
                rows,
                key_probes,
                mesh,
                tolerance=self.tolerance,
                rank=self.rank,
                num_probes=self.num_probes,
                block_rows=self.block_rows,
            )
            if self.max_steps:
                climb = MAP(num_starts=1, max_steps=self.max_steps)
                start = replicated((draw[0], split(draw[1])[0]), mesh)
                draw, _ = climb.run(_log_joint, start, data, key=key_pilot)
                draw = on_host(jax.tree.map(lambda leaf: leaf[0], draw))
            kept = jax.block_until_ready(_solve(draw[0], draw[1], data))
        return _posterior(draw, kept, data, scaling, dataset, watch)


class IterativeGaussianProcessPosterior(AbstractGaussianPosterior):
    """A fitted process; every answer solves systems anew, some rows at a time."""

    kernel: AbstractKernel
    noise: AbstractNoise
    data: Data
    kept: "_Kept"
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        drawn, num_probes = self.data.probes.shape
        data = _placed(
            rows,
            jax.random.key(0),
            None,
            tolerance=float(self.data.tolerance),
            rank=drawn - len(self.data.rows.y),
            num_probes=num_probes,
            block_rows=self.data.blocks.shape[1],
        )
        draw = (self.kernel, self.noise)
        with stopwatch() as watch:
            kept = jax.block_until_ready(_solve(draw[0], draw[1], data))
        return _posterior(draw, kept, data, self.scaling, together, watch)

    @property
    def uses_groups(self):
        return False

    def _standardised_predict(self, x, known, groups):
        del groups
        draw = (self.kernel, self.noise, self.kept)
        return _predict(draw, self.data, x, known)

    def _standardised_functions(self, x, groups, key, num):
        del groups
        return _sample_functions((self.kernel, self.kept), self.data, x, key, num)

    def _standardised_weights(self, at):
        del at

    def _standardised_moments(self, x, at, weights):
        del weights
        return _moments((self.kernel, self.kept), self.data, x, at)


class _Kept(NamedTuple):
    """What answers are made of, and how exact it is."""

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
    return _Kept(conditioner, solution[:, 0], spread, evidence)


def _posterior(draw, kept, data, scaling, dataset, watch):
    exact = kept.evidence
    solved = bool(exact.residual <= data.tolerance)
    report = FitReport(
        converged=solved,
        message=f"residual {float(exact.residual):.1e} after {int(exact.products)} "
        f"products; log evidence ± {float(exact.error):.2g} by its probes",
        steps=int(exact.products),
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )
    if not np.isfinite(exact.value):
        raise FitError("the evidence is not finite", report)
    return IterativeGaussianProcessPosterior(
        kernel=draw[0],
        noise=draw[1],
        data=data,
        kept=kept,
        log_evidences=exact.value[None],
        scaling=scaling,
        dataset=dataset,
        report=report,
    )


def _function(kernel, kept, data, x):
    """Mean of f at `x`, its covariance with f at the rows, and K⁻¹ times that (no slope)."""
    cross = jnp.where(data.rows.mask[:, None], kernel.gram(data.rows.x, x), 0.0)
    conditioner, held = jax.lax.stop_gradient((kept.preconditioner, cross))
    multiply = multiply_by(*jax.lax.stop_gradient((kernel, conditioner.noise, data)))
    solution = conjugate_gradients(multiply, conditioner, held, data.tolerance).solution
    return kept.alpha @ cross, cross, jax.lax.stop_gradient(solution)


def _first_order(known, other):
    """A part cᵀK⁻¹c' of a covariance as cᵀs' + sᵀc' - sᵀKs', given cᵀs' and sᵀc'.

    That is stationary in the solutions s and s', which need not move for its slope.
    """
    return known + other - jax.lax.stop_gradient(known)


def _in_chunks(some, x):
    """`some` of all rows, so few at a time that memory grows with the rows of training."""
    size = min(len(x), _AT_ONCE)
    padded = jnp.pad(x, ((0, -len(x) % size), (0, 0)), mode="edge")
    answers = jax.lax.map(some, padded.reshape(-1, size, x.shape[1]))
    return jax.tree.map(
        lambda a: a.reshape(len(padded), *a.shape[2:])[: len(x)], answers
    )


@eqx.filter_jit
def _predict(draw, data, x, known):
    kernel, noise, kept = draw

    def some(x):
        mean, cross, solution = _function(kernel, kept, data, x)
        known = jnp.sum(_first_order(cross * solution, cross * solution), axis=0)
        return mean, jnp.maximum(kernel.diagonal(x) - known, 0.0)

    mean, variance = _in_chunks(some, x)
    levels, weight = noise_levels(noise, kept.noise_covariance, x, known)
    mean, variance = (jnp.broadcast_to(a[None], levels.shape) for a in (mean, variance))
    return mixture(mean, levels, variance, weight)


@eqx.filter_jit
def _moments(draw, data, x, at):
    kernel, kept = draw
    _, cross_at, solution_at = _function(kernel, kept, data, at)

    def some(x):
        mean, cross, solution = _function(kernel, kept, data, x)
        known = jnp.sum(_first_order(cross * solution, cross * solution), axis=0)
        shared = _first_order(cross.T @ solution_at, solution.T @ cross_at)
        variance = jnp.maximum(kernel.diagonal(x) - known, 0.0)
        return mean, variance, kernel.gram(x, at) - shared

    mean, variance, covariance = _in_chunks(some, x)
    none = jnp.zeros(1, mean.dtype)
    return FunctionMoments(mean[None], variance[None], covariance[None], none)


@eqx.filter_jit
def _sample_functions(draw, data, x, key, num):
    kernel, kept = draw
    mean, cross, solution = _function(kernel, kept, data, x)
    rest = kernel.gram(x, x) - cross.T @ solution
    root = root_of_rest(rest, jnp.zeros_like(cross[:1]))
    return draw_functions(mean[None], root[None], key, num)


_AT_ONCE = 64
