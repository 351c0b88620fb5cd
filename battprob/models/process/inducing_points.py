"""Gaussian process regression on inducing inputs, for up to millions of rows."""

import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from battprob._errors import FitError
from battprob._typing import Array, Float, PRNGKey
from battprob.dataset import Dataset
from battprob.inference.report import FitReport, stopwatch
from battprob.kernels import Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models._noise_level import noise_levels
from battprob.models._replicates import find_sites
from battprob.models._scaling import Scaling, prepare, standardise
from battprob.models.base import (
    AbstractGaussianPosterior,
    AbstractModel,
    FunctionMoments,
    bound,
    mixture,
)
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
from battprob.noise import Constant
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import split


class SparseGaussianProcess(AbstractModel):
    r"""$y = f(x) + \varepsilon$ as `GaussianProcess`, where rows are too many for it.

    The process is seen through its values at `num_inducing` inputs, which are learned, and
    the noise through its head: all heads of the exact process, a second process
    (`LatentGP`) included. Costs grow with rows times the square of `num_inducing`. An exact
    process on 512 of the rows gives the start; batches then climb the evidence's lower
    bound, and last the beliefs are brought to their best for all rows.

    Args:
        kernel: covariance of f.
        noise: how σ² depends on x.
        num_inducing: how many inputs stand for all; more follow a rougher f.
        batch_size: rows in a step.
        num_steps: steps of the ascent, rounded up to fifties.
        rate: length of a step in logarithms of scales (Adam's, falling to nothing).
        progress: show a bar on terminals.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(0, 1, 60)
        >>> data = Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
        >>> model = SparseGaussianProcess(num_inducing=8, num_steps=50)
        >>> posterior = model.fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([0.5]).mean[0] - np.sin(3)) < 0.05)
        True

    References:
        Hensman, Fusi and Lawrence, Gaussian processes for big data, UAI 29 (2013) 282;
        Saul, Hensman, Vehtari and Lawrence, Chained Gaussian processes, AISTATS 19 (2016)
        1431, for the two functions.
    """

    kernel: AbstractKernel = eqx.field(default_factory=Matern52)
    noise: AbstractNoise = eqx.field(default_factory=Constant)
    num_inducing: int = eqx.field(default=256, static=True)
    batch_size: int = eqx.field(default=1024, static=True)
    num_steps: int = eqx.field(default=1000, static=True)
    rate: float = eqx.field(default=0.02, static=True)
    progress: bool = eqx.field(default=True, static=True)

    def __check_init__(self):
        for name in ("num_inducing", "batch_size", "num_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")

    def fit(
        self,
        dataset: Dataset,
        *,
        key: PRNGKey,
        mesh: Mesh | None = None,
        checkpoint: str | os.PathLike | None = None,
    ) -> "SparseGaussianProcessPosterior":
        """Learn from `dataset`, on the devices of `mesh` (default: one).

        Args:
            dataset: rows and targets; on several hosts, the same on each.
            key: PRNG key.
            mesh: every device gets its share of the rows of every batch; the answer is
                that of one device but for rounding.
            checkpoint: a file that keeps the ascent; a fit that was killed goes on from
                there when called again, to the same answer.

        Raises:
            DataError: labels are censored, noise is Student-t, or the checkpoint is of
                another fit.
            FitError: the bound is not finite.
        """
        key_pilot, key_rows, key_steps = jax.random.split(key, 3)
        scaling, rows = prepare(dataset, self.noise)
        kernel, noise = bound((self.kernel, self.noise), dataset)
        devices = 1 if mesh is None else mesh.size
        share = -(-min(self.batch_size, dataset.num_rows) // devices)
        keep = None
        if checkpoint is not None:
            keep = Checkpoint(checkpoint, (self, dataset, jax.random.key_data(key)))
        with stopwatch() as watch:
            start = _pilot(kernel, noise, rows, self.num_inducing, key_pilot)
            hyper, fixed = replicated(start, mesh)
            batches = in_batches(rows, share * devices, mesh, key_rows)
            state, bounds = climb(
                begin(hyper, first_beliefs(hyper, fixed, batches), mesh),
                fixed,
                batches,
                key=key_steps,
                num_steps=self.num_steps,
                rate=self.rate,
                progress=self.progress,
                keep=keep,
            )
            settled = settle(state.hyper, fixed, state.beliefs, batches, _PASSES)
            hyper, fixed, settled = on_host((state.hyper, fixed, settled))
        report = _report(bounds, dataset.num_rows, watch)
        if not np.isfinite(settled.bound):
            raise FitError("the evidence bound is not finite", report)
        return _posterior(hyper, fixed, settled, scaling, dataset, report)


class SparseGaussianProcessPosterior(AbstractGaussianPosterior):
    """A fitted sparse process; its `log_evidence` is a lower bound of the evidence."""

    hyper: Hyper
    noise: AbstractNoise
    root: Float[Array, "m m"]
    beliefs: Beliefs
    function: Moments
    noise_covariance: Float[Array, "q q"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        size = min(_CONDITION_ROWS, together.num_rows)
        batches = in_batches(rows, size, None, jax.random.key(0))
        settled = settle(self.hyper, self.noise, self.beliefs, batches, _MORE_PASSES)
        return _posterior(
            self.hyper, self.noise, settled, self.scaling, together, self.report
        )

    @property
    def uses_groups(self):
        return False

    def _standardised_predict(self, x, known, groups):
        del groups
        draw = (self.hyper, self.noise, self.root, self.function)
        return _predict(draw, self.noise_covariance, x, known)

    def _standardised_functions(self, x, groups, key, num):
        del groups
        draw = (self.hyper, self.root, self.function)
        return _sample_functions(draw, x, key, num)

    def _standardised_weights(self, at):
        del at

    def _standardised_moments(self, x, at, weights):
        del weights
        return _moments((self.hyper, self.root, self.function), x, at)


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


def _posterior(hyper, fixed, settled, scaling, dataset, report):
    root, function, noise = _solved(hyper, fixed, settled.beliefs)
    return SparseGaussianProcessPosterior(
        hyper=hyper,
        noise=noise,
        root=root,
        beliefs=settled.beliefs,
        function=function,
        noise_covariance=settled.noise_covariance,
        log_evidences=settled.bound[None],
        scaling=scaling,
        dataset=dataset,
        report=report,
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
    return mixture(mean, levels, variance, weight)


@eqx.filter_jit
def _moments(draw, x, at):
    hyper, root, function = draw
    features, features_at = (whitened_by(root, hyper, rows) for rows in (x, at))
    mean, variance = function_moments(hyper.kernel, features, x, function)
    change = features.T @ function.change() @ features_at
    covariance = hyper.kernel.gram(x, at) + change
    none = jnp.zeros(1, mean.dtype)
    return FunctionMoments(mean[None], variance[None], covariance[None], none)


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
