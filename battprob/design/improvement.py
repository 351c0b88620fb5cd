"""Expected improvement, noisy expected improvement and probability of improvement.

All are logarithms. The improvement is that of the noise-free function, not of the next
outcome: noise matters only through its effect on the posterior.
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
from battprob.design._fantasies import (
    Fantasies,
    condition_on,
    draw_fantasies,
    sample_function,
)
from battprob.design._posterior_view import (
    FunctionMarginals,
    for_prediction,
    function_marginals,
    observed_rows,
    require_function_moments,
    with_pending,
)
from battprob.design.acquisition import AbstractLogAcquisition, prepared
from battprob.design.confidence import UCB


class AbstractImprovement(AbstractLogAcquisition):
    """Improvement over a known best value and over pending tests.

    Pending tests are drawn jointly; in each draw, the value to improve on is the larger
    of `best` and the largest of them. To write one, define `log_gain`; rows and `best`
    are as described in `AbstractAcquisition`.

    Args:
        best: f*, on the scale of the model; default the largest posterior mean among the
            observed rows.
    """

    best: Float[Array, ""] | None
    fantasies: Fantasies | None

    def __init__(self, best: ArrayLike | None = None):
        self.best = None if best is None else jnp.asarray(best, jnp.result_type(float))
        self.fantasies = None

    @abstractmethod
    def log_gain(
        self, marginals: FunctionMarginals, best: Float[Array, " s"]
    ) -> Float[Array, "s m"]:
        """Logarithm of the gain over `best` at each row, in each draw."""

    def prepare(self, posterior, reference, *, key, pending=None):
        best = incumbent(posterior) if self.best is None else self.best
        fantasies = draw_fantasies(
            posterior, pending, key=key, num=_NUM_FANTASIES, noisy=False
        )
        return replace(self, best=best, fantasies=fantasies)

    def values(self, posterior, x):
        best = best_including_pending(prepared(self.best, self), self.fantasies)
        marginals = function_marginals(condition_on(posterior, self.fantasies), x)
        best = jnp.broadcast_to(best, marginals.mean.shape[:1])
        gain = self.log_gain(marginals, best)
        return logsumexp(marginals.log_weight + gain, axis=0)


class LogEI(AbstractImprovement):
    r"""Log expected improvement, $\log E(f(x) - f^\star)_+$, averaged over draws.

    $\log\sigma + \log(\phi(z) + z\Phi(z))$ with $z = (\mu - f^\star)/\sigma$. The
    logarithm neither underflows nor loses its gradient, however far z is below zero.

    Args:
        best: f*, on the scale of the model; default the largest posterior mean among the
            observed rows.

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

    def log_gain(self, marginals, best):
        return log_expected_improvement(marginals, best)


class LogPI(AbstractImprovement):
    r"""Log probability of improvement, $\log\Phi((\mu - f^\star)/\sigma)$ over draws.

    It prefers rows that are almost certainly a little better than f*; `LogEI` also
    counts how much better they are.

    Args:
        best: f*, on the scale of the model; default the largest posterior mean among the
            observed rows.

    References:
        Kushner, J. Basic Eng. 86 (1964) 97, doi:10.1115/1.3653121.
    """

    def log_gain(self, marginals, best):
        return log_ndtr((marginals.mean - best[:, None]) / jnp.sqrt(marginals.variance))


class LogNEI(AbstractLogAcquisition):
    r"""Log noisy expected improvement: the best value is uncertain as well.

    $\log E_{f_n}\,E[(f(x) - \max f_n)_+ \mid f_n]$. The values $f_n$ of the function at
    the observed rows and at pending tests are drawn jointly; given each draw, the
    improvement is in closed form. A single lucky outcome of a noisy test therefore does
    not count as a good row.

    At most 32 observed rows enter, those that are the best in most joint draws.

    References:
        Letham et al., Bayesian Anal. 14 (2019) 495, eq. 3, doi:10.1214/18-BA1110.
    """

    fantasies: Fantasies | None = None

    def prepare(self, posterior, reference, *, key, pending=None):
        require_function_moments(posterior, "LogNEI")
        observed = observed_rows(posterior)
        rows = likely_best(posterior, observed, key=key, most=_MOST_ROWS)
        rows = with_pending(rows, pending)
        return LogNEI(sample_function(posterior, rows, key=key, num=_NUM_FANTASIES))

    def values(self, posterior, x):
        fantasies = prepared(self.fantasies, self)
        marginals = function_marginals(condition_on(posterior, fantasies), x)
        gain = log_expected_improvement(marginals, fantasies.best().ravel())
        return logsumexp(marginals.log_weight + gain, axis=0)


def incumbent(posterior: Any) -> Float[Array, ""]:
    """Largest posterior mean of the function among the observed rows."""
    return jnp.asarray(mean_at(posterior, observed_rows(posterior)).max())


def mean_at(posterior: Any, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Posterior mean of the function at some of the rows that it was fitted to."""
    # Padded to the length of the data set, which is padded too: one program serves while
    # the data set grows.
    index = np.minimum(np.arange(len(posterior.dataset.mask)), len(rows) - 1)
    mean = _mean(for_prediction(posterior), jnp.asarray(rows[index]))
    return np.asarray(mean)[: len(rows)]


@eqx.filter_jit
def _mean(posterior, rows):
    # The compiler drops the variance, which costs much more than the mean.
    return function_marginals(posterior, rows).moments()[0]


def best_including_pending(
    best: Float[Array, ""], fantasies: Fantasies | None
) -> Float[Array, " t"]:
    """Larger of `best` and the largest value among pending tests, in each draw."""
    if fantasies is None:
        return best[None]
    return jnp.maximum(best, fantasies.best()).ravel()


def likely_best(
    posterior: Any, rows: Float[np.ndarray, "n d"], *, key: PRNGKey, most: int
) -> Float[np.ndarray, "k d"]:
    """Up to `most` rows, those that are the best of all in most joint draws.

    Joint draws cost the cube of the number of rows; only the 128 rows with the largest
    upper confidence bounds are drawn.
    """
    if len(rows) <= most:
        return rows
    bound = np.asarray(UCB(_BOUND_WIDTH)(posterior, rows))
    rows = rows[np.sort(np.argsort(-bound)[:_MOST_DRAWN])]
    fantasies = sample_function(posterior, rows, key=key, num=_DRAWS_TO_RANK)
    drawn = np.asarray(fantasies.function)[..., : len(rows)].reshape(-1, len(rows))
    wins = np.bincount(np.argmax(drawn, axis=1), minlength=len(rows))
    order = np.lexsort((-drawn.mean(0), -wins))
    return rows[np.sort(order[:most])]


def log_expected_improvement(
    marginals: FunctionMarginals, best: Float[Array, " s"]
) -> Float[Array, "s m"]:
    """Log expected excess of the function over `best` at each row, in each draw."""
    scale = jnp.sqrt(marginals.variance)
    return jnp.log(scale) + log_mean_excess((marginals.mean - best[:, None]) / scale)


_MOST_ROWS, _MOST_DRAWN = 32, 128
_BOUND_WIDTH = 3.0  # standard deviations
_NUM_FANTASIES, _DRAWS_TO_RANK = 128, 256
