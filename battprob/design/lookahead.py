"""Look-ahead acquisitions: the posterior that is expected after one more test.

A test at x with noise variance σ²(x) changes the posterior mean at r by

    c(r, x) / √(v(x) + σ²(x)) · Z,   Z ~ N(0, 1)

and reduces the variance at r by the square of that factor, whatever the outcome. The
formula also holds for a row that was tested before, so it values a repetition.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._modules import replace
from battprob._numerics.normal import log_mean_excess
from battprob._typing import Array, ArrayLike, Float
from battprob.design._fantasies import (
    Fantasies,
    condition_on,
    draw_fantasies,
    mean_fantasies,
    prepare_points,
)
from battprob.design._posterior_view import (
    as_rows,
    expected_noise_variance,
    observed_rows,
    require_function_moments,
)
from battprob.design.acquisition import (
    AbstractAcquisition,
    AbstractLogAcquisition,
    prepared,
)
from battprob.design.improvement import likely_best


class IntegratedVariance(AbstractAcquisition):
    r"""Reduction of the epistemic variance by one test, averaged over reference rows.

    $\frac1R\sum_r c(r, x)^2 / (v(x) + \sigma^2(x))$, the reduction of the integrated mean
    squared prediction error (IMSPE, in BoTorch NIPV). A test with large noise reduces
    little. `repeat_or_new` uses it to decide whether to repeat a test. Pending tests
    count as complete.

    Args:
        reference: rows [r d] over which to average; default those given to `prepare`.

    References:
        Binois, Huang, Gramacy and Ludkovski, Technometrics 61 (2019) 7, eqs 8 and 12,
        doi:10.1080/00401706.2018.1469433.
    """

    reference: Float[Array, "r d"] | None
    points: Any
    fantasies: Fantasies | None

    def __init__(self, reference: ArrayLike | None = None):
        rows = None if reference is None else as_rows(reference)
        self.reference = None if rows is None else jnp.asarray(rows)
        self.points = None
        self.fantasies = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "IntegratedVariance")
        rows = as_rows(reference) if self.reference is None else self.reference
        fantasies = mean_fantasies(posterior, pending)
        points, _ = prepare_points(posterior, rows, fantasies)
        return replace(self, points=points, fantasies=fantasies)

    def values(self, posterior, x):
        require_function_moments(posterior, "IntegratedVariance")
        points = self.reference if self.points is None else self.points
        points = prepared(points, self)
        moments = condition_on(posterior, self.fantasies).function_moments(x, points)
        total = moments.variance + expected_noise_variance(posterior, x)[None]
        reduction = jnp.mean(moments.covariance**2, axis=2) / _positive(total)
        return jnp.exp(moments.log_weight) @ reduction


class KnowledgeGradient(AbstractLogAcquisition):
    r"""Log of the expected increase of the largest posterior mean by one more test.

    $\log(E\max_r \mu_{n+1}(r) - \max_r \mu_n(r))$ over up to 48 rows that may be best and
    x itself. It is exact: the mean at each row is linear in the outcome, and the
    expectation of the maximum of lines is a sum over the breakpoints of their upper
    envelope. Unlike an improvement it depends on the noise, so that the best test may be
    a repetition. Outcomes of pending tests are drawn jointly, and the gain is averaged
    over them.

    References:
        Frazier, Powell and Dayanik, INFORMS J. Comput. 21 (2009) 599, eqs 12 to 14,
        doi:10.1287/ijoc.1080.0314.
    """

    means: Float[Array, "s r"] | None = None
    points: Any = None
    fantasies: Fantasies | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "KnowledgeGradient")
        rows = np.concatenate([observed_rows(posterior), as_rows(reference)])
        rows = np.unique(rows, axis=0)
        rows = likely_best(posterior, rows, key=key, most=_MOST_ROWS)
        fantasies = draw_fantasies(posterior, pending, key=key, num=_NUM_FANTASIES)
        points, means = prepare_points(posterior, rows, fantasies)
        return KnowledgeGradient(means, points, fantasies)

    def values(self, posterior, x):
        means, points = prepared(self.means, self), prepared(self.points, self)
        moments = condition_on(posterior, self.fantasies).function_moments(x, points)
        total = moments.variance + expected_noise_variance(posterior, x)[None]
        root = jnp.sqrt(_positive(total))[..., None]
        means = jnp.broadcast_to(means[:, None], moments.covariance.shape)
        # x itself may become the best row: it is one more line.
        means = jnp.concatenate([means, moments.mean[..., None]], axis=2)
        slopes = [moments.covariance, moments.variance[..., None]]
        slopes = jnp.concatenate(slopes, axis=2) / root
        gains = jax.vmap(jax.vmap(log_gain_of_largest))(means, slopes)
        return logsumexp(moments.log_weight[:, None] + gains, axis=0)


def log_gain_of_largest(
    intercept: Float[Array, " a"], slope: Float[Array, " a"]
) -> Float[Array, ""]:
    r"""$\log(E\max_i(a_i + b_i Z) - \max_i a_i)$ with Z standard normal.

    $\sum_i (b_{i+1} - b_i)\,(\phi(c_i) - |c_i|\Phi(-|c_i|))$ over the lines of the upper
    envelope, in order of slope; at c_i, line i + 1 exceeds line i.
    """
    order = jnp.lexsort((intercept, slope))
    a, b = intercept[order], slope[order]
    on_top = jax.lax.stop_gradient(_on_envelope(a, b))
    # The lines of the envelope first, in order of slope: the number of lines is fixed.
    index = jnp.argsort(~on_top, stable=True)
    a, b, is_last = a[index], b[index], jnp.arange(1, len(a)) >= jnp.sum(on_top)
    rise = jnp.where(is_last, 1.0, b[1:] - b[:-1])
    crossing = jnp.abs(a[1:] - a[:-1]) / rise
    crossing = jnp.where(is_last, 0.0, crossing)
    gains = jnp.log(rise) + log_mean_excess(-crossing)
    # A single line gains nothing; log 0 has no gradient, the smallest number has.
    least = jnp.log(jnp.finfo(a.dtype).tiny)
    return logsumexp(jnp.where(is_last, least, gains))


def _on_envelope(a, b):
    """Mask of the lines on the upper envelope; lines in order of slope, then intercept.

    Line i is above all flatter lines from `start`, and above all steeper ones to `end`.
    """
    rise = b[:, None] - b[None, :]
    crossing = (a[None, :] - a[:, None]) / jnp.where(rise == 0, 1.0, rise)
    start = jnp.max(jnp.where(rise > 0, crossing, -jnp.inf), axis=1)
    end = jnp.min(jnp.where(rise < 0, crossing, jnp.inf), axis=1)
    # Among parallel lines, the last has the largest intercept.
    parallel = jnp.concatenate([b[1:] == b[:-1], jnp.zeros(1, bool)])
    return (start < end) & ~parallel


def _positive(variance):
    return jnp.maximum(variance, jnp.finfo(variance.dtype).tiny ** 0.5)


_MOST_ROWS = 48
_NUM_FANTASIES = 8
