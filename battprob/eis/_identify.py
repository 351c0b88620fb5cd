"""What the data do not say: parameters, and directions in which they trade."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Bool, Float

DECADE = 2.302585092994046
FLAT = 0.5  # a posterior half as wide as its prior has learned next to nothing
_TIED = 0.9  # correlation of parameters that move as one


def decade_cost(
    log_likelihood: Callable[[Float[Array, " p"]], Float[Array, ""]],
    z: Float[Array, " p"],
    covariance: Float[Array, "p p"],
) -> Float[Array, " p"]:
    """Log likelihood lost when a parameter moves a decade and the others follow it.

    They follow along the valley that the covariance shows. Curvature at the mode alone
    would call a parameter known that sits at the edge of a plateau.
    """
    follow = DECADE * covariance / jnp.diagonal(covariance)[:, None]
    ends = jnp.concatenate([z[None], z[None] + follow, z[None] - follow])
    at, *moved = jnp.split(jax.vmap(log_likelihood)(ends), [1, 1 + z.size])
    return at - jnp.maximum(*moved)


def tied_parameters(
    names: Sequence[str],
    covariance: Float[np.ndarray, "p p"],
    identified: Bool[np.ndarray, " p"],
) -> list[str]:
    """Groups of parameters of which only a combination is determined, in words.

    They move with one that is not identified, at a correlation of 0.9 or more.

    Args:
        names: of the parameters.
        covariance: of their logarithms (or logits).
        identified: whether the data determine each of them.
    """
    sd = np.sqrt(np.diag(covariance))
    correlated = np.abs(covariance) > _TIED * np.outer(sd, sd)
    left, told = ~identified, []
    while left.any():
        first = int(np.flatnonzero(left)[0])
        part = np.flatnonzero(correlated[first])
        left[part] = False
        if len(part) > 1:
            along = covariance[first, part] / covariance[first, first]
            told.append(_combination(np.array(names)[part].tolist(), along))
    return told


def _combination(names, along):
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if np.allclose(along, along[0], rtol=0.1):
        return f"of {listed} only the ratios are determined"
    if len(names) == 2 and np.allclose(along[0], -along[1], rtol=0.1):
        return f"of {listed} only the product is determined"
    powers = zip(names[1:], along[0] / along[1:], strict=True)
    return f"{names[0]} is free to go as {', '.join(f'{n}^{p:.2g}' for n, p in powers)}"
