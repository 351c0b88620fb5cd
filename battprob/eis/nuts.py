"""Sampling of the exact posterior of circuits, for batches of spectra."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from battprob._modules import replace
from battprob.eis._joint_density import joint_density
from battprob.eis.inference import AbstractCircuitInference
from battprob.eis.laplace import Laplace
from battprob.inference.nuts import diagnose, sample
from battprob.inference.report import FitReport, stopwatch

_START_SD = 0.5  # of the chains' first positions around the mode, whitened
_R_HAT = 1.01


class NUTS(AbstractCircuitInference):
    """Draws of parameters and noise model by the no-U-turn sampler.

    The chains start around the Laplace approximation and move in coordinates whitened
    by its covariance, so that a short warm-up is enough. The variance depends on the
    parameters here, including its term log σ².

    Args:
        num_samples: draws kept of each spectrum, of all chains together.
        num_warmup: steps of adaptation of each chain, discarded.
        num_chains: chains of each spectrum, with an equal number of draws each.

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

    def run(self, problem, *, key):
        key_mode, key_chain = jax.random.split(key)
        laplace = Laplace().run(problem, key=key_mode)
        with stopwatch() as watch:
            drawn = _sample_batch(problem, laplace.mixture, key_chain, self)
            drawn = jax.block_until_ready(drawn)
        z, logits, variance_scale, diverged = drawn
        diagnostics = np.array([diagnose(chains) for chains in z])
        r_hat, ess = float(diagnostics[:, 0].max()), float(diagnostics[:, 1].min())
        report = FitReport(
            converged=r_hat < _R_HAT,
            message=f"largest r-hat {r_hat:.3f}; {laplace.report.message}",
            steps=z.shape[1] * z.shape[2],
            r_hat=r_hat,
            ess=ess,
            divergences=int(diverged.sum()),
            seconds_compile=watch.compile + laplace.report.seconds_compile,
            seconds_run=watch.run + laplace.report.seconds_run,
        )
        mixture = _as_mixture(laplace.mixture, z, logits, variance_scale)
        return replace(laplace, mixture=mixture, report=report)


@eqx.filter_jit
def _sample_batch(problem, mixture, key, settings):
    keys = jax.random.split(key, len(problem.impedance))
    one = partial(_sample_one, problem, settings)
    return jax.vmap(one)(problem.measured, problem.impedance, mixture, keys)


def _sample_one(problem, settings, measured, impedance, mixture, key):
    """z [chains draws p], logits, variance scale and divergences of one spectrum."""
    joint = joint_density(problem, measured, impedance, mixture)
    key_start, key_chains = jax.random.split(key)
    shape = (settings.num_chains, joint.size)
    start = _START_SD * jax.random.normal(key_start, shape, mixture.location.dtype)
    drawn, diverged = sample(
        joint.log_density,
        start,
        key=key_chains,
        num_warmup=settings.num_warmup,
        num_samples=settings.num_samples // settings.num_chains,
        max_tree_depth=6,
    )
    z, xi, log_scale = jax.vmap(jax.vmap(joint.to_natural))(drawn)
    return z, jax.vmap(jax.vmap(joint.to_logits))(xi), jnp.exp(log_scale), diverged


def _as_mixture(mixture, z, logits, variance_scale):
    """Draws as components with zero covariance and equal weights."""
    flat = (len(z), z.shape[1] * z.shape[2])
    location = z.reshape(*flat, -1)
    changes = {
        "location": location,
        "covariance": jnp.zeros((*location.shape, location.shape[-1]), z.dtype),
        "logits": logits.reshape(*flat, logits.shape[-1]),
        "variance_scale": variance_scale.reshape(*flat, 1),
        "log_weight": jnp.full((*flat, 1), -np.log(flat[1]), z.dtype),
    }
    return replace(mixture, **changes)
