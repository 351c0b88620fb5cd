"""Kalman filter and smoother in n sequential steps, for CPUs.

States and covariances are nested lists of scalars (`_nested`). The backward pass is that
of de Jong (1989): it carries r, the gradient of the log density of later observations with
respect to the predicted mean, and N, minus its second derivative, and inverts nothing.
"""

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


class Observations(NamedTuple):
    """Noisy values; there is no observation where `observed` is False."""

    y: Float[Array, " n"]
    noise_variance: Float[Array, " n"]
    observed: Bool[Array, " n"]


class Filtered(NamedTuple):
    """State after each observation, and what the backward pass needs of each update.

    Attributes:
        mean, covariance: of the state, given the observations up to there.
        gain: Kalman gain.
        weighted_innovation: observation minus prediction, over its variance.
        precision: 1 / variance of the innovation; 0 without an observation.
    """

    mean: list[Float[Array, " n"]]
    covariance: Symmetric
    gain: list[Float[Array, " n"]]
    weighted_innovation: Float[Array, " n"]
    precision: Float[Array, " n"]


def forward(
    stationary: Float[Array, "d d"],
    transition: Float[Array, "n d d"],
    process_noise: Float[Array, "n d d"],
    observations: Observations,
) -> tuple[Filtered, Float[Array, " n"]]:
    """Kalman filter: filtered states, and the log density of each observation.

    Args:
        stationary: covariance of the first state.
        transition, process_noise: matrix and covariance of the step before each location.
        observations: noisy values of the first state component.
    """
    d = len(stationary)
    zero = jnp.zeros_like(observations.y[0])
    initial = ([zero] * d, symmetric(lambda i, j: stationary[i, j], d))

    def step(state, inputs):
        transition, process_noise, *observation = inputs
        predicted = _predict(state, rows(transition), rows(process_noise))
        filtered, log_density = update(*predicted, *observation)
        return (filtered.mean, filtered.covariance), (filtered, log_density)

    inputs = (transition, process_noise, *observations)
    return jax.lax.scan(step, initial, inputs)[1]


def backward(
    transition: Float[Array, "n d d"], filtered: Filtered
) -> tuple[list[Float[Array, " n"]], Symmetric]:
    """Mean and covariance of the states given all observations.

    Args:
        transition: matrix of the step after each location.
        filtered: result of `forward`.
    """

    def step(state, inputs):
        transition, filtered = inputs
        carried = _through_transition(state, transition)
        smoothed = smooth_state(filtered, *carried)
        return _through_update(*carried, *filtered[2:]), smoothed

    initial = _no_observations(transition)
    return jax.lax.scan(step, initial, (transition, filtered), reverse=True)[1]


def disturbances(
    transition: Float[Array, "n d d"],
    process_noise: Float[Array, "n d d"],
    filtered: Filtered,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Disturbance smoother: energy rᵀQr and degrees of freedom tr(QN) of each step.

    Args:
        transition: matrix of the step after each location.
        process_noise: covariance Q of the step before each location.
        filtered: result of `forward`.
    """

    def step(state, inputs):
        transition, process_noise, *observation = inputs
        state = _through_update(*_through_transition(state, transition), *observation)
        r, n = state
        process_noise = rows(process_noise)
        degrees_of_freedom = reduce(add, map(dot, process_noise, n))
        return state, (dot(r, apply(process_noise, r)), degrees_of_freedom)

    inputs = (transition, process_noise, *filtered[2:])
    initial = _no_observations(transition)
    return jax.lax.scan(step, initial, inputs, reverse=True)[1]


def propagate(
    transition: Float[Array, "n d d"], disturbance: Float[Array, "n d"]
) -> Float[Array, "n d"]:
    """States x_i = A_i x_(i-1) + w_i from x_0 = 0."""

    def step(state, inputs):
        transition, disturbance = inputs
        state = transition @ state + disturbance
        return state, state

    initial = jnp.zeros_like(disturbance[0])
    return jax.lax.scan(step, initial, (transition, disturbance))[1]


def update(mean, covariance, y, noise_variance, observed):
    """Kalman update of a predicted state by one observation, and its log density."""
    total = covariance[0][0] + noise_variance
    precision = jnp.where(observed, 1 / total, 0.0)
    remaining = jnp.where(observed, noise_variance / total, 1.0)
    gain = [entry * precision for entry in covariance[0]]
    innovation = y - mean[0]
    mean = [m + g * innovation for m, g in zip(mean, gain, strict=True)]
    # The first row is a product, not a difference: exact however small the noise is.
    updated = symmetric(
        lambda i, j: (
            remaining * covariance[0][j]
            if i == 0
            else covariance[i][j] - gain[i] * covariance[0][j]
        ),
        len(mean),
    )
    log_density = -0.5 * (jnp.log(2 * jnp.pi * total) + innovation**2 / total)
    filtered = Filtered(mean, updated, gain, precision * innovation, precision)
    return filtered, jnp.where(observed, log_density, 0.0)


def smooth_state(filtered, r, n):
    """Smoothed mean m + P r and covariance P - P N P (de Jong 1989)."""
    mean, covariance = filtered.mean, filtered.covariance
    smoothed = [m + p for m, p in zip(mean, apply(covariance, r), strict=True)]
    reduction = sandwich(covariance, n)
    return smoothed, symmetric(
        lambda i, j: covariance[i][j] - reduction[i][j], len(mean)
    )


def _predict(state, transition, process_noise):
    mean, covariance = state
    carried = sandwich(transition, covariance)
    return apply(transition, mean), symmetric(
        lambda i, j: carried[i][j] + process_noise[i][j], len(mean)
    )


def _no_observations(transition):
    """r and N after the last observation: zero."""
    d = transition.shape[-1]
    zero = jnp.zeros_like(transition[0, 0, 0])
    return [zero] * d, symmetric(lambda *_: zero, d)


def _through_transition(state, transition):
    """r and N before a step: Aᵀr and AᵀNA."""
    r, n = state
    transposed = list(zip(*rows(transition), strict=True))
    return apply(transposed, r), sandwich(transposed, n)


def _through_update(r, n, gain, weighted_innovation, precision):
    """r and N before an update by one observation of the first state component."""
    n_gain = apply(n, gain)
    corner = n[0][0] + precision - 2 * n_gain[0] + dot(gain, n_gain)
    n = symmetric(
        lambda i, j: n[i][j] - (n_gain[j] if i == 0 else 0.0) if j else corner,
        len(r),
    )
    return [r[0] + weighted_innovation - dot(gain, r), *r[1:]], n
