"""Bayesian linear regression with a noise head."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from battprob._errors import DataError
from battprob._numerics import cholesky, cholesky_solve
from battprob._typing import Array, Float
from battprob.dataset import Dataset
from battprob.inference import AbstractInference, FitReport, Laplace
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
from battprob.noise.latent import has_weights


class BayesianLinear(AbstractModel):
    r"""$y = b + w^\top x + \varepsilon$ with $w_j \sim N(0, \tau/d)$.

    Weights are integrated out in closed form, whatever the noise head; what is left, the
    prior's scale τ and the head's parameters, is explored by `inference` on the
    evidence. Features and target are standardised inside; b has a unit prior there.
    More features than rows cost no more than as many features as rows.

    Args:
        noise: how σ² depends on x.
        inference: what is done about τ and the noise; default Laplace draws.

    Prior: log τ ~ N(0, 1.5²): the features explain about as much as the target varies.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(0, 1, 20)
        >>> data = Dataset(x, 3 * x + 1)
        >>> posterior = BayesianLinear().fit(data, key=jax.random.key(0))
        >>> bool(abs(posterior.predict([2.0]).mean[0] - 7) < 0.1)
        True

    References:
        MacKay, Neural Computation 4 (1992) 415, doi:10.1162/neco.1992.4.3.415.
    """

    noise: AbstractNoise = eqx.field(default_factory=Constant)
    inference: AbstractInference = eqx.field(default_factory=Laplace)

    def fit(self, dataset, *, key):
        if has_weights(self.noise):
            raise DataError(
                "BayesianLinear cannot integrate a LatentGP out: use noise.LogLinear(), or "
                "GaussianProcess(kernels.Linear(), noise.LatentGP())"
            )
        scaling, rows = prepare(dataset, self.noise)
        axes = _axes(rows.x, rows.mask)
        (noise,) = bound((self.noise,), dataset)
        initial = LinearParameters(jnp.zeros((), rows.x.dtype), noise)
        draws, report = self.inference.run(_log_joint, initial, (rows, axes), key=key)
        return _posterior(draws, rows, axes, scaling, dataset, report)


class LinearParameters(eqx.Module):
    """Hyper-parameters: log τ and the noise head."""

    log_scale: Float[Array, "..."]
    noise: AbstractNoise


class BayesianLinearPosterior(AbstractPosterior):
    """A fitted linear model; hyper-parameters carry a leading axis of draws."""

    parameters: LinearParameters
    rows: Rows
    axes: Float[Array, "d r"] | None
    factor: Float[Array, "s r1 r1"]
    weights: Float[Array, "s r1"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        rows = standardise(together, self.scaling)
        axes = _axes(rows.x, rows.mask)
        return _posterior(
            self.parameters, rows, axes, self.scaling, together, self.report
        )

    def _standardised_predict(self, x, known):
        return _predict(self.parameters, self.axes, self.factor, self.weights, x, known)

    def _standardised_functions(self, x, key, num):
        return _sample_functions(
            self.parameters, self.axes, self.factor, self.weights, x, key, num
        )


def _axes(x, mask):
    """Directions of feature space that the rows span, or None where they span it all.

    With more features than rows the likelihood sees weights only along these; the prior
    is the same in every direction, so nothing is lost by working in them.
    """
    n, d = x.shape
    if d <= n:
        return None
    return jnp.linalg.svd(jnp.where(mask[:, None], x, 0.0), full_matrices=False)[2].T


def _design(log_scale, axes, x):
    """Columns with unit prior weights, and the prior variance outside of the axes."""
    scale = jnp.exp(0.5 * log_scale) / x.shape[1] ** 0.5
    seen = x if axes is None else x @ axes
    ones = jnp.ones((len(x), 1), x.dtype)
    unseen = jnp.sum(x**2, axis=1) - jnp.sum(seen**2, axis=1)
    columns = jnp.concatenate([ones, scale * seen], axis=1)
    return columns, scale**2 * jnp.maximum(unseen, 0.0)


def _solve(parameters, rows, axes):
    """Posterior of the unit-prior weights, N(B⁻¹c, B⁻¹), and the log evidence.

    With Φ the columns and N the noise variances, B = I + ΦᵀN⁻¹Φ and c = ΦᵀN⁻¹y; then
    log|K| = log|N| + log|B| (matrix determinant lemma) and, with w = B⁻¹c,
    yᵀK⁻¹y = (y - Φw)ᵀN⁻¹(y - Φw) + wᵀw, a sum in which nothing cancels.
    """
    columns, _ = _design(parameters.log_scale, axes, rows.x)
    variance = parameters.noise.variance(rows.x, rows.known)
    precision = jnp.where(rows.mask, 1 / jnp.where(rows.mask, variance, 1.0), 0.0)
    weighted = columns * precision[:, None]
    inner = jnp.eye(columns.shape[1], dtype=columns.dtype) + columns.T @ weighted
    factor = cholesky(inner)
    weights = cholesky_solve(factor, rows.y @ weighted)
    log_noise = jnp.where(rows.mask, jnp.log(2 * jnp.pi * variance), 0.0)
    residual = rows.y - columns @ weights
    quadratic = jnp.dot(precision, residual**2) + jnp.dot(weights, weights)
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(factor)))
    evidence = -0.5 * (quadratic + log_det + jnp.sum(log_noise))
    return factor, weights, evidence


def _log_joint(parameters, data):
    rows, axes = data
    prior = norm.logpdf(parameters.log_scale, 0.0, 1.5) + parameters.noise.log_prior()
    return _solve(parameters, rows, axes)[2] + prior


def _posterior(parameters, rows, axes, scaling, dataset, report):
    factor, weights, log_evidences = _factorise(parameters, rows, axes)
    return BayesianLinearPosterior(
        parameters=parameters,
        rows=rows,
        axes=axes,
        factor=factor,
        weights=weights,
        log_evidences=log_evidences,
        scaling=scaling,
        dataset=dataset,
        report=report,
    )


@eqx.filter_jit
def _factorise(parameters, rows, axes):
    return jax.vmap(lambda draw: _solve(draw, rows, axes))(parameters)


@eqx.filter_jit
def _predict(parameters, axes, factor, weights, x, known):
    def one(draw):
        parameters, factor, weights = draw
        columns, unseen = _design(parameters.log_scale, axes, x)
        v = jax.scipy.linalg.solve_triangular(factor, columns.T, lower=True)
        noise = parameters.noise.variance(x, known)
        return columns @ weights, noise, jnp.sum(v**2, axis=0) + unseen

    location, noise, function = jax.vmap(one)((parameters, factor, weights))
    return mixture(location, noise, function, jnp.zeros_like(location))


@eqx.filter_jit
def _sample_functions(parameters, axes, factor, weights, x, key, num):
    key_draw, key_seen, key_unseen = jax.random.split(key, 3)
    chosen = jax.random.randint(key_draw, (num,), 0, len(weights))
    seen = jax.random.normal(key_seen, (num, weights.shape[1]), x.dtype)
    unseen = jax.random.normal(key_unseen, (num, x.shape[1]), x.dtype)

    def one(draw):
        log_scale, factor, weights, seen, unseen = draw
        columns, _ = _design(log_scale, axes, x)
        spread = jax.scipy.linalg.solve_triangular(factor, seen, lower=True, trans=1)
        function = columns @ (weights + spread)
        if axes is None:
            return function
        # Weights outside the axes are still at their prior.
        outside = unseen - axes @ (axes.T @ unseen)
        return function + jnp.exp(0.5 * log_scale) / x.shape[1] ** 0.5 * (x @ outside)

    scales = parameters.log_scale
    draws = (scales[chosen], factor[chosen], weights[chosen], seen, unseen)
    return jax.vmap(one)(draws)
