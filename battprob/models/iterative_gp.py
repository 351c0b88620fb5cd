"""Exact Gaussian process regression that never holds its covariance."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from battprob._errors import DataError, FitError
from battprob._numerics import default_jitter
from battprob._padding import pad_rows
from battprob._random import generator
from battprob._typing import Array, Float, Int, PRNGKey
from battprob.dataset import Dataset
from battprob.inference import MAP, FitReport
from battprob.inference.report import stopwatch
from battprob.kernels import AbstractKernel, Matern52
from battprob.models._minibatch import on_host, replicated, spread
from battprob.models._noise_level import (
    covariance_of,
    flat_head,
    noise_levels,
    relative_slope,
)
from battprob.models._process import draw_functions, root_of_rest, some_rows
from battprob.models._products import (
    Preconditioner,
    conjugate_gradients,
    log_det_excess,
    nystrom,
    pivots,
    product,
)
from battprob.models.base import (
    AbstractModel,
    AbstractPosterior,
    Rows,
    Scaling,
    bound,
    mixture,
    prepare,
    standardise,
)
from battprob.models.gp import mode_of_rows
from battprob.noise import AbstractNoise, Constant
from battprob.noise.latent import has_weights, split
from battprob.predictive import Predictive


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
    tolerance: float = eqx.field(default=1e-6, static=True)
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
            data = self._placed(rows, key_probes, mesh)
            if self.max_steps:
                climb = MAP(num_starts=1, max_steps=self.max_steps)
                start = replicated((draw[0], split(draw[1])[0]), mesh)
                draw, _ = climb.run(_log_joint, start, data, key=key_pilot)
                draw = on_host(jax.tree.map(lambda leaf: leaf[0], draw))
            kept = jax.block_until_ready(_solve(draw[0], draw[1], data))
        return _posterior(draw, kept, data, scaling, dataset, watch)

    def _placed(self, rows, key, mesh):
        """Rows and probes of one padded length, and blocks of rows spread over devices."""
        devices = 1 if mesh is None else mesh.size
        block = -(-min(self.block_rows, len(rows.y)) // devices) * devices
        length = -(-len(rows.y) // block) * block
        mask = np.arange(length) < int(rows.mask.sum())
        rank = min(self.rank, int(mask.sum()))
        probes = generator(key).normal(size=(rank + length, self.num_probes))
        x, y, known = (np.asarray(pad_rows(a, length)) for a in rows[:3])
        dtype = x.dtype
        everywhere = (x, y, known, mask, probes.astype(dtype), self.tolerance)
        *rows, probes, tolerance = replicated(
            tuple(jnp.asarray(a) for a in everywhere), mesh
        )
        blocks = spread(x.reshape(-1, block, x.shape[1]), mesh)
        return _Data(Rows(*rows), probes, jnp.asarray(tolerance, dtype), blocks)


class IterativeGaussianProcessPosterior(AbstractPosterior[Predictive]):
    """A fitted process; every answer solves systems anew, some rows at a time."""

    kernel: AbstractKernel
    noise: AbstractNoise
    data: "_Data"
    kept: "_Kept"
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        size = self.data.probes.shape
        model = IterativeGaussianProcess(
            rank=size[0] - len(self.data.rows.y),
            num_probes=size[1],
            tolerance=float(self.data.tolerance),
            block_rows=self.data.blocks.shape[1],
        )
        data = model._placed(rows, jax.random.key(0), None)
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


class _Data(NamedTuple):
    """Rows, standard normal probes (of V's rows, then of the noise), blocks of features."""

    rows: Rows
    probes: Float[Array, "p k"]
    tolerance: Float[Array, ""]
    blocks: Float[Array, "g b d"]


class _Kept(NamedTuple):
    """What answers are made of, and how exact it is."""

    preconditioner: Preconditioner
    alpha: Float[Array, " n"]
    noise_covariance: Float[Array, "q q"]
    evidence: "_Evidence"


class _Evidence(NamedTuple):
    value: Float[Array, ""]
    error: Float[Array, ""]
    residual: Float[Array, ""]
    products: Int[Array, ""]


def _multiply(kernel, variance, data):
    """The map from a block of vectors to K times it; padding keeps to itself."""
    mask = data.rows.mask[:, None]

    def multiply(right):
        inside = product(kernel, data.blocks, data.rows.x, jnp.where(mask, right, 0.0))
        return jnp.where(mask, inside, 0.0) + variance[:, None] * right

    return multiply


def _estimate(kernel, variance, data):
    """The log evidence and all that its slope needs."""
    rows, probes = data.rows, data.probes
    rank = len(probes) - len(rows.y)
    some = rows.x[pivots(kernel, rows.x, rows.mask, rank)]
    v = nystrom(kernel, some, rows.x, rows.mask)
    conditioner = Preconditioner.of(v, variance)
    z = conditioner.color(probes[:rank], probes[rank:])
    target = jnp.where(rows.mask, rows.y, 0.0)
    solved = conjugate_gradients(
        _multiply(kernel, variance, data),
        conditioner,
        jnp.concatenate([target[:, None], z], axis=1),
        data.tolerance,
    )
    near = conditioner.solve(z)
    weight = jnp.sum(z * near, axis=0)
    excess = log_det_excess(solved.diagonal[:, 1:], solved.beside[:, 1:], weight)
    fit = jnp.dot(target, solved.solution[:, 0])
    constant = math.log(2 * math.pi) * jnp.sum(rows.mask).astype(target.dtype)
    value = -0.5 * (fit + conditioner.log_det() + jnp.mean(excess) + constant)
    error = 0.5 * jnp.std(excess) / math.sqrt(max(excess.size - 1, 1))
    evidence = _Evidence(value, error, jnp.max(solved.residual), solved.products)
    return evidence, conditioner, (some, solved.solution, near)


@jax.custom_vjp
def _log_evidence(kernel, variance, data):
    return _estimate(kernel, variance, data)[0].value


def _forward(kernel, variance, data):
    evidence, _, seen = _estimate(kernel, variance, data)
    return evidence.value, (kernel, variance, data, seen)


def _backward(saved, cotangent):
    kernel, variance, data, (some, solution, near) = saved
    rows, num = data.rows, near.shape[1]
    solution, near = (jnp.where(rows.mask[:, None], a, 0.0) for a in (solution, near))
    right = jnp.concatenate([solution[:, :1], near], axis=1)
    left = jnp.concatenate(
        [0.5 * solution[:, :1], -0.5 / num * solution[:, 1:]], axis=1
    )
    shares = left.reshape(*data.blocks.shape[:2], -1)

    # Each block is made again for its slope: kept, they would be the whole of K.
    @jax.checkpoint
    def of_block(kernel, own):
        block, share = own
        return jnp.sum(share * (kernel.gram(block, rows.x) @ right))

    def form(kernel, variance):
        """What has the slope of the evidence, all that was solved held fixed."""
        exact = jnp.sum(
            jax.lax.map(lambda own: of_block(kernel, own), (data.blocks, shares))
        )
        exact += jnp.dot(variance, jnp.sum(left * right, axis=1))
        v = nystrom(kernel, some, rows.x, rows.mask)
        drawn = jnp.sum((v @ near) ** 2) + jnp.dot(variance, jnp.sum(near**2, axis=1))
        rough = Preconditioner.of(v, variance).log_det() - drawn / num
        return cotangent * (exact - 0.5 * rough)

    return *jax.grad(form, argnums=(0, 1))(kernel, variance), None


_log_evidence.defvjp(_forward, _backward)


def _variance(noise, rows):
    least = default_jitter(rows.x.dtype)
    variance = jnp.maximum(noise.variance(rows.x, rows.known), least)
    return jnp.where(rows.mask, variance, 1.0)


def _log_joint(parameters, data):
    kernel, noise = parameters
    evidence = _log_evidence(kernel, _variance(noise, data.rows), data)
    return evidence + kernel.log_prior() + noise.log_prior()


@eqx.filter_jit
def _solve(kernel, noise, data):
    variance = _variance(noise, data.rows)
    evidence, conditioner, (_, solution, _) = _estimate(kernel, variance, data)
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
    multiply = _multiply(*jax.lax.stop_gradient((kernel, conditioner.noise, data)))
    solution = conjugate_gradients(multiply, conditioner, held, data.tolerance).solution
    return kept.alpha @ cross, cross, jax.lax.stop_gradient(solution)


@eqx.filter_jit
def _predict(draw, data, x, known):
    kernel, noise, kept = draw

    def some(x):
        mean, cross, solution = _function(kernel, kept, data, x)
        # cᵀK⁻¹c is the largest 2cᵀs - sᵀKs, so that s need not move for its slope.
        known = 2 * jnp.sum(cross * solution, axis=0)
        known -= jax.lax.stop_gradient(jnp.sum(cross * solution, axis=0))
        return mean, jnp.maximum(kernel.diagonal(x) - known, 0.0)

    # Sizes of rows to predict are powers of two, or multiples of 64.
    chunks = x.reshape(-1, min(len(x), _AT_ONCE), x.shape[1])
    mean, variance = (a.ravel() for a in jax.lax.map(some, chunks))
    levels, weight = noise_levels(noise, kept.noise_covariance, x, known)
    mean, variance = (jnp.broadcast_to(a[None], levels.shape) for a in (mean, variance))
    return mixture(mean, levels, variance, weight)


@eqx.filter_jit
def _sample_functions(draw, data, x, key, num):
    kernel, kept = draw
    mean, cross, solution = _function(kernel, kept, data, x)
    rest = kernel.gram(x, x) - cross.T @ solution
    root = root_of_rest(rest, jnp.zeros_like(cross[:1]))
    return draw_functions(mean[None], root[None], key, num)


_AT_ONCE = 64
