"""Sampling the exact posterior of circuits, spectra side by side."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob.eis._joint import joint
from battprob.eis.fit import AbstractCircuitInference, Laplace
from battprob.inference.nuts import diagnose, sample
from battprob.inference.report import FitReport, stopwatch


class NUTS(AbstractCircuitInference):
    """No-U-turn sampling of parameters, noise level and noise shape together.

    It starts from Laplace's answer and moves in its coordinates (whitened by its
    covariance), so that a short warm-up is enough. The variance follows the parameters
    here, with its log σ² term.

    Args:
        num_samples: draws kept of each spectrum, of all chains together.
        num_warmup: steps of adaptation of each chain, discarded.
        num_chains: chains of each spectrum; they share the `num_samples` evenly.

    Raises:
        ValueError: `num_samples` is no multiple of `num_chains`, or fewer than four for
            each chain.

    References:
        Hoffman and Gelman, J. Mach. Learn. Res. 15 (2014) 1593.
    """

    num_samples: int = eqx.field(default=1600, static=True)
    num_warmup: int = eqx.field(default=150, static=True)
    num_chains: int = eqx.field(default=4, static=True)

    def __check_init__(self):
        if self.num_samples < 4 * self.num_chains or self.num_samples % self.num_chains:
            raise ValueError(
                "num_samples must be a multiple of num_chains, at least four for each: "
                f"got {self.num_samples} of {self.num_chains} chains"
            )

    def run(self, task, *, key):
        key_mode, key_chain = jax.random.split(key)
        mode = Laplace().run(task, key=key_mode)
        with stopwatch() as watch:
            drawn = _sample_batch(task, mode.nodes, key_chain, self)
            drawn = jax.block_until_ready(drawn)
        z, shape, level, diverged = drawn
        told = np.array([diagnose(own) for own in z])
        r_hat, ess = float(told[:, 0].max()), float(told[:, 1].min())
        nodes = _as_nodes(mode.nodes, z, shape, level)
        report = FitReport(
            converged=r_hat < 1.01,
            message=f"largest r-hat {r_hat:.3f}; {mode.report.message}",
            steps=z.shape[1] * z.shape[2],
            r_hat=r_hat,
            ess=ess,
            divergences=int(diverged.sum()),
            seconds_compile=watch.compile + mode.report.seconds_compile,
            seconds_run=watch.run + mode.report.seconds_run,
        )
        return replace(mode, nodes=nodes, report=report)


@eqx.filter_jit
def _sample_batch(task, nodes, key, settings):
    keys = jax.random.split(key, len(task.impedance))
    one = partial(_sample_one, task, settings)
    return jax.vmap(one)(task.measured, task.impedance, nodes, keys)


def _sample_one(task, settings, measured, impedance, nodes, key):
    """z [chains draws p], shape, level and divergences of one spectrum."""
    density = joint(task, measured, impedance, nodes)
    key_start, key_chains = jax.random.split(key)
    shape = (settings.num_chains, density.size)
    scatter = 0.5 * jax.random.normal(key_start, shape, nodes.location.dtype)
    drawn, diverged = sample(
        density.log_density,
        scatter,
        key=key_chains,
        num_warmup=settings.num_warmup,
        num_samples=settings.num_samples // settings.num_chains,
        max_tree_depth=6,
    )
    z, eta, log_level = jax.vmap(jax.vmap(density.unwhiten))(drawn)
    return z, jax.vmap(jax.vmap(density.to_shape))(eta), jnp.exp(log_level), diverged


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
