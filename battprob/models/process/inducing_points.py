"""Variational solution of a Gaussian process on inducing points, for millions of rows."""

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
from battprob.models._noise_level import noise_levels
from battprob.models._replicates import find_sites
from battprob.models.base import FunctionMoments
from battprob.models.process._draws import draw_functions, root_of_rest, some_rows
from battprob.models.process._kernel_products import pivots
from battprob.models.process._natural_gradient import first_beliefs, settle
from battprob.models.process._stochastic_gradient import (
    CHUNK,
    Checkpoint,
    begin,
    climb,
    in_batches,
    on_host,
    replicated,
)
from battprob.models.process._variational_bound import (
    Beliefs,
    Hyper,
    Moments,
    function_moments,
    whitened_by,
    whitening,
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


class InducingPoints(AbstractSolver):
    r"""A variational approximation for up to millions of rows.

    The process is represented by its values at `num` inducing points, which are learned.
    All noise models of the exact process are supported, `LatentGP` included. The cost
    grows with the number of rows times `num` squared. The hyper-parameters start at the
    mode of the exact process of 512 random rows; stochastic gradients on batches of rows
    then maximise the lower bound of the evidence; last, natural-gradient updates over all
    rows find the optimal variational posterior.

    Args:
        num: number of inducing points; a rougher f needs more.
        batch_size: rows in a step.
        num_steps: optimiser steps, rounded up to multiples of 50.
        learning_rate: of Adam, in logarithms of scales; it decays to zero.
        progress: show a bar on terminals.
        mesh: devices that share the rows of each batch; the result is that of one device
            up to rounding. With several hosts, the dataset is the same on each.
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
            hyper, fixed = replicated(start, self.mesh)
            batches = in_batches(rows, rows_per_device * devices, self.mesh, key_rows)
            state, bounds = climb(
                begin(hyper, first_beliefs(hyper, fixed, batches), self.mesh),
                fixed,
                batches,
                key=key_steps,
                num_steps=self.num_steps,
                rate=self.learning_rate,
                progress=self.progress,
                keep=self._checkpoint(kernel, noise, rows, key),
            )
            settled = settle(state.hyper, fixed, state.beliefs, batches, _PASSES)
            hyper, fixed, settled = on_host((state.hyper, fixed, settled))
        report = _report(bounds, num_rows, watch)
        if not np.isfinite(settled.bound):
            raise FitError("the evidence bound is not finite", report)
        return _solution(hyper, fixed, settled, key_rows), report

    def _checkpoint(self, kernel, noise, rows, key):
        if self.checkpoint is None:
            return None
        settings = (self.num, self.batch_size, self.num_steps, self.learning_rate)
        identity = (settings, kernel, noise, rows, jax.random.key_data(key))
        return Checkpoint(self.checkpoint, identity)


class InducingPointsSolution(AbstractSolution):
    """Variational posterior of the function values at the inducing points.

    `log_evidences` is the lower bound of the evidence.
    """

    hyper: Hyper
    noise: AbstractNoise
    root: Float[Array, "m m"]
    beliefs: Beliefs
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
        settled = settle(self.hyper, self.noise, self.beliefs, batches, _MORE_PASSES)
        return _solution(self.hyper, self.noise, settled, self.key), report

    def predict(self, x, known):
        draw = (self.hyper, self.noise, self.root, self.function)
        return _predict(draw, self.noise_covariance, x, known)

    def reference(self, x):
        return x, whitened_by(self.root, self.hyper, x).T

    def moments(self, x, reference):
        return _moments((self.hyper, self.root, self.function), x, reference)

    def sample_functions(self, x, key, num):
        draw = (self.hyper, self.root, self.function)
        return _sample_functions(draw, x, key, num)


def _pilot(kernel, noise, rows, num_inducing, key):
    """Hyper-parameters that an exact process finds on some rows, and inputs to begin with.

    The second answer is the noise head with its weights at their mean.
    """
    some = some_rows(rows, _PILOT_ROWS, key)
    kernel, noise = mode_of_rows(kernel, noise, rows if some is None else some, key)
    some = some_rows(rows, _CANDIDATES * num_inducing, key)
    candidates = find_sites(rows if some is None else some)
    num = min(num_inducing, int(candidates.mask.sum()))
    inducing = _least_known(kernel, candidates, num)
    return Hyper(kernel, split(noise)[0], inducing), noise


@eqx.filter_jit
def _least_known(kernel, candidates, num):
    """Inputs one by one, each where those before leave most variance of f."""
    return candidates.x[pivots(kernel, candidates.x, candidates.mask, num)]


def _solution(hyper, fixed, settled, key):
    root, function, noise = _solved(hyper, fixed, settled.beliefs)
    return InducingPointsSolution(  # pyright: ignore[reportCallIssue]
        hyper=hyper,
        noise=noise,
        root=root,
        beliefs=settled.beliefs,
        function=function,
        noise_covariance=settled.noise_covariance,
        key=key,
        log_evidences=settled.bound[None],
    )


@eqx.filter_jit
def _solved(hyper, fixed, beliefs):
    function, weights = beliefs.moments()
    noise = with_weights(hyper.noise, fixed, weights.mean)
    return whitening(hyper), function, noise


def _report(bounds, num_rows, watch):
    gain = (bounds[-1] - bounds[max(len(bounds) - 4, 0)]) / num_rows
    return FitReport(
        converged=bool(abs(gain) < _FLAT),
        message=f"evidence bound {bounds[-1]:.6g}, {gain:+.1g} a row in the last steps",
        steps=len(bounds) * CHUNK,
        seconds_compile=watch.compile,
        seconds_run=watch.run,
    )


@eqx.filter_jit
def _predict(draw, noise_covariance, x, known):
    hyper, noise, root, function = draw

    def some(x, known):
        features = whitened_by(root, hyper, x)
        mean, variance = function_moments(hyper.kernel, features, x, function)
        levels, weight = noise_levels(noise, noise_covariance, x, known)
        return mean, variance, levels, weight

    def one(row):
        return jax.tree.map(lambda a: a[..., 0], some(*(a[None] for a in row)))

    # Some at a time: features of all would be as large as the rows of training.
    mean, variance, levels, weight = jax.lax.map(one, (x, known), batch_size=_AT_ONCE)
    levels, weight = levels.T, weight.T
    mean, variance = (jnp.broadcast_to(a[None], levels.shape) for a in (mean, variance))
    return Prediction(mean, levels, variance, weight)


@eqx.filter_jit
def _moments(draw, x, reference):
    hyper, root, function = draw
    points, features_at = reference
    features = whitened_by(root, hyper, x)
    mean, variance = function_moments(hyper.kernel, features, x, function)
    change = features.T @ function.change() @ features_at.T
    covariance = hyper.kernel.gram(x, points) + change
    zero = jnp.zeros(1, mean.dtype)
    return FunctionMoments(mean[None], variance[None], covariance[None], zero)


@eqx.filter_jit
def _sample_functions(draw, x, key, num):
    hyper, root, function = draw
    features = whitened_by(root, hyper, x)
    prior = hyper.kernel.gram(x, x) + features.T @ function.covariance @ features
    rest = root_of_rest(prior, features)
    return draw_functions((function.mean @ features)[None], rest[None], key, num)


_PILOT_ROWS = 512
_CANDIDATES = 8  # rows that every inducing input is chosen from
_PASSES, _MORE_PASSES = 2, 5  # of all rows: after an ascent, and after new rows
_CONDITION_ROWS = 1024
_AT_ONCE = 4096
_FLAT = 0.01  # change of the bound a row that no prediction would notice
