"""Repeat a test, or run a new one? Acquisitions that see the noise of the next outcome."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from battprob._modules import replace
from battprob._typing import Array, ArrayLike, Float
from battprob.design._fantasies import Given, after, run_tests
from battprob.design._posterior_view import (
    as_rows,
    function_law,
    noise_variance,
    tested,
)
from battprob.design.acquisition import (
    AbstractAcquisition,
    AbstractLogAcquisition,
    prepared,
)
from battprob.design.confidence import UCB
from battprob.design.improvement import log_expected


class AugmentedEI(AbstractLogAcquisition):
    r"""Log expected improvement, less where one noisy outcome would hardly tell of it.

    $\log E(f(x) - f^\star)_+ + \log(1 - \tau(x)/\sqrt{v(x) + \tau(x)^2})$ with τ²(x) the
    variance of the noise there and v the epistemic one. f* is the mean at the row tested
    that is best for certain: of largest mean less one epistemic standard deviation. Tests
    still running narrow v as if they were done.

    Args:
        best: f*, if not that.

    References:
        Huang, Allen, Notz and Zeng, J. Glob. Optim. 34 (2006) 441, eqs 10 and 11,
        doi:10.1007/s10898-005-2454-3 (there with the same noise everywhere).
    """

    best: Float[Array, ""] | None
    given: Given | None

    def __init__(self, best: ArrayLike | None = None):
        self.best = None if best is None else jnp.asarray(best, jnp.result_type(float))
        self.given = None

    def prepare(self, posterior, reference, *, key, pending=None):
        del reference, key
        best = self.best
        if best is None:
            rows = tested(posterior)
            surest = int(np.argmax(UCB(-1.0)(posterior, rows)))
            best = UCB(0.0)(posterior, rows)[surest]
        return replace(self, best=best, given=run_tests(posterior, pending))

    def values(self, posterior, x):
        best = prepared(self.best, self)
        law = function_law(after(posterior, self.given), x)
        best = jnp.broadcast_to(best, law.mean.shape[:1])
        improvement = logsumexp(law.log_weight + log_expected(law, best), axis=0)
        variance = law.moments()[1]
        noise = noise_variance(posterior, x)
        total = jnp.sqrt(variance + noise)
        # 1 - τ/s without the difference: v / (s (s + τ)).
        told = jnp.log(variance) - jnp.log(total) - jnp.log(total + jnp.sqrt(noise))
        return improvement + told


def repeat_or_new(
    acquisition: AbstractAcquisition, posterior: Any, x: ArrayLike
) -> tuple[Float[np.ndarray, " d"], bool]:
    """The row of most worth among new rows and those tested before.

    Args:
        acquisition: prepared, and one that sees noise: `IntegratedVariance`,
            `KnowledgeGradient` or `AugmentedEI`.
        posterior: what is believed now.
        x: new rows [m d].

    Returns:
        The row, and whether it repeats a test.

    References:
        Binois, Huang, Gramacy and Ludkovski, Technometrics 61 (2019) 7, section 3,
        doi:10.1080/00401706.2018.1469433.
    """
    rows = np.concatenate([as_rows(x), tested(posterior)])
    best = int(np.argmax(np.asarray(acquisition(posterior, rows))))
    return rows[best], best >= len(as_rows(x))
