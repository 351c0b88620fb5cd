r"""The evidence bound of a mixture, and the two steps that climb it.

With labels u, functions f and hyper-parameters θ, the best q(u) q(f, θ) satisfies

    q(u_i = k) = r_ik ∝ p(u_i = k | x_i) exp E[log N(y_i; f_k(x_i), σ²_k(x_i))]
    q(f_k | θ)  = its posterior given rows of noise σ²_k / r_ik
    q(θ)        ∝ p(θ) exp B(θ),   B = Σ_k E_k + Σ_ik r_ik log p(u_i = k | x_i) / r_ik

(Bishop, Pattern Recognition and Machine Learning (2006), section 10.2; E_k as in
`battprob.models._mixture.experts`). Rows whose protocol is known keep r of 0 and 1.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import entr

from battprob._typing import Array, Float, Int
from battprob.models._scaling import Rows
from battprob.models.mixture._experts import (
    AbstractExpert,
    ProcessExpert,
    noise_variance,
)
from battprob.models.mixture.gates import AbstractGate, log_probabilities
from battprob.priors.base import standard_normal


class MixtureParameters(eqx.Module):
    """Hyper-parameters of a typical expert, how each departs from them, and of the gate.

    Departures lead with the axis of protocols and are N(0, 1) a priori, in steps that make
    a scale differ by a factor of √e or so; None where all experts are alike.
    """

    expert: AbstractExpert
    departures: Any
    gate: AbstractGate

    @property
    def is_process(self) -> bool:
        """Whether experts cost the cube of the rows."""
        return isinstance(self.expert, ProcessExpert)

    def each(self, function: Callable, *arrays: Any) -> Any:
        """`function(expert, *arrays)` for every expert, whose arrays lead with its axis."""

        def one(own):
            departure, *arrays = own
            steps = jax.tree.map(lambda leaf: _STEP * leaf, departure)
            return function(eqx.apply_updates(self.expert, steps), *arrays)

        # Processes one after the other: LAPACK's triangular solves do not come in batches.
        side_by_side = jax.lax.map if self.is_process else _vmapped
        return side_by_side(one, (self.departures, *arrays))


def _vmapped(function, arrays):
    return jax.vmap(function)(arrays)


class MixtureData(NamedTuple):
    """Rows, the protocol of each (-1 where not known), and which protocols there are."""

    rows: Rows
    labels: Int[Array, " n"]
    active: Float[Array, " k"]


def log_prior(parameters: MixtureParameters) -> Float[Array, ""]:
    """Log density of all parameters, those of protocols that are not active too."""
    density = parameters.expert.log_prior() + parameters.gate.log_prior()
    if parameters.departures is None:
        return density
    return density + standard_normal(parameters.departures)


def log_joint(
    parameters: MixtureParameters, data: tuple[MixtureData, Float[Array, "k n"]]
) -> Float[Array, ""]:
    """B(θ) + log p(θ) for given shares, the density that hyper-parameters are found from."""
    (rows, _, active), share = data
    centred = parameters.expert.centred(rows)
    evidence = parameters.each(
        lambda expert, own: expert.log_evidence(centred, own), share
    )
    log_gate = log_probabilities(parameters.gate, active, rows.x)
    chosen = jnp.sum(jnp.where(share > 0, share * log_gate, 0.0))
    return jnp.sum(evidence) + chosen + jnp.sum(entr(share)) + log_prior(parameters)


def shares(
    parameters: MixtureParameters, data: MixtureData, share: Float[Array, "k n"]
) -> Float[Array, "k n"]:
    """New shares of every row, from what the old ones teach the experts."""
    active = data.active
    rows = parameters.expert.centred(data.rows)

    def one(expert, own):
        mean, spread = expert.function(expert.solve(rows, own), rows, own, rows.x)
        variance = noise_variance(expert, rows)
        square = (rows.y - mean) ** 2 + spread
        return -0.5 * (square / variance + jnp.log(2 * jnp.pi * variance))

    fit = parameters.each(one, share)
    log_gate = log_probabilities(parameters.gate, active, rows.x)
    return pinned(jax.nn.softmax(log_gate + fit, axis=0), data)


def pinned(share: Float[Array, "k n"], data: MixtureData) -> Float[Array, "k n"]:
    """The shares, but those of known protocols as known, and none of padding."""
    known = jax.nn.one_hot(data.labels, len(share), axis=0, dtype=share.dtype)
    share = jnp.where(data.labels[None] >= 0, known, share)
    return jnp.where(data.rows.mask[None], share, 0.0)


@eqx.filter_jit
def shares_of_new_rows(
    parameters: MixtureParameters,
    old: MixtureData,
    share: Float[Array, "k n"],
    new: MixtureData,
) -> Float[Array, "k m"]:
    """Shares of rows that the experts have not learned from, given those of old ones."""
    seen, rows = map(parameters.expert.centred, (old.rows, new.rows))

    def one(expert, own):
        mean, spread = expert.function(expert.solve(seen, own), seen, own, rows.x)
        total = noise_variance(expert, rows) + spread
        return -0.5 * ((rows.y - mean) ** 2 / total + jnp.log(total))

    log_gate = log_probabilities(parameters.gate, new.active, rows.x)
    fit = parameters.each(one, share)
    return pinned(jax.nn.softmax(log_gate + fit, axis=0), new)


@eqx.filter_jit
def functions(
    parameters: MixtureParameters, data: MixtureData, share: Float[Array, "k n"]
) -> tuple[Float[Array, "k n"], Float[Array, "k n"]]:
    """Mean of every expert's function at all rows, and the variance of its noise."""
    rows = parameters.expert.centred(data.rows)

    def one(expert, own):
        mean, _ = expert.function(expert.solve(rows, own), rows, own, rows.x)
        return mean, noise_variance(expert, rows)

    mean, variance = parameters.each(one, share)
    return mean + parameters.expert.centre(rows.x)[None], variance


def permuted(parameters: MixtureParameters, order: Int[Array, " k"]):
    """The same mixture, its protocols in another order; some may be left out."""
    own = jax.tree.map(
        lambda leaf: leaf[order], (parameters.departures, parameters.gate)
    )
    return MixtureParameters(parameters.expert, *own)


_STEP = 0.5
