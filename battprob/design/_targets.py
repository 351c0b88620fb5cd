"""Several targets: a tuple of posteriors, independent given the rows."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int, PRNGKey
from battprob.design._fantasies import Given, after, choose_draws, draw_function
from battprob.design._posterior_view import Law, function_law, tested
from battprob.design.confidence import UCB


class Drawn(eqx.Module):
    """Joint draws of one target at rows, and which draw of the posterior each is of."""

    given: Given
    chosen: Int[Array, " z"]

    def function(self) -> Float[Array, "z r"]:
        """Values of the target at the rows."""
        return self.given.function[self.chosen, np.arange(len(self.chosen))]

    def law(self, posterior: Any, x: Float[Array, "m d"]) -> Law:
        """Law of the target given each draw [z m]."""
        law = function_law(after(posterior, self.given), x)
        num = len(self.chosen)
        pick = self.chosen * num + np.arange(num)
        return Law(law.mean[pick], law.variance[pick], law.log_weight[pick])


def require_targets(
    posteriors: Any, worst: Float[Array, " j"], *, most: int | None = None
) -> None:
    """Raise a DataError unless there is one posterior for each target, and not too many."""
    num = len(worst)
    if not isinstance(posteriors, Sequence) or len(posteriors) != num:
        raise DataError(
            f"worst has {num} targets: give a tuple of as many posteriors, one each"
        )
    if most is not None and not 2 <= num <= most:
        raise DataError(
            f"hypervolumes are of 2 to {most} targets; for {num} use LogChebyshevEI"
        )


def tested_by_all(posteriors: Sequence[Any]) -> Float[np.ndarray, "n d"]:
    """The different rows that any of the posteriors has seen."""
    return np.unique(np.concatenate([tested(own) for own in posteriors]), axis=0)


def means_at_tested(posteriors: Sequence[Any]) -> Float[np.ndarray, "n j"]:
    """Posterior mean of every target at the rows tested."""
    rows = tested_by_all(posteriors)
    return np.column_stack([np.asarray(UCB(0.0)(own, rows)) for own in posteriors])


def draw_targets(
    posteriors: Sequence[Any], rows: ArrayLike, *, key: PRNGKey
) -> tuple[Drawn, ...]:
    """Joint draws of every target at some rows."""
    keys = jax.random.split(key, len(posteriors))
    pairs = zip(posteriors, keys, strict=True)
    return tuple(_draw(posterior, rows, own) for posterior, own in pairs)


def _draw(posterior, rows, key):
    key_function, key_chosen = jax.random.split(key)
    given = draw_function(posterior, rows, key=key_function, num=_DRAWS)
    return Drawn(given, choose_draws(posterior, given, key=key_chosen, shape=(_DRAWS,)))


def values_of(drawn, num_rows):
    """Values [z r j] of all targets at the rows that are no padding."""
    columns = [np.asarray(own.function())[:, :num_rows] for own in drawn]
    return np.stack(columns, axis=-1)


def laws_of(
    posteriors: Sequence[Any], drawn: tuple[Drawn, ...] | None, x: Float[Array, "m d"]
) -> list[Law]:
    """Law of every target, with an axis of draws z in front: [z s m]."""
    if drawn is None:
        laws = [function_law(own, x) for own in posteriors]
        return [Law(*(field[None] for field in law)) for law in laws]
    laws = [own.law(post, x) for own, post in zip(drawn, posteriors, strict=True)]
    return [
        Law(law.mean[:, None], law.variance[:, None], jnp.zeros_like(law.mean[:, None]))
        for law in laws
    ]


_DRAWS = 32
