"""Noise with outliers: every row has its own precision."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from battprob._modules import replace
from battprob._parameters import as_array, fixed_field
from battprob._typing import Array, Float
from battprob.noise.base import AbstractNoise
from battprob.noise.heads import Constant


class StudentT(AbstractNoise):
    r"""$\varepsilon_i = \sigma(x_i)\,t_\nu$: noise with outliers, which get little weight.

    The noise of a row is Gaussian with variance $\sigma^2(x_i)/q_i$, where $q_i$ is gamma
    distributed with shape and rate ν/2. The q of every training row is a parameter like
    any other, and is small for an outlier. The q of a new row is integrated out on twelve
    nodes; for ν = 4 they give the density to 0.3 % out to 12 σ and quantiles from 0.001
    to 0.999 to 0.1 %.

    Args:
        head: how the scale σ(x) depends on x; default `Constant`. Other sources of noise
            can be added: `Known() + StudentT()`.
        degrees_of_freedom: ν, above 2. With ν = 4 one row in a hundred lies 3.7 σ away;
            with large ν the noise is Gaussian.

    Only models that sample a parameter of every row accept it (`BayesianLinear`).

    Raises:
        ValueError: `degrees_of_freedom` is 2 or less.

    References:
        Geweke, J. Appl. Econom. 8 (1993) S19, section 2, doi:10.1002/jae.3950080504.
    """

    head: AbstractNoise
    log_precision: Float[Array, "..."]
    degrees_of_freedom: Float[Array, ""] = fixed_field()
    log_nodes: Float[Array, " k"] = fixed_field()
    log_node_weights: Float[Array, " k"] = fixed_field()

    def __init__(
        self, head: AbstractNoise | None = None, *, degrees_of_freedom: float = 4.0
    ):
        if degrees_of_freedom <= 2:
            raise ValueError(
                "degrees_of_freedom must be above 2, because the variance is infinite "
                f"otherwise; got {degrees_of_freedom}"
            )
        self.head = Constant() if head is None else head
        self.degrees_of_freedom = as_array(degrees_of_freedom)
        self.log_precision = as_array(0.0)
        # Made here by SciPy: JAX has no quantile function of the gamma distribution.
        nodes, weights = _gamma_nodes(0.5 * float(degrees_of_freedom))
        self.log_nodes, self.log_node_weights = as_array(nodes), as_array(weights)

    def bind(self, feature_names):
        return replace(self, head=self.head.bind(feature_names))

    def log_prior(self):
        shape = 0.5 * self.degrees_of_freedom
        log_gamma = shape * (self.log_precision - jnp.exp(self.log_precision))
        normalisation = shape * jnp.log(shape) - gammaln(shape)
        return self.head.log_prior() + jnp.sum(log_gamma + normalisation)

    def variance(self, x, known):
        return self.head.variance(x, known) * jnp.exp(-self.log_precision)

    def uses_known(self):
        return self.head.uses_known()


def student_t_parts(noise: AbstractNoise) -> list[StudentT]:
    """The `StudentT` parts of a noise model."""
    parts = jax.tree.leaves(noise, is_leaf=_is_student_t)
    return [part for part in parts if _is_student_t(part)]


def with_precision(
    noise: AbstractNoise, log_precision: Float[Array, "..."]
) -> AbstractNoise:
    """The same noise model with these log precisions of rows in its Student-t part."""
    return jax.tree.map(
        lambda part: (
            replace(part, log_precision=log_precision) if _is_student_t(part) else part
        ),
        noise,
        is_leaf=_is_student_t,
    )


def variance_nodes(
    noise: AbstractNoise, x: Float[Array, "m d"], known: Float[Array, " m"]
) -> tuple[Float[Array, "k m"], Float[Array, " k"]]:
    """Possible noise variances of new rows and their log weights.

    There is one node, the variance itself, unless the noise model has a `StudentT` part.
    """
    parts = student_t_parts(noise)
    if not parts:
        return noise.variance(x, known)[None], jnp.zeros(1, x.dtype)

    def variance(log_precision):
        return with_precision(noise, log_precision).variance(x, known)

    return jax.vmap(variance)(parts[0].log_nodes), parts[0].log_node_weights


def _is_student_t(node: Any) -> bool:
    return isinstance(node, StudentT)


def _gamma_nodes(
    shape: float,
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Nodes of log q for q of this shape and mean one, and their log weights."""
    from scipy.stats import gamma, loggamma

    low, high = np.log([gamma.ppf(_TAIL, shape), gamma.isf(_TAIL, shape)])
    # Evenly spaced in log q: the trapezium rule is accurate for smooth densities.
    values = np.linspace(low, high, _NUM_NODES)
    log_weight = loggamma.logpdf(values, shape)
    total = np.log(np.sum(np.exp(log_weight)))
    return values - np.log(shape), log_weight - total


_NUM_NODES = 12
_TAIL = 1e-6  # probability beyond the first and the last node
