"""Compiled answers of fitted mixtures: one draw of the hyper-parameters at a time."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from battprob.models import _gaussian
from battprob.models.mixture._bound import shares_of_new_rows
from battprob.models.mixture.gates import log_probabilities
from battprob.predictive import Predictive


@eqx.filter_jit
def solve(draws, data, share):
    """What every expert of every draw makes of the rows, weighed by their shares."""

    def one(own):
        parameters, share = own
        rows = parameters.expert.centred(data.rows)
        return parameters.each(lambda expert, own: expert.solve(rows, own), share)

    return jax.lax.map(one, (draws, share))


@eqx.filter_jit
def shares_by_draw(draws, data, share, new):
    """Shares that new rows have in the protocols of every draw."""

    def one(own):
        parameters, share = own
        return shares_of_new_rows(parameters, data, share, new)

    return jax.lax.map(one, (draws, share))


@eqx.filter_jit
def predict(draws, solved, share, data, x, known):
    """Components: the protocols of training, and last one that it did not have."""

    def one(own):
        parameters, solved, share = own
        centre = parameters.expert.centre(x)

        def of_expert(expert, solved, share):
            departure, spread = expert.function(solved, data.rows, share, x)
            return (
                centre + departure,
                expert.noise.variance(x, known),
                spread,
                expert.prior_variance(x),
            )

        mean, noise, spread, prior = parameters.each(of_expert, solved, share)
        weight = log_probabilities(parameters.gate, data.active, x)
        # Last a protocol not seen: a fresh function, and the average noise.
        new = (
            centre,
            noise.mean(0),
            prior.mean(0),
            -jnp.inf * noise[0],
        )
        fields = (mean, noise, spread, weight)
        return [
            jnp.concatenate([field, last[None]])
            for field, last in zip(fields, new, strict=True)
        ]

    return Predictive(*jax.lax.map(one, (draws, solved, share)))


@eqx.filter_jit
def sample_functions(state, data, x, key, num):
    """Draws of the average over protocols, Σ_k p(k | x) f_k(x)."""

    def joint(own):
        parameters, solved, share = own
        mean, root = parameters.each(
            lambda expert, solved, share: expert.joint(solved, data.rows, share, x),
            solved,
            share,
        )
        weight = jnp.exp(log_probabilities(parameters.gate, data.active, x))
        average = parameters.expert.centre(x) + jnp.sum(weight * mean, axis=0)
        return average, weight[..., None] * root

    mean, root = jax.lax.map(joint, state)
    key_draw, key_function = jax.random.split(key)
    chosen = jax.random.randint(key_draw, (num,), 0, len(mean))
    shape = (num, root.shape[1], root.shape[3])
    normals = jax.random.normal(key_function, shape, x.dtype)

    def one(own):
        place, normals = own
        return mean[place] + jnp.einsum("kmq,kq->m", root[place], normals)

    return jax.lax.map(one, (chosen, normals))


@eqx.filter_jit
def responsibilities(pred, y):
    """p(protocol | x, y) of every row, protocols on the last axis."""
    z = pred.transform.inverse(y)
    total = pred.noise_variance + pred.function_variance
    fit = -0.5 * ((z[None, None] - pred.location) ** 2 / total + jnp.log(total))
    return jax.nn.softmax(logsumexp(pred.log_weight + fit, axis=0), axis=0).T


@eqx.filter_jit
def identify(draws, solved, share, data, rows, log_prior):
    """p(protocol | rows), protocols of training first and a new one last."""
    inside = rows.mask.astype(rows.y.dtype)

    def log_density(residual, covariance, noise):
        # Padding is a standard normal number at its mean.
        both = inside[:, None] * inside[None]
        covariance = both * (covariance + jnp.diag(noise)) + jnp.diag(1 - inside)
        return _gaussian.log_density(inside * residual, covariance)

    def one(own):
        parameters, solved, share = own
        y = parameters.expert.centred(rows).y

        def of_expert(expert, solved, share):
            mean, root = expert.joint(solved, data.rows, share, rows.x)
            noise = expert.noise.variance(rows.x, rows.known)
            own = log_density(y - mean, root @ root.T, noise)
            none = jnp.zeros_like(share)
            fresh = expert.solve(data.rows, none)
            mean, root = expert.joint(fresh, data.rows, none, rows.x)
            return own, log_density(y - mean, root @ root.T, noise)

        own, new = parameters.each(of_expert, solved, share)
        return jnp.append(own, logsumexp(new) - jnp.log(len(new)))

    density = jax.lax.map(one, (draws, solved, share))
    return jax.nn.softmax(logsumexp(log_prior + density, axis=0))
