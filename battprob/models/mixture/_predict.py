"""Compiled predictions of fitted mixtures, one draw of the hyper-parameters at a time."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob._typing import Array, Float, PRNGKey
from battprob.models import _gaussian
from battprob.models._scaling import Rows
from battprob.models.mixture._bound import new_responsibilities
from battprob.models.mixture._parameters import MixtureData, MixtureParameters
from battprob.models.mixture.gates import log_probabilities
from battprob.predictive import Predictive


class MixtureDraws(NamedTuple):
    """Hyper-parameters, solutions of the experts and responsibilities of each draw."""

    parameters: MixtureParameters
    solutions: Any
    responsibilities: Float[Array, "s k n"]


@eqx.filter_jit
def solve(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "s k n"],
) -> tuple[Float[Array, "s k q"], Float[Array, "s k p p"]]:
    """Solutions of all experts for all draws (`AbstractExpert.solve`)."""

    def one_draw(arguments):
        parameters, responsibilities = arguments
        rows = parameters.expert.centred(data.rows)
        return parameters.map_experts(
            lambda expert, responsibility: expert.solve(rows, responsibility),
            responsibilities,
        )

    return jax.lax.map(one_draw, (parameters, responsibilities))


@eqx.filter_jit
def new_responsibilities_by_draw(
    parameters: MixtureParameters,
    data: MixtureData,
    responsibilities: Float[Array, "s k n"],
    new: MixtureData,
) -> Float[Array, "s k m"]:
    """Responsibilities for new rows, given each draw."""

    def one_draw(arguments):
        parameters, responsibilities = arguments
        return new_responsibilities(parameters, data, responsibilities, new)

    return jax.lax.map(one_draw, (parameters, responsibilities))


@eqx.filter_jit
def predict(
    draws: MixtureDraws,
    data: MixtureData,
    x: Float[Array, "m d"],
    known: Float[Array, " m"],
) -> Predictive:
    """Predictive distribution with a component for each protocol, then for a new one.

    The function of a new protocol has the prior given the hyper-parameters, and its noise
    variance is the mean of those of the other protocols. Its weight is zero.
    """

    def one_draw(draw):
        parameters, solutions, responsibilities = draw
        prior_mean = parameters.expert.mean_function(x)

        def one_expert(expert, solution, responsibility):
            mean, variance = expert.function(solution, data.rows, responsibility, x)
            noise = expert.noise.variance(x, known)
            return prior_mean + mean, noise, variance, expert.prior_variance(x)

        mean, noise, variance, prior_variance = parameters.map_experts(
            one_expert, solutions, responsibilities
        )
        log_weight = log_probabilities(parameters.gate, data.active, x)
        fields = (mean, noise, variance, log_weight)
        new_protocol = (
            prior_mean,
            noise.mean(0),
            prior_variance.mean(0),
            -jnp.inf * noise[0],
        )
        return [
            jnp.concatenate([field, last[None]])
            for field, last in zip(fields, new_protocol, strict=True)
        ]

    return Predictive(*jax.lax.map(one_draw, draws))


@eqx.filter_jit
def sample_functions(
    draws: MixtureDraws,
    data: MixtureData,
    x: Float[Array, "m d"],
    key: PRNGKey,
    num: int,
) -> Float[Array, "num m"]:
    """Joint draws of the mean over protocols, Σ_k p(k | x) f_k(x)."""

    def joint(draw):
        parameters, solutions, responsibilities = draw
        mean, root = parameters.map_experts(
            lambda expert, solution, responsibility: expert.joint(
                solution, data.rows, responsibility, x
            ),
            solutions,
            responsibilities,
        )
        weight = jnp.exp(log_probabilities(parameters.gate, data.active, x))
        average = parameters.expert.mean_function(x) + jnp.sum(weight * mean, axis=0)
        return average, weight[..., None] * root

    mean, root = jax.lax.map(joint, draws)
    key_draw, key_function = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(mean))
    shape = (num, root.shape[1], root.shape[3])
    normals = jax.random.normal(key_function, shape, x.dtype)

    def one_sample(sample):
        index, normals = sample
        return mean[index] + jnp.einsum("kmq,kq->m", root[index], normals)

    return jax.lax.map(one_sample, (chosen, normals))


@eqx.filter_jit
def responsibilities(pred: Predictive, y: Float[Array, " m"]) -> Float[Array, "m c"]:
    """p(protocol | x, y) of every row alone, one column for each component."""
    z = pred.transform.inverse(y)
    variance = pred.noise_variance + pred.function_variance
    square = (z[None, None] - pred.location) ** 2 / variance
    log_density = -0.5 * (square + jnp.log(variance))
    joint = logsumexp(pred.log_weight + log_density, axis=0)
    return jax.nn.softmax(joint, axis=0).T


@eqx.filter_jit
def identify(
    draws: MixtureDraws, data: MixtureData, rows: Rows, log_prior: Float[Array, "s c"]
) -> Float[Array, " c"]:
    """p(protocol | all rows together): the training protocols, then a new one.

    Args:
        draws: draws of the hyper-parameters.
        data: training rows.
        rows: rows of one cell.
        log_prior: log probability of each component given each draw, without the targets.
    """

    def one_draw(draw):
        parameters, solutions, responsibilities = draw
        y = parameters.expert.centred(rows).y

        def one_expert(expert, solution, responsibility):
            noise = expert.noise.variance(rows.x, rows.known)
            mean, root = expert.joint(solution, data.rows, responsibility, rows.x)
            old = _log_density(y - mean, root, noise, rows.mask)
            # Given rows with responsibility zero the function has its prior.
            nothing = jnp.zeros_like(responsibility)
            prior = expert.solve(data.rows, nothing)
            mean, root = expert.joint(prior, data.rows, nothing, rows.x)
            return old, _log_density(y - mean, root, noise, rows.mask)

        old, new = parameters.map_experts(one_expert, solutions, responsibilities)
        return jnp.append(old, logsumexp(new) - jnp.log(len(new)))

    log_density = jax.lax.map(one_draw, draws)
    return jax.nn.softmax(logsumexp(log_prior + log_density, axis=0))


def _log_density(residual, root, noise, mask):
    """Log density of N(0, root rootᵀ + diag(noise)), with N(0, 1) for padding."""
    inside = mask.astype(residual.dtype)
    both = inside[:, None] * inside[None]
    covariance = both * (root @ root.T + jnp.diag(noise)) + jnp.diag(1 - inside)
    return _gaussian.log_density(inside * residual, covariance)
