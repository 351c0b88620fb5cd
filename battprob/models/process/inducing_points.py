"""Variational solution of a Gaussian process with inducing points, for millions of rows."""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from battprob._errors import FitError
from battprob._typing import Array, Float, PRNGKey
from battprob.inference.report import FitReport, stopwatch
from battprob.kernels.base import AbstractKernel
from battprob.models._noise_uncertainty import noise_variance_nodes
from battprob.models._replicates import find_distinct
from battprob.models.base import FunctionMoments
from battprob.models.process._draws import (
    draw_functions,
    posterior_root,
    random_subset,
)
from battprob.models.process._kernel_products import pivots
from battprob.models.process._natural_gradient import (
    initial_posterior,
    optimal_posterior,
)
from battprob.models.process._stochastic_gradient import (
    CHUNK,
    Checkpoint,
    in_batches,
    initial_state,
    maximise_bound,
    on_one_device,
    replicate,
)
from battprob.models.process._variational_bound import (
    Hyperparameters,
    Moments,
    VariationalPosterior,
    function_moments,
    inverse_root,
    whitened_features,
    with_weights,
)
from battprob.models.process.exact import mode_of_rows
from battprob.models.process.solver import (
    AbstractSolution,
    AbstractSolver,
    Prediction,
    refuse_inference,
)
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import split

_PILOT_ROWS = 512
_CANDIDATES = 8  # random rows per inducing point, among which the points are chosen
_FIT_PASSES = 2  # over all rows, after the stochastic gradients
_CONDITION_PASSES = 5  # more, because new rows may move the optimum far
_CONDITION_ROWS = 1024  # rows in a batch of `condition`
_PREDICTION_ROWS = 4096  # rows predicted at a time
_CONVERGED = 0.01  # change of the bound per row; no prediction changes visibly below it


class InducingPoints(AbstractSolver):
    r"""A variational approximation for up to millions of rows.

    The process is represented by its values at `num` inducing points, which are learned.
    All noise models of the exact process are supported, `LatentGP` included. The cost
    grows with the number of rows times `num` squared. The fit has three stages:

    1. The hyper-parameters start at the mode of the exact process of 512 random rows.
    2. Stochastic gradients on batches of rows maximise the lower bound of the evidence.
    3. Natural-gradient updates over all rows find the optimal variational posterior.

    Args:
        num: number of inducing points; a rougher f needs more.
        batch_size: rows in a step.
        num_steps: optimiser steps, rounded up to multiples of 50.
        learning_rate: of Adam, in logarithms of scales; it decays to zero.
        progress: show a bar on terminals.
        mesh: devices among which the rows of each batch are divided; the result is that
            of one device up to rounding. With several hosts, the dataset is the same on
            each.
        checkpoint: file that stores the state of the optimisation; a fit that was
            interrupted continues from there when called again, to the same result.

    Example:
        >>> import jax, numpy as np
        >>> from battprob import Dataset
        >>> from battprob.models import GaussianProcess
        >>> x = np.linspace(0, 1, 60)
        >>> data = Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
        >>> model = GaussianProcess(solver=InducingPoints(8, num_steps=50))
        >>> posterior = model.fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([0.5]).mean[0] - np.sin(3)) < 0.05)
        True

    References:
        Hensman, Fusi and Lawrence, Gaussian processes for big data, UAI 29 (2013) 282;
        Saul, Hensman, Vehtari and Lawrence, Chained Gaussian processes, AISTATS 19 (2016)
        1431, for the two functions.
    """

    num: int = eqx.field(default=256, static=True)
    batch_size: int = eqx.field(default=1024, static=True)
    num_steps: int = eqx.field(default=1000, static=True)
    learning_rate: float = eqx.field(default=0.02, static=True)
    progress: bool = eqx.field(default=True, static=True)
    mesh: Mesh | None = eqx.field(default=None, static=True)
    checkpoint: str | os.PathLike | None = eqx.field(default=None, static=True)

    def __check_init__(self):
        for name in ("num", "batch_size", "num_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")

    def require_supported(self, kernel, noise, inference):
        refuse_inference(self, inference)

    def fit(self, kernel, noise, rows, *, inference, key):
        key_pilot, key_rows, key_steps = jax.random.split(key, 3)
        num_rows = int(np.sum(rows.mask))
        devices = 1 if self.mesh is None else self.mesh.size
        rows_per_device = -(-min(self.batch_size, num_rows) // devices)
        with stopwatch() as watch:
            start = _pilot(kernel, noise, rows, self.num, key_pilot)
            hyper, fixed = replicate(start, self.mesh)
            batches = in_batches(rows, rows_per_device * devices, self.mesh, key_rows)
            posterior = initial_posterior(hyper, fixed, batches)
            state, bounds = maximise_bound(
                initial_state(hyper, posterior, self.mesh),
                fixed,
                batches,
                key=key_steps,
                num_steps=self.num_steps,
                learning_rate=self.learning_rate,
                progress=self.progress,
                checkpoint=self._checkpoint(kernel, noise, rows, key),
            )
            optimum = optimal_posterior(
                state.hyper, fixed, state.posterior, batches, _FIT_PASSES
            )
            hyper, fixed, optimum = on_one_device((state.hyper, fixed, optimum))
        report = _report(bounds, num_rows, watch)
        if not np.isfinite(optimum.bound):
            raise FitError(
                "the evidence bound is not finite: check the data for extreme values, or "
                "reduce learning_rate",
                report,
            )
        return _solution(hyper, fixed, optimum, key_rows), report

    def _checkpoint(self, kernel, noise, rows, key):
        if self.checkpoint is None:
            return None
        settings = (self.num, self.batch_size, self.num_steps, self.learning_rate)
        identity = (settings, kernel, noise, rows, jax.random.key_data(key))
        return Checkpoint(self.checkpoint, identity)


class InducingPointsSolution(AbstractSolution):
    """Variational posterior of the function values at the inducing points.

    `log_evidences` is the lower bound of the evidence, `root` is L⁻¹ with LLᵀ the
    covariance of f at the inducing points, and `function` has the moments of q(v).
    """

    hyper: Hyperparameters
    noise: AbstractNoise
    root: Float[Array, "m m"]
    posterior: VariationalPosterior
    function: Moments
    noise_covariance: Float[Array, "q q"]
    key: PRNGKey
    log_evidences: Float[Array, " s"]

    @property
    def kernel(self) -> AbstractKernel:
        """Kernel with its fitted parameters."""
        return self.hyper.kernel

    def condition(self, rows, report):
        size = min(_CONDITION_ROWS, int(np.sum(rows.mask)))
        batches = in_batches(rows, size, None, self.key)
        optimum = optimal_posterior(
            self.hyper, self.noise, self.posterior, batches, _CONDITION_PASSES
        )
        return _solution(self.hyper, self.noise, optimum, self.key), report

    def predict(self, x, known):
        draw = (self.hyper, self.noise, self.root, self.function)
        return _predict(draw, self.noise_covariance, x, known)

    def reference(self, x):
        return x, whitened_features(self.root, self.hyper, x).T

    def moments(self, x, reference):
        return _moments((self.hyper, self.root, self.function), x, reference)

    def sample_functions(self, x, key, num):
        draw = (self.hyper, self.root, self.function)
        return _sample_functions(draw, x, key, num)


def _pilot(kernel, noise, rows, num_inducing, key):
    """Initial hyper-parameters, and the noise model with its weights at their mean.

    The kernel and the noise are at the mode of the exact process of random rows.
    """
    pilot = random_subset(rows, _PILOT_ROWS, key)
    kernel, noise = mode_of_rows(kernel, noise, rows if pilot is None else pilot, key)
    subset = random_subset(rows, _CANDIDATES * num_inducing, key)
    candidates = find_distinct(rows if subset is None else subset)
    num = min(num_inducing, int(candidates.mask.sum()))
    inducing_points = _most_uncertain(kernel, candidates, num)
    return Hyperparameters(kernel, split(noise)[0], inducing_points), noise


@eqx.filter_jit
def _most_uncertain(kernel, candidates, num):
    """`num` candidates, each where f has most variance given f at those before."""
    return candidates.x[pivots(kernel, candidates.x, candidates.mask, num)]


def _solution(hyper, fixed, optimum, key):
    root, function, noise = _solved(hyper, fixed, optimum.posterior)
    return InducingPointsSolution(  # pyright: ignore[reportCallIssue]
        hyper=hyper,
        noise=noise,
        root=root,
        posterior=optimum.posterior,
        function=function,
        noise_covariance=optimum.noise_covariance,
        key=key,
        log_evidences=optimum.bound[None],
    )


@eqx.filter_jit
def _solved(hyper, fixed, posterior):
    function, weights = posterior.moments()
    noise = with_weights(hyper.noise, fixed, weights.mean)
    return inverse_root(hyper), function, noise


def _report(bounds, num_rows, watch):
    gain = (bounds[-1] - bounds[max(len(bounds) - 4, 0)]) / num_rows
    return FitReport(
        converged=bool(abs(gain) < _CONVERGED),
        message=f"evidence bound {bounds[-1]:.6g}, {gain:+.1g} a row in the last steps",
        steps=len(bounds) * CHUNK,
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )


@eqx.filter_jit
def _predict(draw, noise_covariance, x, known):
    hyper, noise, root, function = draw

    def batch(x, known):
        features = whitened_features(root, hyper, x)
        mean, variance = function_moments(hyper.kernel, features, x, function)
        nodes, weight = noise_variance_nodes(noise, noise_covariance, x, known)
        return mean, variance, nodes, weight

    def row(columns):
        return jax.tree.map(lambda a: a[..., 0], batch(*(a[None] for a in columns)))

    # In batches: the features of all rows would need num times the memory of the rows.
    mean, variance, nodes, weight = jax.lax.map(
        row, (x, known), batch_size=_PREDICTION_ROWS
    )
    nodes, weight = nodes.T, weight.T
    mean, variance = (jnp.broadcast_to(a[None], nodes.shape) for a in (mean, variance))
    return Prediction(mean, nodes, variance, weight)


@eqx.filter_jit
def _moments(draw, x, reference):
    hyper, root, function = draw
    points, reference_features = reference
    features = whitened_features(root, hyper, x)
    mean, variance = function_moments(hyper.kernel, features, x, function)
    change = features.T @ function.covariance_change() @ reference_features.T
    covariance = hyper.kernel.gram(x, points) + change
    zero = jnp.zeros(1, mean.dtype)
    return FunctionMoments(mean[None], variance[None], covariance[None], zero)


@eqx.filter_jit
def _sample_functions(draw, x, key, num):
    hyper, root, function = draw
    features = whitened_features(root, hyper, x)
    prior = hyper.kernel.gram(x, x) + features.T @ function.covariance @ features
    factor = posterior_root(prior, features)
    return draw_functions((function.mean @ features)[None], factor[None], key, num)
