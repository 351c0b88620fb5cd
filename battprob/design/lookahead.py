"""Look-ahead: what would be believed after a test, before it is run.

One more test at x with noise σ²(x) moves the function at r by

    c(r, x) / √(v(x) + σ²(x)) · Z,   Z ~ N(0, 1)

and takes the square of that factor off its variance, whatever comes out. A row that has
been tested may be tested again: the same formula says what that is worth.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._modules import replace
from battprob._numerics.normal import log_mean_excess
from battprob._typing import Array, ArrayLike, Float
from battprob.design._fantasies import Given, after, draw_tests, ready, run_tests
from battprob.design._posterior_view import (
    as_rows,
    noise_variance,
    require_gaussian,
    tested,
)
from battprob.design.acquisition import (
    AbstractAcquisition,
    AbstractLogAcquisition,
    prepared,
)
from battprob.design.improvement import likeliest


class IntegratedVariance(AbstractAcquisition):
    r"""Epistemic variance that a test takes off, averaged over the reference rows.

    $\frac1R\sum_r c(r, x)^2 / (v(x) + \sigma^2(x))$: the integrated mean squared error
    (IMSPE, NIPV) before less after. Testing where the instrument is noisy teaches little,
    and repeating a row as much as the formula says (`repeat_or_new`). Tests still running
    count as done.

    Args:
        reference: rows [r d] over which to average, if not those given to `prepare`.

    References:
        Binois, Huang, Gramacy and Ludkovski, Technometrics 61 (2019) 7, eqs 8 and 12,
        doi:10.1080/00401706.2018.1469433.
    """

    reference: Float[Array, "r d"] | None
    places: Any
    given: Given | None

    def __init__(self, reference: ArrayLike | None = None):
        rows = None if reference is None else as_rows(reference)
        self.reference = None if rows is None else jnp.asarray(rows)
        self.places = None
        self.given = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del key
        require_gaussian(posterior, "IntegratedVariance")
        own = as_rows(reference) if self.reference is None else self.reference
        given = run_tests(posterior, pending)
        places, _ = ready(posterior, own, given)
        return replace(self, places=places, given=given)

    def values(self, posterior, x):
        require_gaussian(posterior, "IntegratedVariance")
        places = self.reference if self.places is None else self.places
        places = prepared(places, self)
        moments = after(posterior, self.given).function_moments(x, places)
        noisy = moments.variance + noise_variance(posterior, x)[None]
        taken = jnp.mean(moments.covariance**2, axis=2) / _positive(noisy)
        return jnp.exp(moments.log_weight) @ taken


class KnowledgeGradient(AbstractLogAcquisition):
    r"""Log of what one more test adds to the best posterior mean, on average.

    $\log(E\max_r \mu_{n+1}(r) - \max_r \mu_n(r))$ over the rows that may be best and x
    itself, exact: the mean at every row is a line in the outcome, and the expectation of
    the largest is a sum over the breakpoints of their upper envelope. Unlike an
    improvement it sees noise, so that repeating a promising row may be worth most. Tests
    still running are drawn jointly, and the gain averaged over what they may say.

    References:
        Frazier, Powell and Dayanik, INFORMS J. Comput. 21 (2009) 599, eqs 12 to 14,
        doi:10.1287/ijoc.1080.0314.
    """

    means: Float[Array, "s r"] | None = None
    places: Any = None
    given: Given | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_gaussian(posterior, "KnowledgeGradient")
        rows = np.concatenate([tested(posterior), as_rows(reference)])
        rows = np.unique(rows, axis=0)
        rows = likeliest(posterior, rows, key=key, most=_MOST_ROWS)
        given = draw_tests(posterior, pending, key=key, num=_DRAWS)
        places, means = ready(posterior, rows, given)
        return KnowledgeGradient(means, places, given)

    def values(self, posterior, x):
        means, places = prepared(self.means, self), prepared(self.places, self)
        here = after(posterior, self.given).function_moments(x, places)
        noisy = here.variance + noise_variance(posterior, x)[None]
        root = jnp.sqrt(_positive(noisy))[..., None]
        shape = here.covariance.shape
        means = jnp.broadcast_to(means[:, None], shape)
        means = jnp.concatenate([means, here.mean[..., None]], axis=2)
        slopes = jnp.concatenate([here.covariance, here.variance[..., None]], axis=2)
        gains = jax.vmap(jax.vmap(log_gain_of_largest))(means, slopes / root)
        return logsumexp(here.log_weight[:, None] + gains, axis=0)


def log_gain_of_largest(
    intercept: Float[Array, " a"], slope: Float[Array, " a"]
) -> Float[Array, ""]:
    r"""$\log(E\max_i(a_i + b_i Z) - \max_i a_i)$ of a standard normal Z.

    $\sum_i (b_{i+1} - b_i)\,(\phi(c_i) - |c_i|\Phi(-|c_i|))$ over the lines of the upper
    envelope in order of slope, with c_i where the next one takes over.
    """
    order = jnp.lexsort((intercept, slope))
    a, b = intercept[order], slope[order]
    on_top = jax.lax.stop_gradient(_on_envelope(a, b))
    # The lines on the envelope first, in order of slope.
    place = jnp.argsort(~on_top, stable=True)
    a, b, is_last = a[place], b[place], jnp.arange(1, len(a)) >= jnp.sum(on_top)
    rise = jnp.where(is_last, 1.0, b[1:] - b[:-1])
    crossing = jnp.abs(a[1:] - a[:-1]) / rise
    crossing = jnp.where(is_last, 0.0, crossing)
    gains = jnp.log(rise) + log_mean_excess(-crossing)
    # One line alone gains nothing, the log of which would have no slope.
    least = jnp.log(jnp.finfo(a.dtype).tiny)
    return logsumexp(jnp.where(is_last, least, gains))


def _on_envelope(a, b):
    """Which of the lines, in order of slope and then of height, are ever the largest.

    Line i beats the flatter ones from `start` on, and the steeper ones until `end`.
    """
    rise = b[:, None] - b[None, :]
    takes_over = (a[None, :] - a[:, None]) / jnp.where(rise == 0, 1.0, rise)
    start = jnp.max(jnp.where(rise > 0, takes_over, -jnp.inf), axis=1)
    end = jnp.min(jnp.where(rise < 0, takes_over, jnp.inf), axis=1)
    # Of parallel lines the last is the highest.
    parallel = jnp.concatenate([b[1:] == b[:-1], jnp.zeros(1, bool)])
    return (start < end) & ~parallel


def _positive(variance):
    return jnp.maximum(variance, jnp.finfo(variance.dtype).tiny ** 0.5)


_MOST_ROWS = 48
_DRAWS = 8
