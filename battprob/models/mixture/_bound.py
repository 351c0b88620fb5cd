r"""Variational lower bound (ELBO) of a mixture of experts, and the E step.

With protocols u, functions f and hyper-parameters θ, the factors that maximise the bound
over all q(u) q(f, θ) are

    q(u_i = k) = r_ik ∝ p(u_i = k | x_i) exp E[log N(y_i; f_k(x_i), σ²_k(x_i))]
    q(f_k | θ)  = posterior of f_k given rows with noise variance σ²_k / r_ik
    q(θ)        ∝ p(θ) exp B(θ),   B = Σ_k E_k + Σ_ik r_ik log p(u_i = k | x_i) / r_ik

(Bishop, Pattern Recognition and Machine Learning (2006), section 10.2; E_k is defined in
`battprob.models.mixture._experts`). r_ik are the responsibilities. For rows whose protocol
is known they are fixed at 0 and 1.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import entr

from battprob._typing import Array, Float
from battprob.models.mixture._experts import noise_variance
from battprob.models.mixture._parameters import (
    MixtureData,
    MixtureParameters,
    log_prior,
)
from battprob.models.mixture.gates import log_probabilities


def elbo(
    parameters: MixtureParameters,
    data: tuple[MixtureData, Float[Array, "k n"]],
    *,
    unrolled: bool = False,
) -> Float[Array, ""]:
    """B(θ) + log p(θ), the lower bound of log p(y, θ).

    Args:
        parameters: θ.
        data: rows, and the responsibilities of the protocols for them.
        unrolled: needed for second derivatives (see `map_experts`).
    """
    (rows, _, active), responsibilities = data
    centred = parameters.expert.centred(rows)
    evidence = parameters.map_experts(
        lambda expert, responsibility: expert.log_evidence(centred, responsibility),
        responsibilities,
        unrolled=unrolled,
    )
    log_gate = log_probabilities(parameters.gate, active, rows.x)
    # 0 · log 0 = 0: inactive protocols have log_gate = -inf.
    terms = jnp.where(responsibilities > 0, responsibilities * log_gate, 0.0)
    entropy = jnp.sum(entr(responsibilities))
    return jnp.sum(evidence) + jnp.sum(terms) + entropy + log_prior(parameters)


def e_step(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
) -> Float[Array, "k n"]:
    """Responsibilities given q(f), which depends on the current responsibilities."""
    rows = parameters.expert.centred(data.rows)

    def expected_log_density(expert, responsibility):
        solution = expert.solve(rows, responsibility)
        mean, function_variance = expert.function(
            solution, rows, responsibility, rows.x
        )
        variance = noise_variance(expert, rows)
        square = (rows.y - mean) ** 2 + function_variance
        return -0.5 * (square / variance + jnp.log(2 * jnp.pi * variance))

    log_density = parameters.map_experts(expected_log_density, responsibilities)
    log_gate = log_probabilities(parameters.gate, data.active, rows.x)
    return with_labels(jax.nn.softmax(log_gate + log_density, axis=0), data)


def with_labels(
    responsibilities: Float[Array, "k n"], data: MixtureData
) -> Float[Array, "k n"]:
    """Responsibilities with 0 and 1 for rows of known protocol, and 0 for padding."""
    dtype = responsibilities.dtype
    known = jax.nn.one_hot(data.labels, len(responsibilities), axis=0, dtype=dtype)
    responsibilities = jnp.where(data.labels[None] >= 0, known, responsibilities)
    return jnp.where(data.rows.mask[None], responsibilities, 0.0)


@eqx.filter_jit
def new_responsibilities(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
    new: MixtureData,
) -> Float[Array, "k m"]:
    """Responsibilities for new rows by their predictive density, one row at a time.

    Args:
        parameters: hyper-parameters.
        data: rows that the experts are conditioned on.
        responsibilities: of these rows.
        new: rows that the experts are not conditioned on.
    """
    rows, new_rows = (parameters.expert.centred(each.rows) for each in (data, new))

    def log_predictive(expert, responsibility):
        solution = expert.solve(rows, responsibility)
        mean, function_variance = expert.function(
            solution, rows, responsibility, new_rows.x
        )
        variance = noise_variance(expert, new_rows) + function_variance
        return -0.5 * ((new_rows.y - mean) ** 2 / variance + jnp.log(variance))

    log_gate = log_probabilities(parameters.gate, new.active, new_rows.x)
    log_density = parameters.map_experts(log_predictive, responsibilities)
    return with_labels(jax.nn.softmax(log_gate + log_density, axis=0), new)


@eqx.filter_jit
def expert_functions(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "k n"],
) -> tuple[Float[Array, "k n"], Float[Array, "k n"]]:
    """Mean of every expert's function, and its noise variance, at all rows."""
    rows = parameters.expert.centred(data.rows)

    def one_expert(expert, responsibility):
        solution = expert.solve(rows, responsibility)
        mean, _ = expert.function(solution, rows, responsibility, rows.x)
        return mean, noise_variance(expert, rows)

    mean, variance = parameters.map_experts(one_expert, responsibilities)
    return mean + parameters.expert.mean_function(rows.x)[None], variance
