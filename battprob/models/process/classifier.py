r"""Gaussian process classification by Laplace's approximation.

At the mode f̂ of p(f | y), the Bernoulli likelihood is stood in for by Gaussian sites

    N(t; f, W⁻¹),   W = p (1 - p),   t = f̂ + (y - p) / W

(Newton's step lands on the posterior mean that these give), so that all else is the
algebra of regression: with L the likelihood,

    log q(y) = log N(t; 0, K + W⁻¹) + Σ log L(y_i | f̂_i) - log N(t_i; f̂_i, W_i⁻¹)
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg

from battprob._numerics.linear_algebra import cholesky, cholesky_solve, safe_sqrt
from battprob._numerics.normal import normal_nodes
from battprob._typing import Array, Float, Int
from battprob.dataset import Dataset
from battprob.inference import MAP
from battprob.inference.base import AbstractInference
from battprob.inference.report import FitReport
from battprob.kernels import Matern52
from battprob.kernels.base import AbstractKernel
from battprob.models._classes import class_rows, log_likelihood, require_outcomes
from battprob.models._fields import require_used_fields
from battprob.models._gaussian import log_density, solve
from battprob.models._scaling import Rows, Scaling, standardise
from battprob.models.base import AbstractClassPosterior, AbstractModel, bound
from battprob.models.process._draws import draw_functions, root_of_rest, some_rows
from battprob.predictive import ClassPredictive


class GaussianProcessClassifier(AbstractModel):
    r"""$P(y = 1) = 1 / (1 + e^{-f})$ with the log-odds $f = 5 (b + g(x))$, $g \sim GP(0, k)$.

    b ~ N(0, 1), and the priors of kernels (`battprob.kernels`) put the standard deviation
    of f between 0.3 and 5. Hyper-parameters are at the mode of Laplace's evidence
    (`MAP`, the default) or drawn about it (`Laplace`). The approximation is a little too
    sure of itself where classes hardly overlap.

    Args:
        kernel: covariance of g.
        inference: what is done about the hyper-parameters.

    Example:
        >>> import jax, numpy as np
        >>> x = np.linspace(-1, 1, 40)
        >>> data = Dataset(x, np.abs(x) > 0.5)
        >>> posterior = GaussianProcessClassifier().fit(data, key=jax.random.key(0))
        >>> (posterior.predict([-0.9, 0.0, 0.9]).mean > 0.5).tolist()
        [True, False, True]

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section
        3.4 and eq. 3.32.
    """

    kernel: AbstractKernel = eqx.field(default_factory=Matern52)
    inference: AbstractInference = eqx.field(default_factory=MAP)

    def uses(self, field):
        return False

    def fit(self, dataset, *, key) -> "GaussianProcessClassifierPosterior":
        require_used_fields(self, dataset)
        scaling, rows = class_rows(dataset)
        (kernel,) = bound((self.kernel,), dataset)
        draws, report = self.inference.run(
            _log_joint,
            kernel,
            rows,
            key=key,
            pilot=some_rows(rows, _PILOT_ROWS, key),
        )
        return _posterior(draws, rows, scaling, dataset, report)


class GaussianProcessClassifierPosterior(AbstractClassPosterior):
    """A fitted classifier; hyper-parameters carry a leading axis of draws."""

    kernel: AbstractKernel
    rows: Rows
    factor: Float[Array, "s n n"]
    alpha: Float[Array, "s n"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        together = self.dataset.append(dataset)
        require_outcomes(dataset)
        rows = standardise(together, self.scaling)
        return _posterior(self.kernel, rows, self.scaling, together, self.report)

    @property
    def uses_groups(self):
        return False

    def _standardised_predict(self, rows):
        return _predict((self.kernel, self.factor, self.alpha), self.rows, rows.x)

    def _standardised_functions(self, rows, key, num):
        draws = (self.kernel, self.factor, self.alpha)
        return _sample_functions(draws, self.rows, rows.x, key, num)


class _Sites(NamedTuple):
    """Gaussian stand-ins for the outcomes."""

    target: Float[Array, " n"]
    variance: Float[Array, " n"]


class _Search(NamedTuple):
    log_odds: Float[Array, " n"]
    change: Float[Array, ""]
    steps: Int[Array, ""]


def _gram(kernel, x1, x2):
    return _WIDTH**2 * (1 + kernel.gram(x1, x2))


def _masked_gram(kernel, rows):
    both = rows.mask[:, None] & rows.mask[None, :]
    return jnp.where(both, _gram(kernel, rows.x, rows.x), 0.0)


def _sites(log_odds, rows):
    probability = jax.nn.sigmoid(log_odds)
    # Far beyond, where an outcome is as good as certain, its site says next to nothing.
    slope = jnp.maximum(probability * (1 - probability), _LEAST_CURVATURE)
    target = log_odds + (rows.y - probability) / slope
    return _Sites(
        jnp.where(rows.mask, target, 0.0), jnp.where(rows.mask, 1 / slope, 1.0)
    )


def _coarse_root(gram, rows):
    """V with VᵀV near K, of low rank: what some of the rows say of all (Nyström)."""
    some = np.linspace(0, len(gram) - 1, min(len(gram), _COARSE_ROWS)).astype(int)
    factor = cholesky(
        gram[some][:, some] + jnp.diag(jnp.where(rows.mask[some], 0.0, 1.0))
    )
    return jax.scipy.linalg.solve_triangular(factor, gram[some], lower=True)


def _step(gram, coarse, log_odds, rows):
    """Newton's step: the posterior mean that the sites at `log_odds` give.

    Of W½ (K + W⁻¹) W½ = I + W½KW½ by conjugate gradients, for which the coarse K is all but
    an inverse: a few products with K, where a factorisation costs tens of them.
    """
    sites = _sites(log_odds, rows)
    root = jnp.where(rows.mask, 1 / jnp.sqrt(sites.variance), 0.0)
    v = jax.lax.stop_gradient(coarse * root[None])
    inner = cholesky(jnp.eye(len(v), dtype=v.dtype) + v @ v.T)
    solution, _ = cg(
        lambda vector: vector + root * (gram @ (root * vector)),
        root * sites.target,
        tol=float(jnp.finfo(gram.dtype).eps) ** 0.5,
        maxiter=_MAX_PRODUCTS,
        M=lambda vector: vector - cholesky_solve(inner, v @ vector) @ v,
    )
    return gram @ (root * solution)


def _mode(gram, coarse, rows):
    """The mode of p(f | y), by Newton's method with halved steps where it overshoots."""

    def unfinished(search):
        return (search.change > _TOLERANCE) & (search.steps < _MAX_STEPS)

    def step(search):
        change = _step(gram, coarse, search.log_odds, rows) - search.log_odds
        longest = jnp.max(jnp.abs(change))
        change = change * jnp.minimum(1.0, _LONGEST_STEP / longest)
        return _Search(search.log_odds + change, longest, search.steps + 1)

    far = jnp.asarray(jnp.inf, gram.dtype)
    start = _Search(jnp.zeros_like(rows.y), far, jnp.zeros((), int))
    return jax.lax.while_loop(unfinished, step, start).log_odds


def _approximation(kernel, rows):
    """The sites at the mode, K + W⁻¹, and how the likelihood differs from the sites."""
    gram = _masked_gram(kernel, rows)
    held = jax.lax.stop_gradient(gram)
    coarse = _coarse_root(held, rows)
    found = jax.lax.stop_gradient(_mode(held, coarse, rows))
    # One more step moves nothing, but carries how the mode depends on the kernel.
    log_odds = _step(gram, coarse, found, rows)
    sites = _sites(log_odds, rows)
    squared = (sites.target - log_odds) ** 2 / sites.variance
    log_site = -0.5 * (squared + jnp.log(2 * jnp.pi * sites.variance))
    # Padding has a site of its own, N(0; 0, 1), which the evidence counts.
    log_site = jnp.where(rows.mask, log_site, -0.5 * jnp.log(2 * jnp.pi))
    fit = jnp.where(rows.mask, log_likelihood(log_odds, rows.y), 0.0)
    return sites, gram + jnp.diag(sites.variance), jnp.sum(fit - log_site)


def _log_joint(kernel, rows):
    sites, covariance, rest = _approximation(kernel, rows)
    return log_density(sites.target, covariance) + rest + kernel.log_prior()


def _posterior(draws, rows, scaling, dataset, report):
    factor, alpha, log_evidences = _factorise(draws, rows)
    return GaussianProcessClassifierPosterior(
        kernel=draws,
        rows=rows,
        factor=factor,
        alpha=alpha,
        log_evidences=log_evidences,
        scaling=scaling,
        dataset=dataset,
        report=report,
    )


@eqx.filter_jit
def _factorise(draws, rows):
    def one(kernel):
        sites, covariance, rest = _approximation(kernel, rows)
        density, (factor, alpha) = solve(sites.target, covariance)
        return factor, alpha, density + rest

    return jax.lax.map(one, draws)


def _function(draw, rows, x):
    """Mean of f at `x`, and V with Var f = k(x, x) - VᵀV."""
    kernel, factor, alpha = draw
    cross = jnp.where(rows.mask[:, None], _gram(kernel, rows.x, x), 0.0)
    return alpha @ cross, jax.scipy.linalg.solve_triangular(factor, cross, lower=True)


@eqx.filter_jit
def _predict(draws, rows, x):
    node, log_weight = (jnp.asarray(a, x.dtype)[:, None] for a in normal_nodes(_NODES))

    def one(draw):
        mean, v = _function(draw, rows, x)
        prior = _WIDTH**2 * (1 + draw[0].diagonal(x))
        spread = safe_sqrt(prior - jnp.sum(v**2, axis=0))
        probability = jax.nn.sigmoid(mean[None] + node * spread[None])
        return probability, jnp.broadcast_to(log_weight, probability.shape)

    # Nodes of the log-odds stand for draws of them.
    probability, log_weight = (jnp.concatenate(a) for a in jax.lax.map(one, draws))
    return ClassPredictive(probability, log_weight)


@eqx.filter_jit
def _sample_functions(draws, rows, x, key, num):
    def one(draw):
        mean, v = _function(draw, rows, x)
        return mean, root_of_rest(_gram(draw[0], x, x), v)

    mean, root = jax.lax.map(one, draws)
    return draw_functions(mean, root, key, num)


_WIDTH = 5.0
_NODES = 21
_PILOT_ROWS = 256
_COARSE_ROWS = 128
_MAX_PRODUCTS = 100  # far more than K needs unless its scales are absurd
_LEAST_CURVATURE = 1e-8
_MAX_STEPS = 60
_LONGEST_STEP = 5.0
_TOLERANCE = 1e-3  # in log-odds; the step that follows squares it
