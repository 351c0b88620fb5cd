"""Batch acquisitions: the joint value of several tests, x [m q d] -> [m].

They use quasi-Monte Carlo over the joint distribution of the q values, with base samples
that all batches share (in BoTorch, the acquisitions that begin with q). Greedy batches
(`greedy`) are nearly as good and much cheaper.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from battprob._errors import DataError
from battprob._numerics.linear_algebra import default_jitter
from battprob._padding import bucket, pad_rows
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.design._fantasies import (
    Fantasies,
    condition_on,
    draw_fantasies,
    mean_fantasies,
    prepare_points,
    sobol,
)
from battprob.design._posterior_view import (
    as_rows,
    expected_noise_variance,
    for_prediction,
    observed_rows,
    require_function_moments,
    with_pending,
)
from battprob.design.acquisition import prepared
from battprob.design.improvement import likely_best


class AbstractBatchAcquisition(eqx.Module):
    """Joint value of a batch of tests, given a posterior; larger values are better.

    To write one, follow the steps of `AbstractAcquisition`; only the shape of `x`
    differs. Rows have the columns and units of `Space.encode`, and the posterior is on
    the scale of the model.
    """

    @abstractmethod
    def values(self, posterior: Any, x: Float[Array, "m q d"]) -> Float[Array, " m"]:
        """Value of each batch of q rows, differentiable in `x`.

        This method runs inside of compiled programs: posterior and batches may be
        tracers, and nothing is checked.
        """

    @abstractmethod
    def prepare(
        self,
        posterior: Any,
        reference: ArrayLike,
        *,
        key: PRNGKey,
        pending: ArrayLike | None = None,
    ) -> "AbstractBatchAcquisition":
        """A copy with all quantities that depend on the data.

        Args:
            posterior: posterior of the target.
            reference: rows [r d] that cover the space evenly.
            key: PRNG key of the base samples, which all batches share.
            pending: rows [p d] of tests that have started but have no result yet.
        """

    def __call__(self, posterior: Any, x: ArrayLike) -> Float[Array, " m"]:
        """Value of each batch of `x` [m q d]; compiled as `AbstractAcquisition` is."""
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((posterior, x))):
            return self.values(posterior, jnp.asarray(x))
        batches = np.asarray(x, jnp.result_type(float))
        if batches.ndim != 3 or batches.size == 0 or batches.shape[1] > _MOST:
            raise DataError(
                f"batches must be [m, q, features] with q up to {_MOST}; got "
                f"{batches.shape}"
            )
        padded = pad_rows(jnp.asarray(batches), bucket(len(batches)))
        return _values(self, for_prediction(posterior), padded)[: len(batches)]


@eqx.filter_jit
def _values(acquisition, posterior, x):
    return acquisition.values(posterior, x)


class BatchLogNEI(AbstractBatchAcquisition):
    r"""Log noisy expected improvement of the best test of a batch.

    $\log E(\max_q f(x_q) - \max f_n)_+$ over joint draws, the $f_n$ at the observed rows
    and at pending tests as in `LogNEI`. The maximum and the positive part are smoothed,
    over 1e-2 in logarithm and 1e-6 standard deviations of the target, so that the
    gradient vanishes nowhere.

    Args:
        best: known best value, on the scale of the model; default the largest of each
            draw at the observed rows.

    References:
        Ament et al., arXiv:2310.20708 (2023), eqs 10 and 12.
    """

    best: Float[Array, ""] | None
    fantasies: Fantasies | None
    normals: Float[Array, "z k"] | None

    def __init__(
        self,
        best: ArrayLike | None = None,
        *,
        fantasies: Fantasies | None = None,
        normals: Float[Array, "z k"] | None = None,
    ):
        self.best = None if best is None else jnp.asarray(best, jnp.result_type(float))
        self.fantasies = fantasies
        self.normals = normals

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "BatchLogNEI")
        key_rows, key_batch = jax.random.split(key)
        rows = as_rows(reference)[:0]
        if self.best is None:
            observed = observed_rows(posterior)
            rows = likely_best(posterior, observed, key=key_rows, most=_MOST_ROWS)
        rows = with_pending(rows, pending)
        fantasies = draw_fantasies(
            posterior, rows, key=key_rows, num=_NUM_DRAWS, noisy=False
        )
        normals = base_normals(key_batch)
        return BatchLogNEI(self.best, fantasies=fantasies, normals=normals)

    def values(self, posterior, x):
        normals = prepared(self.normals, self)
        draws = draw_batches(posterior, self.fantasies, x, normals)
        best = jnp.asarray(-jnp.inf if self.best is None else self.best, x.dtype)
        if self.fantasies is not None:
            best = jnp.maximum(best, self.fantasies.best())
        best = jnp.broadcast_to(best, draws.mean.shape[1:3])
        width = _SOFTPLUS_WIDTH * posterior.scaling.y_scale
        excess = (draws.mean + draws.deviation - best[None, :, :, None]) / width
        gains = _log_softplus(excess) + jnp.log(width)
        largest = _SOFTMAX_WIDTH * logsumexp(gains / _SOFTMAX_WIDTH, axis=3)
        return logsumexp(largest + draws.log_weight[None], axis=(1, 2))


class BatchUCB(AbstractBatchAcquisition):
    r"""Upper confidence bound of a batch, $E\max_q(\mu_q + \kappa\sqrt{\pi/2}\,|\gamma_q|)$.

    γ is a joint draw of the function minus its mean. For one row it equals `UCB`.

    Args:
        width: κ.

    References:
        Wilson, Hutter and Deisenroth, NeurIPS (2018), arXiv:1805.10196, table 1.
    """

    width: Float[Array, ""]
    fantasies: Fantasies | None
    normals: Float[Array, "z k"] | None

    def __init__(
        self,
        width: ArrayLike = 2.0,
        *,
        fantasies: Fantasies | None = None,
        normals: Float[Array, "z k"] | None = None,
    ):
        self.width = jnp.asarray(width, jnp.result_type(float))
        self.fantasies = fantasies
        self.normals = normals

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "BatchUCB")
        fantasies = mean_fantasies(posterior, pending)
        return BatchUCB(self.width, fantasies=fantasies, normals=base_normals(key))

    def values(self, posterior, x):
        normals = prepared(self.normals, self)
        draws = draw_batches(posterior, self.fantasies, x, normals)
        scale = self.width * (0.5 * jnp.pi) ** 0.5
        bound = draws.mean + scale * jnp.abs(draws.deviation)
        # `max` divides its gradient among equal values, and rounding decides which are
        # equal; the gradient of an indexed value is exact.
        index = jax.lax.stop_gradient(jnp.argmax(bound, axis=3, keepdims=True))
        largest = jnp.take_along_axis(bound, index, axis=3)[..., 0]
        return jnp.sum(jnp.exp(draws.log_weight)[None] * largest, axis=(1, 2))


class BatchIntegratedVariance(AbstractBatchAcquisition):
    r"""Reduction of the epistemic variance by a batch, averaged over reference rows.

    $\frac1R\sum_r c_r^\top (C + N)^{-1} c_r$, exact. For one row it equals
    `IntegratedVariance`.

    References:
        Binois, Huang, Gramacy and Ludkovski, Technometrics 61 (2019) 7, eq. 8,
        doi:10.1080/00401706.2018.1469433.
    """

    points: Any = None
    fantasies: Fantasies | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "BatchIntegratedVariance")
        fantasies = mean_fantasies(posterior, pending)
        points, _ = prepare_points(posterior, reference, fantasies)
        return BatchIntegratedVariance(points, fantasies)

    def values(self, posterior, x):
        points = prepared(self.points, self)
        conditioned = condition_on(posterior, self.fantasies)

        def reduction(batch):
            joint = conditioned.function_moments(batch, batch)
            cross = conditioned.function_moments(batch, points).covariance
            noise = jnp.diag(expected_noise_variance(posterior, batch))
            explained = jax.vmap(_explained)(joint.covariance + noise[None], cross)
            return jnp.exp(joint.log_weight) @ explained / cross.shape[2]

        return jax.vmap(reduction)(x)


class BatchDraws(eqx.Module):
    """Joint draws of the function at batches: mean plus deviation, and log weights."""

    mean: Float[Array, "m s z q"]
    deviation: Float[Array, "m s z q"]
    log_weight: Float[Array, "s z"]


def base_normals(key: PRNGKey) -> Float[Array, "z k"]:
    """Standard normal base samples for batches of up to 16 rows."""
    return jnp.asarray(sobol(key, _NUM_DRAWS, _MOST), jnp.result_type(float))


def draw_batches(
    posterior: Any,
    fantasies: Fantasies | None,
    x: Float[Array, "m q d"],
    normals: Float[Array, "z k"],
) -> BatchDraws:
    """Joint draws of the function at each batch, conditioned on fantasies.

    There are as many fantasies as base samples, one for each, or a single one.
    """
    conditioned, num = condition_on(posterior, fantasies), len(normals)
    num_fantasies = 1 if fantasies is None else fantasies.alpha.shape[1]
    # A batch that repeats a row has a singular covariance.
    variance = default_jitter(x.dtype) * posterior.scaling.y_scale**2
    jitter = variance * jnp.eye(x.shape[1], dtype=x.dtype)

    def draw(batch):
        moments = conditioned.function_moments(batch, batch)
        # All fantasies of a posterior draw have the same covariance, so one Cholesky
        # factor serves for them.
        covariance = moments.covariance[::num_fantasies]
        root = jnp.linalg.cholesky(covariance + jitter[None])
        mean = moments.mean.reshape(-1, num_fantasies, len(batch))
        deviation = jnp.einsum("sqp,zp->szq", root, normals[:, : len(batch)])
        mean = jnp.broadcast_to(mean, deviation.shape)
        by_draw = moments.log_weight.reshape(-1, num_fantasies)
        return mean, deviation, logsumexp(by_draw, axis=1)

    mean, deviation, weight = jax.vmap(draw)(x)
    # The weights are those of posterior draws, the same for all batches.
    weight = weight[0][:, None] - np.log(num)
    return BatchDraws(mean, deviation, jnp.broadcast_to(weight, deviation.shape[1:3]))


def _explained(covariance, cross):
    """Sum over the columns c of `cross` of cᵀ C⁻¹ c."""
    root = jnp.linalg.cholesky(covariance)
    return jnp.sum(solve_triangular(root, cross, lower=True) ** 2)


def _log_softplus(x):
    """log log(1 + eˣ), which is x to all digits for x far below zero."""
    # There 1 + eˣ rounds to one, so the inner logarithm would be zero.
    low = x < -30
    return jnp.where(low, x, jnp.log(jax.nn.softplus(jnp.where(low, 0.0, x))))


_MOST = 16
_MOST_ROWS = 32
_NUM_DRAWS = 512
_SOFTPLUS_WIDTH, _SOFTMAX_WIDTH = 1e-6, 1e-2
