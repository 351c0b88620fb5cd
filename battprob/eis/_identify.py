"""What the data do not say: parameters, and directions in which they trade."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Float

DECADE = 2.302585092994046
FLAT = 0.5  # a posterior half as wide as its prior has learned next to nothing
_TAKES_PART = 0.3  # share of a direction's largest step that counts as taking part


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
    prior_sd: Float[np.ndarray, " p"],
) -> list[str]:
    """Groups of two parameters or more of which only a combination is determined.

    A direction is flat where the posterior is half as wide as the prior, both counted in
    prior standard deviations; its parameters move together at no cost.

    Args:
        names: of the parameters.
        covariance: of their logarithms (or logits).
        prior_sd: of the same.
    """
    size, directions = np.linalg.eigh(covariance / np.outer(prior_sd, prior_sd))
    told = []
    for direction in (directions.T * prior_sd)[size > FLAT**2]:
        along = direction / direction[np.argmax(np.abs(direction))]
        part = np.flatnonzero(np.abs(along) > _TAKES_PART)
        if len(part) > 1:
            told.append(_combination(np.array(names)[part].tolist(), along[part]))
    return told


def _combination(names, along):
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    if np.allclose(along, along[0], rtol=0.1):
        return f"of {listed} only the ratios are determined"
    if len(names) == 2 and np.allclose(along[0], -along[1], rtol=0.1):
        return f"of {listed} only the product is determined"
    powers = along / along[0]
    scales = ", ".join(
        f"{n}^{p:.2g}" for n, p in zip(names[1:], powers[1:], strict=True)
    )
    return f"{names[0]} is tied to {scales}"
