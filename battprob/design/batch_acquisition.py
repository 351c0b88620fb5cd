"""Batches valued as a whole: several tests that start together, x [m q d] -> [m].

By quasi-Monte Carlo over the joint law of the q values, with base samples that all
batches share. Sequential greedy batches (`greedy`) are nearly as good and much cheaper.
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
    Given,
    after,
    draw_running,
    ready,
    run_tests,
    sobol,
)
from battprob.design._posterior_view import (
    as_rows,
    lean,
    noise_variance,
    require_gaussian,
    tested,
    with_running,
)
from battprob.design.acquisition import prepared
from battprob.design.improvement import likeliest


class AbstractJointAcquisition(eqx.Module):
    """Worth of a batch of tests: called on a posterior and batches, larger is better."""

    @abstractmethod
    def values(self, posterior: Any, x: Float[Array, "m q d"]) -> Float[Array, " m"]:
        """Worth of every batch, differentiable; batches and posterior may be tracers."""

    @abstractmethod
    def prepare(
        self,
        posterior: Any,
        reference: ArrayLike,
        *,
        key: PRNGKey,
        pending: ArrayLike | None = None,
    ) -> "AbstractJointAcquisition":
        """As of `AbstractAcquisition`."""

    def __call__(self, posterior: Any, x: ArrayLike) -> Float[Array, " m"]:
        """Worth of every batch of `x` [m q d]; compiled as single rows are."""
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((posterior, x))):
            return self.values(posterior, jnp.asarray(x))
        batches = np.asarray(x, jnp.result_type(float))
        if batches.ndim != 3 or batches.size == 0 or batches.shape[1] > _MOST:
            raise DataError(
                f"batches must be [m, q, features] with q up to {_MOST}; got "
                f"{batches.shape}"
            )
        padded = pad_rows(jnp.asarray(batches), bucket(len(batches)))
        return _values(self, lean(posterior), padded)[: len(batches)]


@eqx.filter_jit
def _values(acquisition, posterior, x):
    return acquisition.values(posterior, x)


class JointLogNEI(AbstractJointAcquisition):
    r"""Log expected improvement of the best of a batch, over the best of what is tested.

    $\log E(\max_q f(x_q) - \max f_n)_+$ over joint draws, the $f_n$ at the rows tested and
    at tests still running as in `LogNEI`. The largest of a batch and the positive part are
    smooth, to a hundredth and a millionth (of the target's standard deviation), so that
    there is a slope everywhere.

    Args:
        best: known best value; default the draws at the rows tested.

    References:
        Ament et al., arXiv:2310.20708 (2023), eqs 10 and 12.
    """

    best: Float[Array, ""] | None
    given: Given | None
    normals: Float[Array, "z k"] | None

    def __init__(
        self,
        best: ArrayLike | None = None,
        *,
        given: Given | None = None,
        normals: Float[Array, "z k"] | None = None,
    ):
        self.best = None if best is None else jnp.asarray(best, jnp.result_type(float))
        self.given = given
        self.normals = normals

    def prepare(self, posterior, reference, *, key, pending=None):
        require_gaussian(posterior, "JointLogNEI")
        key_rows, key_batch = jax.random.split(key)
        rows = as_rows(reference)[:0]
        if self.best is None:
            rows = likeliest(posterior, tested(posterior), key=key_rows, most=32)
        rows = with_running(rows, pending)
        given = draw_running(posterior, rows, key=key_rows, num=_DRAWS)
        return JointLogNEI(self.best, given=given, normals=base_normals(key_batch))

    def values(self, posterior, x):
        normals = prepared(self.normals, self)
        mean, spread, log_weight = draw_batches(posterior, self.given, x, normals)
        least = jnp.asarray(-jnp.inf if self.best is None else self.best, x.dtype)
        bar = least if self.given is None else jnp.maximum(least, self.given.best())
        bar = jnp.broadcast_to(bar, spread.shape[1:3])
        narrow = _NARROW * posterior.scaling.y_scale
        excess = (mean + spread - bar[None, :, :, None]) / narrow
        gains = _log_softplus(excess) + jnp.log(narrow)
        best = _WIDE * logsumexp(gains / _WIDE, axis=3)
        return logsumexp(best + log_weight[None], axis=(1, 2))


class JointUCB(AbstractJointAcquisition):
    r"""Upper confidence bound of a batch, $E\max_q(\mu_q + \kappa\sqrt{\pi/2}\,|\gamma_q|)$.

    γ is a joint draw of the function about its mean; of one row it is `UCB`.

    Args:
        width: κ.

    References:
        Wilson, Hutter and Deisenroth, NeurIPS (2018), arXiv:1805.10196, table 1.
    """

    width: Float[Array, ""]
    given: Given | None
    normals: Float[Array, "z k"] | None

    def __init__(
        self,
        width: ArrayLike = 2.0,
        *,
        given: Given | None = None,
        normals: Float[Array, "z k"] | None = None,
    ):
        self.width = jnp.asarray(width, jnp.result_type(float))
        self.given = given
        self.normals = normals

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference
        require_gaussian(posterior, "JointUCB")
        given = run_tests(posterior, pending)
        return JointUCB(self.width, given=given, normals=base_normals(key))

    def values(self, posterior, x):
        normals = prepared(self.normals, self)
        mean, spread, log_weight = draw_batches(posterior, self.given, x, normals)
        reach = mean + self.width * (0.5 * jnp.pi) ** 0.5 * jnp.abs(spread)
        # By place: the slope of a maximum is where a value equals it, which rounding spoils.
        place = jax.lax.stop_gradient(jnp.argmax(reach, axis=3, keepdims=True))
        largest = jnp.take_along_axis(reach, place, axis=3)[..., 0]
        return jnp.sum(jnp.exp(log_weight)[None] * largest, axis=(1, 2))


class JointIntegratedVariance(AbstractJointAcquisition):
    r"""Epistemic variance that a batch of tests takes off, averaged over reference rows.

    $\frac1R\sum_r c_r^\top (C + N)^{-1} c_r$, exact; of one row it is
    `IntegratedVariance`.

    References:
        Binois, Huang, Gramacy and Ludkovski, Technometrics 61 (2019) 7, eq. 8,
        doi:10.1080/00401706.2018.1469433.
    """

    places: Any = None
    given: Given | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del key
        require_gaussian(posterior, "JointIntegratedVariance")
        given = run_tests(posterior, pending)
        places, _ = ready(posterior, reference, given)
        return JointIntegratedVariance(places, given)

    def values(self, posterior, x):
        places, belief = prepared(self.places, self), after(posterior, self.given)

        def one(batch):
            joint = belief.function_moments(batch, batch)
            cross = belief.function_moments(batch, places).covariance
            noise = jnp.diag(noise_variance(posterior, batch))
            taken = jax.vmap(_explained)(joint.covariance + noise[None], cross)
            return jnp.exp(joint.log_weight) @ taken / cross.shape[2]

        return jax.vmap(one)(x)


def base_normals(key: PRNGKey) -> Float[Array, "z k"]:
    """Base samples of up to `_MOST` values."""
    return jnp.asarray(sobol(key, _DRAWS, _MOST), jnp.result_type(float))


def draw_batches(
    posterior: Any,
    given: Given | None,
    x: Float[Array, "m q d"],
    normals: Float[Array, "z k"],
) -> tuple[Float[Array, "m s z q"], Float[Array, "m s z q"], Float[Array, "s z"]]:
    """Means of the function at every batch, joint draws about these, and log weights.

    Given draws are as many as there are base samples, or one; each gets a sample.
    """
    belief, num = after(posterior, given), len(normals)
    num_given = 1 if given is None else given.alpha.shape[1]
    # The same test twice has a covariance without an inverse.
    least = default_jitter(x.dtype) * posterior.scaling.y_scale**2
    jitter = least * jnp.eye(x.shape[1], dtype=x.dtype)

    def one(batch):
        moments = belief.function_moments(batch, batch)
        # What is given moves the mean, draw by draw, and the covariance for all alike.
        root = jnp.linalg.cholesky(moments.covariance[::num_given] + jitter[None])
        mean = moments.mean.reshape(-1, num_given, len(batch))
        spread = jnp.einsum("sqp,zp->szq", root, normals[:, : len(batch)])
        mean = jnp.broadcast_to(mean, spread.shape)
        weight = logsumexp(moments.log_weight.reshape(-1, num_given), axis=1)
        return mean, spread, weight

    mean, spread, weight = jax.vmap(one)(x)
    weight = jnp.broadcast_to(weight[0][:, None] - np.log(num), spread.shape[1:3])
    return mean, spread, weight


def _explained(covariance, cross):
    """Sum over columns of cᵀ C⁻¹ c."""
    root = jnp.linalg.cholesky(covariance)
    return jnp.sum(solve_triangular(root, cross, lower=True) ** 2)


def _log_softplus(x):
    """log log(1 + eˣ); x itself far below zero, where the inner one is lost."""
    low = x < -30
    return jnp.where(low, x, jnp.log(jax.nn.softplus(jnp.where(low, 0.0, x))))


_MOST = 16
_DRAWS = 512
_NARROW, _WIDE = 1e-6, 1e-2  # where the positive part, and the largest, are bent
