"""Noise with the odd wild label: every row has a precision of its own."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.noise.base import AbstractNoise
from battprob.noise.heads import Constant


class StudentT(AbstractNoise):
    r"""$\varepsilon_i = \sigma(x_i)\,t_\nu$: now and then a cell is far off, and says little.

    It is Gaussian of variance $\sigma^2(x_i)/q_i$ with $q_i$ gamma distributed of shape
    and rate ν/2. The q of every training row is a parameter like any other, so that an
    odd cell loses its weight by itself; of a new row it is integrated over twelve nodes,
    which for ν = 4 give the density to 0.3 % out to 12 σ and quantiles from 0.001 to
    0.999 to 0.1 %.

    Args:
        head: how the scale σ(x) depends on x; default `Constant`. Other sources of noise
            may be added: `Known() + StudentT()`.
        degrees_of_freedom: ν. Four lets one cell in a hundred be 3.7 σ off, and has a
            variance; large ν is Gaussian.

    Only models that draw a parameter of every row take it (`BayesianLinear`).

    References:
        Geweke, J. Appl. Econom. 8 (1993) S19, section 2, doi:10.1002/jae.3950080504.
    """

    head: AbstractNoise
    log_precision: Float[Array, "..."]
    degrees_of_freedom: float = eqx.field(static=True)

    def __init__(
        self, head: AbstractNoise | None = None, *, degrees_of_freedom: float = 4.0
    ):
        if degrees_of_freedom <= 2:
            raise ValueError(
                "the variance is infinite for degrees_of_freedom of 2 and less; got "
                f"{degrees_of_freedom}"
            )
        self.head = Constant() if head is None else head
        self.degrees_of_freedom = float(degrees_of_freedom)
        self.log_precision = jnp.zeros((), jnp.result_type(float))

    def bind(self, feature_names):
        return replace(self, head=self.head.bind(feature_names))

    def log_prior(self):
        shape = 0.5 * self.degrees_of_freedom
        log_gamma = shape * (self.log_precision - jnp.exp(self.log_precision))
        constant = shape * np.log(shape) - gammaln(shape)
        return self.head.log_prior() + jnp.sum(log_gamma + constant)

    def variance(self, x, known):
        return self.head.variance(x, known) * jnp.exp(-self.log_precision)

    def uses_known(self):
        return self.head.uses_known()

    def nodes(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """Values of log q that stand for all, and their log weights."""
        from scipy.stats import gamma, loggamma

        shape = 0.5 * self.degrees_of_freedom
        low, high = np.log([gamma.ppf(_TAIL, shape), gamma.isf(_TAIL, shape)])
        values = np.linspace(low, high, _NODES)
        log_weight = loggamma.logpdf(values, shape)
        total = np.log(np.sum(np.exp(log_weight)))
        return values - np.log(shape), log_weight - total


def is_student(node: Any) -> bool:
    """Whether this part of a head is `StudentT`."""
    return isinstance(node, StudentT)


def students(noise: AbstractNoise) -> list[StudentT]:
    """The `StudentT` parts of a head."""
    parts = jax.tree.leaves(noise, is_leaf=is_student)
    return [part for part in parts if is_student(part)]


def with_precision(
    noise: AbstractNoise, log_precision: Float[Array, "..."]
) -> AbstractNoise:
    """The same head, its Student-t part with these precisions of rows."""
    return jax.tree.map(
        lambda part: (
            replace(part, log_precision=log_precision) if is_student(part) else part
        ),
        noise,
        is_leaf=is_student,
    )


def levels(
    noise: AbstractNoise, x: Float[Array, "m d"], known: Float[Array, " m"]
) -> tuple[Float[Array, "k m"], Float[Array, " k"]]:
    """Variances that new rows may have, and log weights; one unless noise is Student-t."""
    found = students(noise)
    if not found:
        return noise.variance(x, known)[None], jnp.zeros(1, x.dtype)
    values, log_weight = (jnp.asarray(a, x.dtype) for a in found[0].nodes())

    def level(value):
        return with_precision(noise, value).variance(x, known)

    return jax.vmap(level)(values), log_weight


_NODES = 12
_TAIL = 1e-6
