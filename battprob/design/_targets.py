"""Several targets: a tuple of posteriors that are independent given the rows."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int, PRNGKey
from battprob.design._fantasies import (
    Fantasies,
    condition_on,
    sample_draw_index,
    sample_function,
)
from battprob.design._posterior_view import (
    FunctionMarginals,
    function_marginals,
    observed_rows,
)
from battprob.design.confidence import UCB


class TargetDraws(eqx.Module):
    """Joint draws of one target at some rows, each of one posterior draw.

    Args:
        fantasies: draws of the function, z for each posterior draw.
        draw_index: posterior draw to which draw z belongs.
    """

    fantasies: Fantasies
    draw_index: Int[Array, " z"]

    def at_rows(self) -> Float[Array, "z r"]:
        """Values of the target at the rows, padding included."""
        return self.fantasies.function[self.draw_index, np.arange(len(self.draw_index))]

    def marginals(self, posterior: Any, x: Float[Array, "m d"]) -> FunctionMarginals:
        """Distribution of the target at `x` given each draw [z m]."""
        conditioned = condition_on(posterior, self.fantasies)
        every_pair = function_marginals(conditioned, x)
        num = len(self.draw_index)
        pair = self.draw_index * num + np.arange(num)
        return FunctionMarginals(*(field[pair] for field in every_pair))


def require_targets(
    posteriors: Any, worst: Float[Array, " j"], *, most: int | None = None
) -> None:
    """Raise a DataError unless there is one posterior for each target.

    Args:
        posteriors: what was given as the posterior.
        worst: reference value of each target.
        most: largest number of targets; None for any.
    """
    num = len(worst)
    if not isinstance(posteriors, Sequence) or len(posteriors) != num:
        given = (
            f"{len(posteriors)} posteriors"
            if isinstance(posteriors, Sequence)
            else type(posteriors).__name__
        )
        raise DataError(
            f"worst has {num} targets: pass a tuple of {num} posteriors, one for each "
            f"target; got {given}"
        )
    if most is not None and not 2 <= num <= most:
        raise DataError(
            f"the hypervolume is computed for 2 to {most} targets; got {num}: use "
            "LogChebyshevEI"
        )


def observed_rows_of_all(posteriors: Sequence[Any]) -> Float[np.ndarray, "n d"]:
    """Distinct rows that were observed for any of the targets."""
    return np.unique(np.concatenate([observed_rows(one) for one in posteriors]), axis=0)


def means_at_observed(posteriors: Sequence[Any]) -> Float[np.ndarray, "n j"]:
    """Posterior mean of each target at the observed rows."""
    rows = observed_rows_of_all(posteriors)
    return np.column_stack([np.asarray(UCB(0.0)(one, rows)) for one in posteriors])


def draw_targets(
    posteriors: Sequence[Any], rows: ArrayLike, *, key: PRNGKey
) -> tuple[TargetDraws, ...]:
    """Joint draws of each target at `rows`."""
    keys = jax.random.split(key, len(posteriors))
    pairs = zip(posteriors, keys, strict=True)
    return tuple(_draw(posterior, rows, key) for posterior, key in pairs)


def _draw(posterior, rows, key):
    key_function, key_index = jax.random.split(key)
    fantasies = sample_function(posterior, rows, key=key_function, num=_NUM_DRAWS)
    index = sample_draw_index(posterior, fantasies, key=key_index, shape=(_NUM_DRAWS,))
    return TargetDraws(fantasies, index)


def values_at_rows(draws: Sequence[TargetDraws], num_rows: int) -> np.ndarray:
    """Values [z r j] of all targets at the rows, without padding."""
    columns = [np.asarray(target.at_rows())[:, :num_rows] for target in draws]
    return np.stack(columns, axis=-1)


def marginals_of_targets(
    posteriors: Sequence[Any],
    draws: tuple[TargetDraws, ...] | None,
    x: Float[Array, "m d"],
) -> list[FunctionMarginals]:
    """Distribution of each target [z s m], z the draws that it is conditioned on."""
    if draws is None:
        each = [function_marginals(one, x) for one in posteriors]
        return [FunctionMarginals(*(f[None] for f in target)) for target in each]
    pairs = zip(draws, posteriors, strict=True)
    each = [target.marginals(posterior, x) for target, posterior in pairs]
    return [
        FunctionMarginals(
            target.mean[:, None],
            target.variance[:, None],
            jnp.zeros_like(target.mean[:, None]),  # draw z has one posterior draw s
        )
        for target in each
    ]


_NUM_DRAWS = 32
