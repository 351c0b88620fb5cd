"""Exact Gaussian process regression with a noise head."""

import equinox as eqx
import jax
import jax.numpy as jnp

from battprob._numerics import cholesky, cholesky_solve, default_jitter
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.inference import MAP, AbstractInference, FitReport
from battprob.kernels import AbstractKernel, Matern52
from battprob.models._gaussian import log_density
from battprob.models._noise_level import head_covariance, noise_levels
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
from battprob.noise import AbstractNoise, Constant


class GaussianProcess(AbstractModel):
    r"""$y = f(x) + \varepsilon$, $f \sim GP(0, k)$, $\varepsilon \sim N(0, \sigma^2(x))$.

    Features and target are standardised inside and restored in the answer. Exact for
    given hyper-parameters; these are at their mode (`MAP`, the default) or drawn
    (`Laplace`). At the mode the noise level still keeps its own posterior uncertainty.

    Args:
        kernel: covariance of f.
        noise: how σ² depends on x.
        inference: what is done about the hyper-parameters.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, np.sin(6 * x), feature_names=["state_of_charge"])
        >>> posterior = GaussianProcess().fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([0.5]).mean[0] - np.sin(3)) < 0.01)
        True

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), ch. 2, 5.
    """

    kernel: AbstractKernel = eqx.field(default_factory=Matern52)
    noise: AbstractNoise = eqx.field(default_factory=Constant)
    inference: AbstractInference = eqx.field(default_factory=MAP)

    def fit(self, dataset, *, key):
        scaling, rows = prepare(dataset, self.noise)
        initial = bound((self.kernel, self.noise), dataset)
        draws, report = self.inference.run(_log_joint, initial, rows, key=key)
        return _posterior(draws, rows, scaling, dataset, report)


class GaussianProcessPosterior(AbstractPosterior):
    """A fitted Gaussian process; hyper-parameters carry a leading axis of draws."""

    kernel: AbstractKernel
    noise: AbstractNoise
    rows: Rows
    factor: Float[Array, "s n n"]
    alpha: Float[Array, "s n"]
    noise_covariance: Float[Array, "q q"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        draws = (self.kernel, self.noise)
        return _posterior(draws, rows, self.scaling, together, self.report)

    def _standardised_predict(self, x, known):
        return _predict(
            (self.kernel, self.noise),
            self.rows,
            (self.factor, self.alpha, self.noise_covariance),
            x,
            known,
        )

    def _standardised_functions(self, x, key, num):
        cache = (self.factor, self.alpha)
        return _sample_functions(self.kernel, self.rows, cache, x, key, num)


def _covariance(kernel, noise, rows):
    """Covariance of the targets; a masked row is independent of all, variance one."""
    both = rows.mask[:, None] & rows.mask[None, :]
    gram = jnp.where(both, kernel.gram(rows.x, rows.x), 0.0)
    variance = jnp.where(rows.mask, noise.variance(rows.x, rows.known), 1.0)
    return gram + jnp.diag(variance)


def _log_evidence(kernel, noise, rows):
    # A masked row is N(0; 0, 1): what it adds is taken away again.
    padding = jnp.sum(jnp.where(rows.mask, 0.0, 0.5 * jnp.log(2 * jnp.pi)))
    return log_density(rows.y, _covariance(kernel, noise, rows)) + padding


def _log_joint(parameters, rows):
    kernel, noise = parameters
    prior = kernel.log_prior() + noise.log_prior()
    return _log_evidence(kernel, noise, rows) + prior


def _posterior(draws, rows, scaling, dataset, report):
    kernel, noise = draws
    factor, alpha, noise_covariance, log_evidences = _factorise(draws, rows)
    return GaussianProcessPosterior(
        kernel=kernel,
        noise=noise,
        rows=rows,
        factor=factor,
        alpha=alpha,
        noise_covariance=noise_covariance,
        log_evidences=log_evidences,
        scaling=scaling,
        dataset=dataset,
        report=report,
    )


@eqx.filter_jit
def _factorise(draws, rows):
    def one(parameters):
        kernel, noise = parameters
        factor = cholesky(_covariance(kernel, noise, rows))
        evidence = _log_evidence(kernel, noise, rows)
        return factor, cholesky_solve(factor, rows.y), evidence

    # One draw at a time: memory stays that of the answer.
    factor, alpha, evidence = jax.lax.map(one, draws)
    noise = jax.tree.map(lambda leaf: leaf[0], draws[1])
    return factor, alpha, head_covariance(noise, rows, factor[0]), evidence


def _function(kernel, rows, factor, alpha, x):
    """Mean of f at `x`, and V with Var f = k(x, x) - VᵀV."""
    cross = jnp.where(rows.mask[:, None], kernel.gram(rows.x, x), 0.0)
    v = jax.scipy.linalg.solve_triangular(factor, cross, lower=True)
    return alpha @ cross, v


@eqx.filter_jit
def _predict(draws, rows, cache, x, known):
    factor, alpha, covariance = cache

    def one(draw):
        (kernel, noise), factor, alpha = draw
        mean, v = _function(kernel, rows, factor, alpha, x)
        variance = jnp.maximum(kernel.diagonal(x) - jnp.sum(v**2, axis=0), 0.0)
        return mean, variance, noise.variance(x, known)

    location, function, noise = jax.lax.map(one, (draws, factor, alpha))
    weight = jnp.zeros_like(location)
    if len(location) == 1:
        # At a mode the spread of draws is missing; the noise level's is put back.
        mode = jax.tree.map(lambda leaf: leaf[0], draws[1])
        noise, weight = noise_levels(mode, covariance, x, known)
        location, function = (
            jnp.broadcast_to(a, noise.shape) for a in (location, function)
        )
    return mixture(location, noise, function, weight)


@eqx.filter_jit
def _sample_functions(kernels, rows, cache, x, key, num):
    key_draw, key_function = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(cache[1]))

    def one(draw):
        kernel, factor, alpha = draw
        mean, v = _function(kernel, rows, factor, alpha, x)
        # A difference: what little it leaves has the rounding errors of the prior.
        rounding = default_jitter(x.dtype) * jnp.mean(kernel.diagonal(x))
        rounding = rounding * jnp.eye(len(x), dtype=x.dtype)
        return mean, cholesky(kernel.gram(x, x) - v.T @ v + rounding)

    mean, root = jax.lax.map(one, (kernels, *cache))
    noise = jax.random.normal(key_function, (num, len(x)), x.dtype)
    return mean[chosen] + jnp.einsum("snm,sm->sn", root[chosen], noise)
