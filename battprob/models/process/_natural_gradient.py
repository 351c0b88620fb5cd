"""Beliefs of a sparse process at their best for all rows, one batch in memory at a time."""

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from battprob._typing import Array, Float
from battprob.models._noise_level import covariance_of, flat_head, relative_slope
from battprob.models._scaling import Rows
from battprob.models.process._variational_bound import (
    Beliefs,
    Gaussian,
    Hyper,
    beliefs_of_rows,
    bound_of_batch,
)
from battprob.noise.base import AbstractNoise
from battprob.noise.latent import has_weights, split


class Settled(NamedTuple):
    """Beliefs at their best for all rows, the bound there, and how sure the noise is."""

    beliefs: Beliefs
    bound: Float[Array, ""]
    noise_covariance: Float[Array, "q q"]


def first_beliefs(hyper: Hyper, fixed: AbstractNoise, batches: Rows) -> Beliefs:
    """q(v) by some batches at the pilot's noise, whose weights are taken as known."""
    size, dtype = len(hyper.inducing), hyper.inducing.dtype
    weights = ravel_pytree(split(fixed)[1])[0].astype(dtype)  # none: float32
    certain = Gaussian(
        _CERTAIN * jnp.eye(len(weights), dtype=dtype), _CERTAIN * weights
    )
    beliefs = Beliefs(Gaussian.standard(size, dtype), certain)
    some = jax.tree.map(lambda column: column[:_FIRST_BATCHES], batches)
    scale = len(batches.y) / len(some.y)
    return settle(hyper, fixed, beliefs, some, 1, scale).beliefs


@eqx.filter_jit
def settle(
    hyper: Hyper,
    fixed: AbstractNoise,
    beliefs: Beliefs,
    batches: Rows,
    num_passes: int,
    scale: float = 1.0,
) -> Settled:
    """Best beliefs by turns, of the process and of the weights, all rows at a time.

    Args:
        hyper: kernel, parameters of the noise head, inducing inputs.
        fixed: the head's weights (their places matter, not their values) and constants.
        beliefs: where to begin.
        batches: `[batches batch_size ...]`.
        num_passes: turns of both; without weights one of the process is exact.
        scale: how often every row counts.
    """
    head = eqx.combine(hyper.noise, fixed)

    def total(of_rows, moments):
        """Sum of what batches say: one batch in memory at a time."""

        def add(sums, rows):
            return jax.tree.map(jnp.add, sums, of_rows(moments, rows)), None

        one = jax.tree.map(lambda column: column[0], batches)
        shapes = jax.eval_shape(of_rows, moments, one)
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return jax.lax.scan(add, zero, batches)[0]

    def said(moments, rows):
        seen = bound_of_batch(hyper, fixed, moments, rows)[1]
        return beliefs_of_rows(seen, rows, moments[1].mean, scale, settled=True)

    def turn(count, beliefs):
        best = beliefs.moved(total(said, beliefs.moments()), 1.0)
        of_process = partial(jnp.where, count % 2 == 0)
        return Beliefs(
            jax.tree.map(of_process, best.function, beliefs.function),
            jax.tree.map(of_process, beliefs.weights, best.weights),
        )

    turns = 2 * num_passes + 1 if has_weights(head) else 1
    beliefs = jax.lax.fori_loop(0, turns, turn, beliefs)
    moments = beliefs.moments()

    def ending(moments, rows):
        own, seen = bound_of_batch(hyper, fixed, moments, rows)
        return own, _information(head, seen, rows)

    value, information = total(ending, moments)
    value = value - moments[0].divergence() - moments[1].divergence()
    return Settled(
        beliefs, value, covariance_of(head, information, parameters_too=True)
    )


def _information(head, seen, rows):
    """What rows say of all that is learned of the head: see `_noise_level`.

    Rows are taken to tell it apart from each other, less what each spends on f.
    """
    flat, _, at = flat_head(head)
    relative = relative_slope(at, flat, rows.x, rows.known)[1]
    own = jnp.where(rows.mask, 1 - seen.precision * seen.spread, 0.0) ** 2
    return 0.5 * relative.T @ (own[:, None] * relative)


_FIRST_BATCHES = 16
_CERTAIN = 1e8
