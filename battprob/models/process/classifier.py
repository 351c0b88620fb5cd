r"""Gaussian process classification by Laplace's approximation.

At the mode f̂ of p(f | y), Gaussian pseudo-observations replace the Bernoulli likelihood:

    N(t; f, W⁻¹),   W = p (1 - p),   t = f̂ + (y - p) / W

A Newton step moves f to their posterior mean. The rest is the algebra of regression. With
L the likelihood, the evidence is

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
from battprob.models.process._draws import (
    draw_functions,
    posterior_root,
    random_subset,
)
from battprob.predictive import ClassPredictive

_SCALE = 5.0  # standard deviation of b, in log-odds
_NODES = 21
_PILOT_ROWS = 256  # rows on which starting points are compared
_NYSTROM_ROWS = 128
_MAX_PRODUCTS = 100  # far more than K needs, unless its scales are extreme
_MIN_CURVATURE = 1e-8
_MAX_STEPS = 60
_MAX_CHANGE = 5.0  # of the log-odds in a Newton step
_TOLERANCE = 1e-3  # of the log-odds; the step that follows squares the error


class GaussianProcessClassifier(AbstractModel):
    r"""$P(y = 1) = 1 / (1 + e^{-f})$ with the log-odds $f = 5 (b + g(x))$, $g \sim GP(0, k)$.

    b ~ N(0, 1), and the priors of kernels (`battprob.kernels`) put the standard deviation
    of f between 0.3 and 5. The hyper-parameters are at the mode of Laplace's evidence
    (`MAP`, the default) or drawn around it (`Laplace`). The approximation is slightly
    overconfident where the classes hardly overlap.

    Args:
        kernel: covariance of g.
        inference: how the hyper-parameters are found.

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
            pilot=random_subset(rows, _PILOT_ROWS, key),
        )
        return _posterior(draws, rows, scaling, dataset, report)


class GaussianProcessClassifierPosterior(AbstractClassPosterior):
    """Posterior of a classifier; hyper-parameters have a leading axis of draws."""

    kernel: AbstractKernel
    rows: Rows
    factor: Float[Array, "s n n"]
    alpha: Float[Array, "s n"]
    log_evidences: Float[Array, " s"]
    scaling: Scaling
    dataset: Dataset
    report: FitReport = eqx.field(static=True)

    def condition(self, dataset):
        combined = self.dataset.append(dataset)
        require_outcomes(dataset)
        rows = standardise(combined, self.scaling)
        return _posterior(self.kernel, rows, self.scaling, combined, self.report)

    @property
    def uses_groups(self):
        return False

    def _standardised_predict(self, rows):
        return _predict((self.kernel, self.factor, self.alpha), self.rows, rows.x)

    def _standardised_functions(self, rows, key, num):
        draws = (self.kernel, self.factor, self.alpha)
        return _sample_functions(draws, self.rows, rows.x, key, num)


class _PseudoObservations(NamedTuple):
    """Gaussian observations t of f with variance 1/W, in place of the labels."""

    target: Float[Array, " n"]
    variance: Float[Array, " n"]


class _NewtonState(NamedTuple):
    log_odds: Float[Array, " n"]
    change: Float[Array, ""]
    steps: Int[Array, ""]


def _gram(kernel, x1, x2):
    return _SCALE**2 * (1 + kernel.gram(x1, x2))


def _masked_gram(kernel, rows):
    both = rows.mask[:, None] & rows.mask[None, :]
    return jnp.where(both, _gram(kernel, rows.x, rows.x), 0.0)


def _pseudo_observations(log_odds, rows):
    probability = jax.nn.sigmoid(log_odds)
    # The curvature p (1 - p) rounds to zero at large log-odds, where a label is almost
    # certain and its pseudo-observation has almost no information.
    curvature = jnp.maximum(probability * (1 - probability), _MIN_CURVATURE)
    target = log_odds + (rows.y - probability) / curvature
    return _PseudoObservations(
        jnp.where(rows.mask, target, 0.0), jnp.where(rows.mask, 1 / curvature, 1.0)
    )


def _nystrom_factor(gram, rows):
    """V of low rank with VᵀV near K, from a subset of the rows (Nyström)."""
    size = min(len(gram), _NYSTROM_ROWS)
    subset = np.linspace(0, len(gram) - 1, size).astype(int)
    # Ones on the diagonal of padded rows keep the matrix invertible.
    padding = jnp.diag(jnp.where(rows.mask[subset], 0.0, 1.0))
    factor = cholesky(gram[subset][:, subset] + padding)
    return jax.scipy.linalg.solve_triangular(factor, gram[subset], lower=True)


def _newton_step(gram, v, log_odds, rows):
    """Newton's step: the posterior mean given the pseudo-observations at `log_odds`.

    The system of W½ (K + W⁻¹) W½ = I + W½KW½ is solved by conjugate gradients. With V as
    preconditioner this takes a few products with K; a Cholesky factorisation costs as much
    as tens of them. Fits of 1000 rows take a quarter of the time.
    """
    pseudo = _pseudo_observations(log_odds, rows)
    root = jnp.where(rows.mask, 1 / jnp.sqrt(pseudo.variance), 0.0)
    # The preconditioner changes the number of iterations only: it needs no gradient.
    v = jax.lax.stop_gradient(v * root[None])
    inner = cholesky(jnp.eye(len(v), dtype=v.dtype) + v @ v.T)
    solution, _ = cg(
        lambda vector: vector + root * (gram @ (root * vector)),
        root * pseudo.target,
        tol=float(jnp.finfo(gram.dtype).eps) ** 0.5,
        maxiter=_MAX_PRODUCTS,
        M=lambda vector: vector - cholesky_solve(inner, v @ vector) @ v,
    )
    return gram @ (root * solution)


def _mode(gram, v, rows):
    """The mode of p(f | y), by Newton's method with steps of limited length."""

    def unfinished(state):
        return (state.change > _TOLERANCE) & (state.steps < _MAX_STEPS)

    def step(state):
        change = _newton_step(gram, v, state.log_odds, rows) - state.log_odds
        largest = jnp.max(jnp.abs(change))
        # Full steps from far away overshoot to labels that are almost certain.
        change = change * jnp.minimum(1.0, _MAX_CHANGE / largest)
        return _NewtonState(state.log_odds + change, largest, state.steps + 1)

    infinite = jnp.asarray(jnp.inf, gram.dtype)
    start = _NewtonState(jnp.zeros_like(rows.y), infinite, jnp.zeros((), int))
    return jax.lax.while_loop(unfinished, step, start).log_odds


def _approximation(kernel, rows):
    """Pseudo-observations at the mode, K + W⁻¹, and Σ log L - log N of the evidence."""
    gram = _masked_gram(kernel, rows)
    constant_gram = jax.lax.stop_gradient(gram)
    v = _nystrom_factor(constant_gram, rows)
    mode = jax.lax.stop_gradient(_mode(constant_gram, v, rows))
    # One more step does not change the mode, but has its derivative in the kernel:
    # `while_loop` has no reverse-mode derivative, and `cg` has an implicit one.
    log_odds = _newton_step(gram, v, mode, rows)
    pseudo = _pseudo_observations(log_odds, rows)
    squared = (pseudo.target - log_odds) ** 2 / pseudo.variance
    log_pseudo = -0.5 * (squared + jnp.log(2 * jnp.pi * pseudo.variance))
    # Padding has the density N(0; 0, 1) in log q(y), which is removed here.
    log_pseudo = jnp.where(rows.mask, log_pseudo, -0.5 * jnp.log(2 * jnp.pi))
    log_label = jnp.where(rows.mask, log_likelihood(log_odds, rows.y), 0.0)
    covariance = gram + jnp.diag(pseudo.variance)
    return pseudo, covariance, jnp.sum(log_label - log_pseudo)


def _log_joint(kernel, rows):
    pseudo, covariance, correction = _approximation(kernel, rows)
    return log_density(pseudo.target, covariance) + correction + kernel.log_prior()


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
    def one_draw(kernel):
        pseudo, covariance, correction = _approximation(kernel, rows)
        density, (factor, alpha) = solve(pseudo.target, covariance)
        return factor, alpha, density + correction

    return jax.lax.map(one_draw, draws)


def _function(draw, rows, x):
    """Mean of f at `x`, and V with Var f = k(x, x) - VᵀV."""
    kernel, factor, alpha = draw
    cross = jnp.where(rows.mask[:, None], _gram(kernel, rows.x, x), 0.0)
    return alpha @ cross, jax.scipy.linalg.solve_triangular(factor, cross, lower=True)


@eqx.filter_jit
def _predict(draws, rows, x):
    node, log_weight = (jnp.asarray(a, x.dtype)[:, None] for a in normal_nodes(_NODES))

    def one_draw(draw):
        mean, v = _function(draw, rows, x)
        prior = _SCALE**2 * (1 + draw[0].diagonal(x))
        std = safe_sqrt(prior - jnp.sum(v**2, axis=0))
        probability = jax.nn.sigmoid(mean[None] + node * std[None])
        return probability, jnp.broadcast_to(log_weight, probability.shape)

    # Quadrature nodes of the log-odds take the place of draws.
    probability, log_weight = (jnp.concatenate(a) for a in jax.lax.map(one_draw, draws))
    return ClassPredictive(probability, log_weight)


@eqx.filter_jit
def _sample_functions(draws, rows, x, key, num):
    def one_draw(draw):
        mean, v = _function(draw, rows, x)
        return mean, posterior_root(_gram(draw[0], x, x), v)

    mean, root = jax.lax.map(one_draw, draws)
    return draw_functions(mean, root, key, num)
