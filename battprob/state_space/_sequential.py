"""Filter and smoother step by step, small matrices as nests of lists: n steps on one core."""

from functools import reduce
from operator import add
from typing import NamedTuple

import jax
import jax.numpy as jnp

from battprob._typing import Array, Bool, Float
from battprob.state_space._nested import (
    Symmetric,
    apply,
    dot,
    rows,
    sandwich,
    symmetric,
)


class Readings(NamedTuple):
    """Noisy values; nothing is read where `seen` is False."""

    y: Float[Array, " n"]
    noise_variance: Float[Array, " n"]
    seen: Bool[Array, " n"]


class Filtered(NamedTuple):
    """What is known after each reading of the state there, and how the reading told it."""

    mean: list[Float[Array, " n"]]
    covariance: Symmetric
    gain: list[Float[Array, " n"]]
    weighted_surprise: Float[Array, " n"]
    precision: Float[Array, " n"]


def forward(
    stationary: Float[Array, "d d"],
    transition: Float[Array, "n d d"],
    growth: Float[Array, "n d d"],
    readings: Readings,
) -> tuple[Filtered, Float[Array, " n"]]:
    """The filter from a first covariance on, and the log density of every reading."""
    d = len(stationary)
    zero = jnp.zeros_like(readings.y[0])
    start = ([zero] * d, symmetric(lambda i, j: stationary[i, j], d))

    def step(state, inputs):
        transition, growth, *reading = inputs
        predicted = _predict(state, rows(transition), rows(growth))
        filtered, log_density = take_in(*predicted, *reading)
        return (filtered.mean, filtered.covariance), (filtered, log_density)

    return jax.lax.scan(step, start, (transition, growth, *readings))[1]


def backward(
    transition: Float[Array, "n d d"], filtered: Filtered
) -> tuple[list[Float[Array, " n"]], Symmetric]:
    """Mean and covariance after all readings; `transition` is that after each location."""

    def step(state, inputs):
        transition, filtered = inputs
        carried = _carry_back(state, transition)
        smoothed = reconsider(filtered, *carried)
        return _through_reading(*carried, *filtered[2:]), smoothed

    start = _nothing(transition)
    return jax.lax.scan(step, start, (transition, filtered), reverse=True)[1]


def drive(
    transition: Float[Array, "n d d"], growth: Float[Array, "n d d"], filtered: Filtered
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Energy and freedom of the noise that came in just before each reading."""

    def step(state, inputs):
        transition, growth, *reading = inputs
        state = _through_reading(*_carry_back(state, transition), *reading)
        pull, bite = state
        growth = rows(growth)
        freedom = reduce(add, map(dot, growth, bite))
        return state, (dot(pull, apply(growth, pull)), freedom)

    inputs = (transition, growth, *filtered[2:])
    return jax.lax.scan(step, _nothing(transition), inputs, reverse=True)[1]


def accumulate(
    transition: Float[Array, "n d d"], shock: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    """States from 0 on: carried over each step, and pushed."""

    def step(state, inputs):
        transition, shock = inputs
        state = transition @ state + shock
        return state, state

    return jax.lax.scan(step, jnp.zeros_like(shock[0]), (transition, shock))[1]


def take_in(mean, covariance, y, noise_variance, seen):
    """One reading taken into what was predicted there, and its log density."""
    total = covariance[0][0] + noise_variance
    precision = jnp.where(seen, 1 / total, 0.0)
    kept = jnp.where(seen, noise_variance / total, 1.0)
    gain = [entry * precision for entry in covariance[0]]
    surprise = y - mean[0]
    mean = [m + g * surprise for m, g in zip(mean, gain, strict=True)]
    # The first row as a product, not a difference: exact however small the noise.
    updated = symmetric(
        lambda i, j: (
            kept * covariance[0][j]
            if i == 0
            else covariance[i][j] - gain[i] * covariance[0][j]
        ),
        len(mean),
    )
    log_density = -0.5 * (jnp.log(2 * jnp.pi * total) + surprise**2 / total)
    filtered = Filtered(mean, updated, gain, precision * surprise, precision)
    return filtered, jnp.where(seen, log_density, 0.0)


def reconsider(filtered, pull, bite):
    """What was filtered, in the light of later readings.

    `pull` and `bite` are r and N of de Jong: later readings move the filtered mean by
    P r and take P N P from its covariance.
    """
    mean, covariance = filtered.mean, filtered.covariance
    smoothed = [m + p for m, p in zip(mean, apply(covariance, pull), strict=True)]
    taken = sandwich(covariance, bite)
    left = symmetric(lambda i, j: covariance[i][j] - taken[i][j], len(mean))
    return smoothed, left


def _predict(state, transition, growth):
    mean, covariance = state
    carried = sandwich(transition, covariance)
    return apply(transition, mean), symmetric(
        lambda i, j: carried[i][j] + growth[i][j], len(mean)
    )


def _nothing(transition):
    """What later readings say where there are none."""
    d = transition.shape[-1]
    zero = jnp.zeros_like(transition[0, 0, 0])
    return [zero] * d, symmetric(lambda *_: zero, d)


def _carry_back(state, transition):
    pull, bite = state
    back = list(zip(*rows(transition), strict=True))
    return apply(back, pull), sandwich(back, bite)


def _through_reading(pull, bite, gain, weighted_surprise, precision):
    bite_gain = apply(bite, gain)
    corner = bite[0][0] + precision - 2 * bite_gain[0] + dot(gain, bite_gain)
    bite = symmetric(
        lambda i, j: bite[i][j] - (bite_gain[j] if i == 0 else 0.0) if j else corner,
        len(pull),
    )
    return [pull[0] + weighted_surprise - dot(gain, pull), *pull[1:]], bite
