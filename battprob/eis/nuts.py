"""Sampling the exact posterior of circuits, spectra side by side."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob._typing import Array, Float
from battprob.eis import laws
from battprob.eis._scales import to_values
from battprob.eis.fit import AbstractCircuitInference, Laplace, Problem
from battprob.eis.variance import relative_variance, shape_box
from battprob.inference.report import FitReport, stopwatch


class NUTS(AbstractCircuitInference):
    """No-U-turn sampling of parameters, noise level and noise shape together.

    It starts from Laplace's answer and moves in its coordinates (whitened by its
    covariance), so that a short warm-up is enough. The variance follows the parameters
    here, with its log σ² term.

    Args:
        num_warmup: steps of adaptation a chain.
        num_samples: draws kept a chain.
        num_chains: chains a spectrum, run side by side.

    References:
        Hoffman and Gelman, J. Mach. Learn. Res. 15 (2014) 1593.
    """

    num_warmup: int = eqx.field(default=150, static=True)
    num_samples: int = eqx.field(default=400, static=True)
    num_chains: int = eqx.field(default=4, static=True)

    def run(self, task, *, key):
        from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

        key_mode, key_chain = jax.random.split(key)
        mode = Laplace().run(task, key=key_mode)
        # NumPyro's samplers mix dtypes and ranks that strict JAX settings forbid.
        lenient = (
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
        )
        with lenient[0], lenient[1], stopwatch() as watch:
            drawn = _sample_batch(task, mode.nodes, key_chain, self)
            drawn = jax.block_until_ready(drawn)
        z, shape, level, diverged = drawn
        chains = np.moveaxis(np.asarray(z), 1, 0)
        ess = [effective_sample_size(own) for own in np.moveaxis(chains, 1, 0)]
        r_hat = [split_gelman_rubin(own) for own in np.moveaxis(chains, 1, 0)]
        nodes = _as_nodes(mode.nodes, z, shape, level)
        worst = float(np.max(r_hat))
        report = FitReport(
            converged=worst < 1.01,
            message=f"largest r-hat {worst:.3f}; {mode.report.message}",
            steps=z.shape[1] * z.shape[2],
            r_hat=worst,
            ess=float(np.min(ess)),
            divergences=int(diverged.sum()),
            seconds_compile=watch.compile + mode.report.seconds_compile,
            seconds_run=watch.run + mode.report.seconds_run,
        )
        return replace(mode, nodes=nodes, report=report)


def log_density(
    task: Problem,
    impedance,
    box,
    prior,
    z: Float[Array, " p"],
    shape: Float[Array, " q"],
    log_level: Float[Array, ""],
) -> Float[Array, ""]:
    """Log joint density of a spectrum, its unconstrained parameters and its noise.

    `shape` is on the logit scale of its box.
    """
    parameters = tuple(task.circuit.free_parameters.values())
    share = jax.nn.sigmoid(shape)
    eta = box[0] + (box[1] - box[0]) * share
    mean = task.circuit.evaluate(
        to_values(z, parameters), 2 * jnp.pi * task.frequency_hz
    )
    h = relative_variance(task.noise, eta, mean, task.frequency_hz)
    variance = jnp.exp(log_level) * h
    likelihood = laws.rectangular_gaussian(impedance, mean, variance).sum()
    known = task.noise.level_known()
    level_prior = -0.5 * known * (log_level + jnp.exp(-log_level))
    uniform = jnp.sum(jnp.log(share) + jnp.log1p(-share))
    away = (z - prior[0]) / prior[1]
    return likelihood + level_prior + uniform - 0.5 * jnp.sum(away**2)


@eqx.filter_jit
def _sample_batch(task, nodes, key, settings):
    keys = jax.random.split(key, len(task.impedance))
    return jax.vmap(partial(_sample_one, task, settings))(task.impedance, nodes, keys)


def _sample_one(task, settings, impedance, nodes, key):
    """z [chains draws p], shape, level and divergences of one spectrum."""
    from numpyro.infer.hmc import hmc

    box = shape_box(task.noise, impedance, task.frequency_hz)
    unwhiten = _coordinates(task, impedance, nodes, box)
    size = nodes.location.shape[-1] + nodes.shape.shape[-1] + 1

    def potential(position):
        prior = nodes.prior_mean, nodes.prior_sd
        return -log_density(task, impedance, box, prior, *unwhiten(position))

    start, step = hmc(potential, algo="NUTS")

    def chain(key):
        key_start, key_init = jax.random.split(key)
        first = 0.5 * jax.random.normal(key_start, (size,), nodes.location.dtype)
        state = start(
            first,
            settings.num_warmup,
            max_tree_depth=6,
            target_accept_prob=0.8,
            rng_key=key_init,
        )

        def advance(state, _):
            state = step(state)
            return state, (state.z, state.diverging)

        total = settings.num_warmup + settings.num_samples
        _, (drawn, diverged) = jax.lax.scan(advance, state, length=total)
        return drawn[settings.num_warmup :], diverged[settings.num_warmup :]

    drawn, diverged = jax.vmap(chain)(jax.random.split(key, settings.num_chains))
    z, eta, log_level = jax.vmap(jax.vmap(unwhiten))(drawn)
    shape = box[0] + (box[1] - box[0]) * jax.nn.sigmoid(eta)
    return z, shape, jnp.exp(log_level), diverged


def _coordinates(task, impedance, nodes, box):
    """From a position of unit spread to parameters, logit of the shape and log level.

    Affine in each given those before it, with constant slopes, so that no Jacobian is
    due. The level is counted from the best one for the shape: the two would be tied.
    """
    weight = jnp.exp(nodes.log_weight).sum(1)
    best = jnp.argmax(weight)
    level = jnp.sum(weight * nodes.level.mean(1))
    root = jnp.linalg.cholesky(level * nodes.covariance[best])
    centre = nodes.location[best]
    share = (nodes.shape - box[0][None]) / (box[1] - box[0])[None]
    logit = jnp.log(share) - jnp.log1p(-share)
    middle = weight @ logit
    spread = jnp.sqrt(weight @ (logit - middle[None]) ** 2 + 0.1**2)
    parameters = tuple(task.circuit.free_parameters.values())
    mean = task.circuit.evaluate(
        to_values(centre, parameters), 2 * jnp.pi * task.frequency_hz
    )
    away = impedance - mean
    square = jnp.stack([away.real, away.imag]) ** 2
    known = task.noise.level_known()
    freedom = square.size + known

    def unwhiten(position):
        split = np.array([centre.size, centre.size + middle.size])
        z, eta, log_level = jnp.split(position, split)
        eta = middle + spread * eta
        shape = box[0] + (box[1] - box[0]) * jax.nn.sigmoid(eta)
        h = relative_variance(task.noise, shape, mean, task.frequency_hz)
        usual = jnp.log((jnp.sum(square / h) + known) / freedom)
        return centre + root @ z, eta, usual + jnp.sqrt(2 / freedom) * log_level[0]

    return unwhiten


def _as_nodes(nodes, z, shape, level):
    """Draws as a mixture of points."""
    flat = (len(z), z.shape[1] * z.shape[2])
    location = z.reshape(*flat, -1)
    changes = {
        "location": location,
        "covariance": jnp.zeros((*location.shape, location.shape[-1]), z.dtype),
        "shape": shape.reshape(*flat, shape.shape[-1]),
        "level": level.reshape(*flat, 1),
        "log_weight": jnp.full((*flat, 1), -np.log(flat[1]), z.dtype),
    }
    return replace(nodes, **changes)
