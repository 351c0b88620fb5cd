"""Parameters, and combinations of parameters, that the data do not determine."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Bool, Float

DECADE = 2.302585092994046
FLAT = 0.5  # posterior sd / prior sd above which the data add hardly anything
_TIED = 0.9  # correlation above which parameters move together


def decade_cost(
    log_likelihood: Callable[[Float[Array, " p"]], Float[Array, ""]],
    z: Float[Array, " p"],
    covariance: Float[Array, "p p"],
) -> Float[Array, " p"]:
    """Log likelihood lost when a parameter changes by a decade and the others follow.

    The others follow along the regression on this parameter that the covariance
    implies. The curvature at the mode is not enough: it is large for a parameter at the
    edge of a plateau of the likelihood, which the data do not determine.

    Args:
        log_likelihood: log likelihood of unconstrained parameters.
        z: mode.
        covariance: posterior covariance of z.
    """
    move = DECADE * covariance / jnp.diagonal(covariance)[:, None]
    points = jnp.concatenate([z[None], z[None] + move, z[None] - move])
    values = jax.vmap(log_likelihood)(points)
    at_mode, up, down = values[:1], values[1 : 1 + z.size], values[1 + z.size :]
    return at_mode - jnp.maximum(up, down)


def tied_parameters(
    names: Sequence[str],
    covariance: Float[np.ndarray, "p p"],
    identified: Bool[np.ndarray, " p"],
) -> list[str]:
    """Sentences on groups of parameters of which only a combination is determined.

    A group is a parameter that is not identified and those correlated with it by 0.9 or
    more.

    Args:
        names: names of the parameters.
        covariance: covariance of their logarithms (or logits).
        identified: whether the data determine each of them.
    """
    sd = np.sqrt(np.diag(covariance))
    correlated = np.abs(covariance) > _TIED * np.outer(sd, sd)
    remaining, sentences = ~identified, []
    while remaining.any():
        first = int(np.flatnonzero(remaining)[0])
        group = np.flatnonzero(correlated[first])
        remaining[group] = False
        if len(group) > 1:
            slopes = covariance[first, group] / covariance[first, first]
            sentences.append(_combination(np.array(names)[group].tolist(), slopes))
    return sentences


def _combination(names, slopes):
    """What is determined, from the log-log slopes with respect to one of them."""
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if np.allclose(slopes, slopes[0], rtol=0.1):
        return f"only the ratios of {listed} are determined"
    if len(names) == 2 and np.allclose(slopes[0], -slopes[1], rtol=0.1):
        return f"only the product of {listed} is determined"
    exponents = zip(names[1:], slopes[0] / slopes[1:], strict=True)
    powers = " ∝ ".join(
        f"{name}^{power:.2g}".removesuffix("^1") for name, power in exponents
    )
    return f"{listed} can change together: {names[0]} ∝ {powers}"
