"""Improvement over the best: its expectation and its probability, in log space.

The improvement is that of the function, not of the next noisy outcome: noise has no part
in it but through what is believed of the function.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp

from battprob._modules import replace
from battprob._numerics.normal import log_mean_excess
from battprob._typing import Array, ArrayLike, Float, PRNGKey
from battprob.design._fantasies import Given, after, draw_function, draw_running
from battprob.design._posterior_view import (
    Law,
    function_law,
    lean,
    require_gaussian,
    tested,
    with_running,
)
from battprob.design.acquisition import AbstractLogAcquisition, prepared
from battprob.design.confidence import UCB


class AbstractOverBest(AbstractLogAcquisition):
    """Improvement over an incumbent that is known, and over tests still running.

    Tests that are still running count as done: their best value, in joint draws, is to be
    improved on as well.

    Args:
        best: f*; default the largest posterior mean among the rows tested.
    """

    best: Float[Array, ""] | None
    given: Given | None

    def __init__(self, best: ArrayLike | None = None):
        self.best = None if best is None else jnp.asarray(best, jnp.result_type(float))
        self.given = None

    @abstractmethod
    def of_law(self, law: Law, best: Float[Array, " s"]) -> Float[Array, "s m"]:
        """Log of what is worth having, of the function's law in every draw."""

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference
        best = incumbent(posterior) if self.best is None else self.best
        given = draw_running(posterior, pending, key=key, num=_DRAWS)
        return replace(self, best=best, given=given)

    def values(self, posterior, x):
        best = best_of_all(prepared(self.best, self), self.given)
        law = function_law(after(posterior, self.given), x)
        best = jnp.broadcast_to(best, law.mean.shape[:1])
        return logsumexp(law.log_weight + self.of_law(law, best), axis=0)


class LogEI(AbstractOverBest):
    r"""Log expected improvement, $\log E(f(x) - f^\star)_+$, averaged over draws.

    $\log\sigma + \log(\phi(z) + z\Phi(z))$ with $z = (\mu - f^\star)/\sigma$, whose
    logarithm neither underflows nor loses its gradient however far z is below zero.

    Args:
        best: f*; default the largest posterior mean among the rows tested.

    Example:
        >>> import jax, numpy as np
        >>> from battprob import Dataset
        >>> from battprob.models import GaussianProcess
        >>> x = np.linspace(0, 1, 8)
        >>> posterior = GaussianProcess().fit(Dataset(x, -x**2), key=jax.random.key(0))
        >>> values = LogEI(best=0.0)(posterior, [[0.1], [0.9]])
        >>> bool(values[0] > values[1])
        True

    References:
        Jones, Schonlau and Welch, J. Glob. Optim. 13 (1998) 455, eq. 15,
        doi:10.1023/A:1008306431147; Ament et al., arXiv:2310.20708 (2023), eq. 9.
    """

    def of_law(self, law, best):
        return log_expected(law, best)


class LogPI(AbstractOverBest):
    r"""Log probability of improvement, $\log\Phi((\mu - f^\star)/\sigma)$ over draws.

    It prefers what is nearly certain to be a little better; `LogEI` weighs by how much.

    Args:
        best: f*; default the largest posterior mean among the rows tested.

    References:
        Kushner, J. Basic Eng. 86 (1964) 97, doi:10.1115/1.3653121.
    """

    def of_law(self, law, best):
        return log_ndtr((law.mean - best[:, None]) / jnp.sqrt(law.variance))


class LogNEI(AbstractLogAcquisition):
    r"""Log noisy expected improvement: over a best value that is not known either.

    $\log E_{f_n}\,E[(f(x) - \max f_n)_+ \mid f_n]$: the values $f_n$ of the function at the
    rows tested, and of tests still running, are drawn jointly; given each draw the
    improvement is in closed form. A lucky outcome of a noisy test is not taken for a good
    row. Where the noise depends on x, the posterior has weighed every outcome by it.

    Rows that are the best in none of many draws are left out, beyond the 32 likeliest.

    References:
        Letham et al., Bayesian Anal. 14 (2019) 495, eq. 3, doi:10.1214/18-BA1110.
    """

    given: Given | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference
        require_gaussian(posterior, "LogNEI")
        rows = likeliest(posterior, tested(posterior), key=key, most=_MOST_ROWS)
        rows = with_running(rows, pending)
        return LogNEI(draw_function(posterior, rows, key=key, num=_DRAWS))

    def values(self, posterior, x):
        given = prepared(self.given, self)
        law = function_law(after(posterior, given), x)
        return logsumexp(
            law.log_weight + log_expected(law, given.best().ravel()), axis=0
        )


def incumbent(posterior: Any) -> Float[Array, ""]:
    """Largest posterior mean of the function among the rows tested."""
    return jnp.asarray(mean_at(posterior, tested(posterior)).max())


def mean_at(posterior: Any, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Posterior mean of the function at rows that it has been fitted to."""
    # As many as the posterior has, padding included: one program serves while they grow.
    places = np.minimum(np.arange(len(posterior.dataset.mask)), len(rows) - 1)
    return np.asarray(_mean(lean(posterior), jnp.asarray(rows[places])))[: len(rows)]


@eqx.filter_jit
def _mean(posterior, rows):
    """Of the law the mean alone, so that no variance is computed."""
    return function_law(posterior, rows).moments()[0]


def best_of_all(best: Float[Array, ""], given: Given | None) -> Float[Array, " t"]:
    """The incumbent, or what is better of the tests that are still running, by draw."""
    return best[None] if given is None else jnp.maximum(best, given.best()).ravel()


def likeliest(
    posterior: Any, rows: Float[np.ndarray, "n d"], *, key: PRNGKey, most: int
) -> Float[np.ndarray, "k d"]:
    """The rows that are the best of all in most joint draws; all where they are few.

    Joint draws are of those that may be the best by themselves, by their upper bound.
    """
    if len(rows) <= most:
        return rows
    reach = np.asarray(UCB(_REACH)(posterior, rows))
    rows = rows[np.sort(np.argsort(-reach)[:_MOST_DRAWN])]
    given = draw_function(posterior, rows, key=key, num=_DRAWS_TO_RANK)
    drawn = np.asarray(given.function)[..., : len(rows)].reshape(-1, len(rows))
    wins = np.bincount(np.argmax(drawn, axis=1), minlength=len(rows))
    order = np.lexsort((-drawn.mean(0), -wins))
    return rows[np.sort(order[:most])]


def log_expected(law: Law, best: Float[Array, " s"]) -> Float[Array, "s m"]:
    """Log expected excess of the function over the best, by draw."""
    scale = jnp.sqrt(law.variance)
    return jnp.log(scale) + log_mean_excess((law.mean - best[:, None]) / scale)


_MOST_ROWS, _MOST_DRAWN = 32, 128
_REACH = 3.0  # standard deviations
_DRAWS, _DRAWS_TO_RANK = 128, 256
